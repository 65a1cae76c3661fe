"""/v1/collections: texts that last, for programs that send them directly."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from embedder.api import collection_schemas as wire
from embedder.api import collection_texts
from embedder.api.bodies import parse_object
from embedder.api.collection_texts import as_array, posted
from embedder.api.context import context_of
from embedder.api.schemas import validate
from embedder.api.serialise import json_response
from embedder.api.vector_store_wire import PREFIX
from embedder.api.waiting import off_loop, while_connected
from embedder.collections import Answer, Collection, Question, parse_filter
from embedder.errors import InvalidInput

router = APIRouter(tags=["collections"])

_MAX_METADATA, _MAX_METADATA_CHARS = 16, 512


@router.get(
    "/v1/collections",
    operation_id="list_collections",
    summary="List collections",
    responses={200: {"model": wire.CollectionList}},
)
async def list_collections(request: Request) -> Response:
    """Every collection of this server, by name."""
    context = context_of(request)
    names = await context.collections.names()
    data = [await _described(await context.collections.open(name)) for name in names]
    return json_response({"object": "list", "data": data})


@router.post(
    "/v1/collections",
    operation_id="create_collection",
    **posted("Make a collection", wire.CreateCollection, wire.Collection),
)
async def create_collection(request: Request) -> Response:
    """A new, empty collection for the vectors of one model."""
    context = context_of(request)
    async with context.bodies.read(request) as body:
        wanted = validate(wire.CreateCollection, parse_object(body))
    _check_metadata(wanted.metadata or {})
    if wanted.name.startswith(PREFIX):
        raise InvalidInput(f"Names that begin with {PREFIX} are those of vector stores.", param="name")
    call = context.collections.create(wanted.name, model=wanted.model, metadata=wanted.metadata)
    made = await while_connected(request, call, timeout_s=context.settings.request_timeout_s)
    return json_response(await _described(made))


# In the order in which /docs shows them.
router.include_router(collection_texts.router)


@router.post(
    "/v1/collections/{name}/search",
    operation_id="search_collection",
    **posted("Search a collection", wire.SearchCollection, wire.Found),
)
async def search_collection(request: Request, name: str) -> Response:
    """The texts that answer best, by meaning, by words or both; every hit says what its score is made of."""
    context = context_of(request)
    async with context.bodies.read(request) as body:
        wanted = await off_loop(len(body), _parse_search, body)
        question = _question(wanted)
        opened = await context.collections.open(name)
        call = opened.search(question)
        answer = await while_connected(request, call, timeout_s=context.settings.request_timeout_s)
        return json_response(await off_loop(len(answer.hits) * 4096, _found, answer))


@router.get(
    "/v1/collections/{name}",
    operation_id="get_collection",
    summary="Describe a collection",
    responses={200: {"model": wire.Collection}},
)
async def get_collection(request: Request, name: str) -> Response:
    """Its model, how many texts it has, and how they are searched."""
    context = context_of(request)
    return json_response(await _described(await context.collections.open(name)))


@router.delete(
    "/v1/collections/{name}",
    operation_id="delete_collection",
    summary="Delete a collection",
    responses={200: {"model": wire.Deleted}},
)
async def delete_collection(request: Request, name: str) -> Response:
    """The collection and everything in it, for good."""
    context = context_of(request)
    await context.collections.delete(name)
    return json_response({"id": name, "object": "collection.deleted", "deleted": True})


async def _described(collection: Collection) -> dict[str, Any]:
    about, stats = await collection.read_about(), await collection.stats()
    # What a vector store remembers of its files names processes.
    hidden = ("files", "batches") if about.name.startswith(PREFIX) else ()
    return {
        "id": about.name,
        "object": "collection",
        "created": about.created,
        "model": about.model,
        "fingerprint": about.fingerprint,
        "dimensions": about.dimensions,
        "metadata": {name: told for name, told in about.metadata.items() if name not in hidden},
        "count": stats.count,
        "index": stats.index,
        "recall": stats.recall,
    }


def _parse_search(body: bytearray) -> wire.SearchCollection:
    return validate(wire.SearchCollection, parse_object(body))


def _question(wanted: wire.SearchCollection) -> Question:
    return Question(
        query=wanted.query or "",
        vector=None if wanted.vector is None else as_array(wanted.vector),
        mode=wanted.mode,
        top_k=wanted.top_k,
        wanted=None if wanted.filters is None else parse_filter(wanted.filters),
        min_score=wanted.min_score,
        weights=(1.0, 1.0) if wanted.weights is None else (wanted.weights[0], wanted.weights[1]),
        like=tuple(wanted.like),
        unlike=tuple(wanted.unlike),
        diversity=wanted.diversity,
        rerank=wanted.rerank,
    )


def _found(answer: Answer) -> dict[str, Any]:
    data = [
        {
            "id": hit.row.id,
            "score": hit.score,
            "parts": dict(hit.parts),
            "text": hit.row.text,
            "document": hit.row.document,
            "columns": dict(hit.row.columns),
        }
        for hit in answer.hits
    ]
    return {"object": "list", "data": data, "score": answer.score}


def _check_metadata(metadata: dict[str, str]) -> None:
    if len(metadata) > _MAX_METADATA or any(
        len(name) > _MAX_METADATA_CHARS or len(value) > _MAX_METADATA_CHARS
        for name, value in metadata.items()
    ):
        raise InvalidInput(
            f"'metadata' holds at most {_MAX_METADATA} names and values of {_MAX_METADATA_CHARS} characters.",
            param="metadata",
        )
