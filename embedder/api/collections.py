"""/v1/collections: texts that last, for programs that send them directly."""

from __future__ import annotations

from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from starlette.responses import Response

from embedder.api import collection_schemas as wire
from embedder.api.bodies import parse_object
from embedder.api.context import Context, context_of
from embedder.api.documentation import json_body
from embedder.api.schemas import validate
from embedder.api.serialise import json_response
from embedder.api.vector_store_wire import PREFIX
from embedder.api.waiting import off_loop, while_connected
from embedder.collections import Answer, Collection, NewText, Question, parse_filter
from embedder.errors import InvalidInput, TooLarge
from embedder.spending import check_budget

router = APIRouter(tags=["collections"])

_MAX_IDS = 10_000
_MAX_METADATA, _MAX_METADATA_CHARS = 16, 512
_CHARS_PER_TOKEN = 4


def _post(summary: str, schema: Any, answer: Any) -> dict[str, Any]:
    responses = {200: {"model": answer}}
    return {"summary": summary, "responses": responses, "openapi_extra": json_body(schema)}


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
    **_post("Make a collection", wire.CreateCollection, wire.Collection),
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


@router.post(
    "/v1/collections/{name}/texts",
    operation_id="add_texts",
    **_post("Add texts to a collection", wire.AddTexts, wire.AddedTexts),
)
async def add_texts(request: Request, name: str) -> Response:
    """Texts, each in place of the one with its id; without an id it has that of its content."""
    context = context_of(request)
    async with context.bodies.read(request) as body:
        wanted = await off_loop(len(body), _parse_added, body)
        texts, vectors = await off_loop(
            len(body), _new_texts, wanted.texts, context.settings.max_request_texts
        )
        if vectors is None:
            _check_chars(texts, context)
            check_budget()  # what has been begun waits for room, also in a budget
        opened = await context.collections.open(name)
        call = opened.add(texts, vectors=vectors, fingerprint=wanted.fingerprint)
        added = await while_connected(request, call, timeout_s=context.settings.request_timeout_s)
    return json_response(
        {
            "object": "collection.added",
            "ids": added.ids,
            "new": added.new,
            "replaced": added.replaced,
            "unchanged": added.unchanged,
            "failed": [{"index": one.index, "message": one.message} for one in added.failed],
        }
    )


@router.post(
    "/v1/collections/{name}/search",
    operation_id="search_collection",
    **_post("Search a collection", wire.SearchCollection, wire.Found),
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


@router.post(
    "/v1/collections/{name}/delete",
    operation_id="delete_texts",
    **_post("Delete texts of a collection", wire.DeleteTexts, wire.DeletedTexts),
)
async def delete_texts(request: Request, name: str) -> Response:
    """Texts by their ids, and all texts of some documents."""
    context = context_of(request)
    async with context.bodies.read(request) as body:
        wanted = validate(wire.DeleteTexts, parse_object(body))
    if len(wanted.ids) + len(wanted.documents) > _MAX_IDS:
        raise InvalidInput(
            f"At most {_MAX_IDS} ids and documents are taken in one request. Split it.", param="ids"
        )
    opened = await context.collections.open(name)
    count = await opened.delete(wanted.ids, documents=wanted.documents)
    return json_response({"object": "collection.texts.deleted", "deleted": count})


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


def _parse_added(body: bytearray) -> wire.AddTexts:
    return validate(wire.AddTexts, parse_object(body))


def _parse_search(body: bytearray) -> wire.SearchCollection:
    return validate(wire.SearchCollection, parse_object(body))


def _new_texts(told: Any, max_texts: int) -> tuple[list[NewText], Any]:
    """The texts that were sent, and their vectors if all have one.

    Raises:
        InvalidInput
    """
    if not isinstance(told, list) or not told:
        raise InvalidInput(
            "'texts' must be a list of at least one text or object with a text.", param="texts"
        )
    if len(told) > max_texts:
        raise InvalidInput(
            f"'texts' holds {len(told)} texts; at most {max_texts} are taken in one request. Split it.",
            param="texts",
        )
    items: list[Any] = [{"text": one} if isinstance(one, str) else one for one in told]
    if not all(isinstance(one, dict) for one in items):
        raise InvalidInput("Each of 'texts' is a text, or an object with a text.", param="texts")
    texts = [
        NewText(one.get("text"), _or_empty(one.get("id")), _or_empty(one.get("document")), one.get("columns"))
        for one in items
    ]
    vectors = [one["embedding"] for one in items if one.get("embedding") is not None]
    if not vectors:
        return texts, None
    if len(vectors) < len(texts):
        raise InvalidInput("Either all of 'texts' have an 'embedding' or none has.", param="texts")
    return texts, _as_array(vectors)


def _or_empty(value: Any) -> Any:
    """What is checked later; absent and null are nothing."""
    return "" if value is None else value


def _as_array(vectors: list[Any]) -> Any:
    try:
        with np.errstate(over="ignore"):  # infinity is refused where vectors are checked
            made = np.array(vectors)
            if made.dtype.kind not in "fiu":
                raise TypeError  # words are no numbers, nor is a list of true and false
            return made.astype(np.float32)
    except (ValueError, TypeError, OverflowError):
        raise InvalidInput(
            "Each 'embedding' is a list of numbers, all of one length.", param="texts"
        ) from None


def _question(wanted: wire.SearchCollection) -> Question:
    return Question(
        query=wanted.query or "",
        vector=None if wanted.vector is None else _as_array(wanted.vector),
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


def _check_chars(texts: list[NewText], context: Context) -> None:
    """About as many characters as a request may hold tokens."""
    most = context.settings.max_request_tokens * _CHARS_PER_TOKEN
    if sum(len(one.text) for one in texts if isinstance(one.text, str)) > most:
        raise TooLarge(f"The texts hold more than {most} characters. Send them in smaller parts.")
