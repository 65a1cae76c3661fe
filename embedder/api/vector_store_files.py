"""/v1/vector_stores/{id}/files and /file_batches."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any, get_args

from fastapi import APIRouter, Request
from starlette.responses import Response

from embedder.api.bodies import parse_object
from embedder.api.context import Context, context_of
from embedder.api.paging import page
from embedder.api.schemas import validate
from embedder.api.serialise import json_response
from embedder.api.vector_store_wire import (
    AttachFile,
    AttachFiles,
    ChangeFile,
    checked_attributes,
    chunking_of,
    counted,
    described_file,
)
from embedder.api.vector_stores import opened
from embedder.collections import Collection
from embedder.collections.documents import Document, State
from embedder.corpus.chunks import Chunking
from embedder.errors import InvalidInput

router = APIRouter(tags=["vector stores"], include_in_schema=False)

_FILES, _BATCHES = "/v1/vector_stores/{store_id}/files", "/v1/vector_stores/{store_id}/file_batches"


@router.post(_FILES)
async def attach_file(request: Request, store_id: str) -> Response:
    """Begin to put a file into a vector store."""
    context = context_of(request)
    async with context.bodies.read(request) as body:
        wanted = validate(AttachFile, parse_object(body))
    attributes, chunking = checked_attributes(wanted.attributes), wanted.chunking()
    store = await opened(context, store_id)
    made = await context.documents.attach(store, wanted.file_id, attributes, chunking)
    return json_response(described_file(store_id, made))


@router.get(_FILES)
async def list_files(request: Request, store_id: str) -> Response:
    """The files of a vector store, the newest first."""
    context = context_of(request)
    return _listed(request, store_id, await context.documents.of(await opened(context, store_id)))


@router.get(_FILES + "/{file_id}")
async def get_file(request: Request, store_id: str, file_id: str) -> Response:
    """One file, and how far it is."""
    context = context_of(request)
    found = await context.documents.get(await opened(context, store_id), file_id)
    return json_response(described_file(store_id, found))


@router.post(_FILES + "/{file_id}")
async def change_file(request: Request, store_id: str, file_id: str) -> Response:
    """Give a file other attributes."""
    context = context_of(request)
    async with context.bodies.read(request) as body:
        wanted = validate(ChangeFile, parse_object(body))
    attributes = checked_attributes(wanted.attributes)
    changed = await context.documents.change(await opened(context, store_id), file_id, attributes)
    return json_response(described_file(store_id, changed))


@router.get(_FILES + "/{file_id}/content")
async def get_content(request: Request, store_id: str, file_id: str) -> Response:
    """The chunks of a file, in order."""
    context = context_of(request)
    store = await opened(context, store_id)
    document = await context.documents.get(store, file_id)
    rows = await store.get([f"{file_id}#{number}" for number in range(1, document.chunks + 1)])
    data = [{"type": "text", "text": row.text} for row in rows]
    return json_response(
        {
            "object": "vector_store.file_content.page",
            "data": data,
            "has_more": False,
            "next_page": None,
        }
    )


@router.delete(_FILES + "/{file_id}")
async def detach_file(request: Request, store_id: str, file_id: str) -> Response:
    """Take a file out of a vector store; the file itself stays."""
    context = context_of(request)
    await context.documents.detach(await opened(context, store_id), file_id)
    return json_response({"id": file_id, "object": "vector_store.file.deleted", "deleted": True})


@router.post(_BATCHES)
async def attach_files(request: Request, store_id: str) -> Response:
    """Begin to put several files into a vector store."""
    context = context_of(request)
    async with context.bodies.read(request) as body:
        wanted = validate(AttachFiles, parse_object(body))
    each = _each(wanted)
    store = await opened(context, store_id)
    for file_id, _, _ in each:
        await asyncio.to_thread(context.uploads.get, file_id)
    batch_id = f"vsfb_{uuid.uuid4().hex[:24]}"
    await context.documents.remember_batch(store, batch_id, [one for one, _, _ in each])
    for file_id, attributes, chunking in each:
        await context.documents.attach(store, file_id, attributes, chunking)
    return json_response(await _described(context, store, batch_id))


@router.get(_BATCHES + "/{batch_id}")
async def get_batch(request: Request, store_id: str, batch_id: str) -> Response:
    """How far several files are."""
    context = context_of(request)
    store = await opened(context, store_id)
    return json_response(await _described(context, store, batch_id))


@router.post(_BATCHES + "/{batch_id}/cancel")
async def cancel_batch(request: Request, store_id: str, batch_id: str) -> Response:
    """Stop what is still being done with several files."""
    context = context_of(request)
    store = await opened(context, store_id)
    files = await context.documents.of_batch(store, batch_id)
    await context.documents.cancel(store, [one.file_id for one in files if one.state == "in_progress"])
    return json_response(await _described(context, store, batch_id))


@router.get(_BATCHES + "/{batch_id}/files")
async def list_batch(request: Request, store_id: str, batch_id: str) -> Response:
    """The files of a batch."""
    context = context_of(request)
    store = await opened(context, store_id)
    return _listed(request, store_id, await context.documents.of_batch(store, batch_id))


def _each(wanted: AttachFiles) -> list[tuple[str, dict[str, Any], Chunking | None]]:
    """Each file of a batch with its attributes and how it is cut.

    Raises:
        InvalidInput
    """
    if (wanted.file_ids is None) == (wanted.files is None):
        raise InvalidInput("Send either 'file_ids' or 'files'.", param="file_ids")
    if wanted.file_ids is not None:
        attributes, chunking = checked_attributes(wanted.attributes), wanted.chunking()
        return [(file_id, attributes, chunking) for file_id in dict.fromkeys(wanted.file_ids)]
    each: dict[str, tuple[str, dict[str, Any], Chunking | None]] = {}
    for told in wanted.files or []:
        one = validate(AttachFile, {name: value for name, value in told.items() if value is not None})
        each[one.file_id] = (
            one.file_id,
            checked_attributes(one.attributes),
            chunking_of(one.chunking_strategy),
        )
    return list(each.values())


async def _described(context: Context, store: Collection, batch_id: str) -> dict[str, Any]:
    documents = await context.documents.of_batch(store, batch_id)
    about = await store.read_about()
    counts = counted(documents)
    states = ("in_progress", "cancelled", "completed")
    return {
        "id": batch_id,
        "object": "vector_store.files_batch",
        "created_at": min((one.created for one in documents), default=about.created),
        "vector_store_id": store.name,
        "status": next((state for state in states[:2] if counts[state]), states[2]),
        "file_counts": counts,
    }


def _listed(request: Request, store_id: str, documents: list[Document]) -> Response:
    wanted = request.query_params.get("filter")
    if wanted not in (None, *get_args(State)):
        raise InvalidInput(f"'filter' must be one of {', '.join(get_args(State))}.", param="filter")
    data = [described_file(store_id, one) for one in documents if wanted in (None, one.state)]
    return json_response(page(request, data))
