"""/v1/vector_stores as OpenAI's clients use it: a collection whose texts come from files."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from embedder.api.bodies import parse_object
from embedder.api.context import Context, context_of
from embedder.api.paging import page
from embedder.api.schemas import validate
from embedder.api.serialise import json_response
from embedder.api.vector_store_wire import (
    PREFIX,
    ChangeStore,
    CreateStore,
    SearchStore,
    checked_metadata,
    described_store,
)
from embedder.api.waiting import while_connected
from embedder.collections import Collection, Question, parse_filter
from embedder.collections.documents import Document
from embedder.collections.search import Hit
from embedder.errors import InvalidInput, UnknownCollection

router = APIRouter(tags=["vector stores"], include_in_schema=False)

_MAX_RESULTS = 50


async def opened(context: Context, store_id: str) -> Collection:
    """The collection behind a vector store.

    Raises:
        UnknownCollection
    """
    if not store_id.startswith(PREFIX):
        raise UnknownCollection(store_id)
    return await context.collections.open(store_id)


@router.post("/v1/vector_stores")
async def create_store(request: Request) -> Response:
    """A new vector store, with the files that are named put into it."""
    context = context_of(request)
    async with context.bodies.read(request) as body:
        wanted = validate(CreateStore, parse_object(body))
    chunking = wanted.chunking()
    for file_id in wanted.file_ids:
        await asyncio.to_thread(context.uploads.get, file_id)
    metadata = {"name": wanted.name, "metadata": checked_metadata(wanted.metadata), "files": {}}
    made = await context.collections.create(f"{PREFIX}{uuid.uuid4().hex[:24]}", metadata=metadata)
    for file_id in wanted.file_ids:
        await context.documents.attach(made, file_id, {}, chunking)
    return json_response(await _described(context, made))


@router.get("/v1/vector_stores")
async def list_stores(request: Request) -> Response:
    """Every vector store, the newest first."""
    context = context_of(request)
    names = [name for name in await context.collections.names() if name.startswith(PREFIX)]
    found = [await _described(context, await context.collections.open(name)) for name in names]
    found.sort(key=lambda one: (-one["created_at"], one["id"]))
    return json_response(page(request, found))


@router.get("/v1/vector_stores/{store_id}")
async def get_store(request: Request, store_id: str) -> Response:
    """One vector store, and how far its files are."""
    context = context_of(request)
    return json_response(await _described(context, await opened(context, store_id)))


@router.post("/v1/vector_stores/{store_id}")
async def change_store(request: Request, store_id: str) -> Response:
    """Give a vector store another name or other metadata."""
    context = context_of(request)
    async with context.bodies.read(request) as body:
        wanted = validate(ChangeStore, parse_object(body))
    store = await opened(context, store_id)
    changed: dict[str, Any] = {}
    if wanted.name is not None:
        changed["name"] = wanted.name
    if wanted.metadata is not None:
        changed["metadata"] = checked_metadata(wanted.metadata)
    await context.documents.remember(store, changed)
    return json_response(await _described(context, store))


@router.delete("/v1/vector_stores/{store_id}")
async def delete_store(request: Request, store_id: str) -> Response:
    """The vector store and its chunks; the files stay."""
    context = context_of(request)
    store = await opened(context, store_id)
    await context.documents.cancel(store, [one.file_id for one in await context.documents.of(store)])
    await context.collections.delete(store_id)
    return json_response({"id": store_id, "object": "vector_store.deleted", "deleted": True})


@router.post("/v1/vector_stores/{store_id}/search")
async def search_store(request: Request, store_id: str) -> Response:
    """Chunks by the cosine of question and chunk; `rewrite_query` and `ranker` change nothing."""
    context = context_of(request)
    async with context.bodies.read(request) as body:
        wanted = validate(SearchStore, parse_object(body))
    store = await opened(context, store_id)
    queries = wanted.query if isinstance(wanted.query, list) else [wanted.query]
    if not queries or len(queries) > _MAX_RESULTS or not all(isinstance(one, str) for one in queries):
        raise InvalidInput("'query' must be a text, or a list of a few.", param="query")
    filters = None if wanted.filters is None else parse_filter(wanted.filters)
    best: dict[str, Hit] = {}
    for query in queries:
        question = Question(
            query, top_k=wanted.max_num_results, wanted=filters, min_score=wanted.score_threshold()
        )
        call = store.search(question)
        answer = await while_connected(request, call, timeout_s=context.settings.request_timeout_s)
        for hit in answer.hits:
            if hit.row.id not in best or hit.score > best[hit.row.id].score:
                best[hit.row.id] = hit
    ranked = sorted(best.values(), key=lambda hit: -hit.score)[: wanted.max_num_results]
    names = {document.file_id: document.filename for document in await context.documents.of(store)}
    return json_response(
        {
            "object": "vector_store.search_results.page",
            "search_query": queries,
            "data": [_as_result(hit, names) for hit in ranked],
            "has_more": False,
            "next_page": None,
        }
    )


def _as_result(hit: Hit, names: dict[str, str]) -> dict[str, Any]:
    return {
        "file_id": hit.row.document,
        "filename": names.get(hit.row.document, ""),
        "score": max(0.0, hit.score),
        "attributes": dict(hit.row.columns),
        "content": [{"type": "text", "text": hit.row.text}],
    }


async def _described(context: Context, store: Collection) -> dict[str, Any]:
    documents: list[Document] = await context.documents.of(store)
    return described_store(await store.read_about(), documents, int(time.time()))
