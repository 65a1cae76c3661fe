"""/v1/collections/{name}: the texts of a collection, added, read, changed and deleted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
import orjson
from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from embedder.api import collection_schemas as wire
from embedder.api.bodies import parse_object
from embedder.api.context import Context, context_of
from embedder.api.documentation import json_body
from embedder.api.schemas import validate
from embedder.api.serialise import json_response
from embedder.api.waiting import off_loop, while_connected
from embedder.collections import Change, NewText
from embedder.collections.rows import Row, check_id
from embedder.errors import InvalidInput, TooLarge
from embedder.spending import check_budget

router = APIRouter()

T = TypeVar("T", bound=BaseModel)

_MAX_IDS, _MAX_READ = 10_000, 1000
_CHARS_PER_TOKEN = 4
_CHANGEABLE = ("text", "document", "columns")


def posted(summary: str, schema: Any, answer: Any) -> dict[str, Any]:
    """How a route that takes JSON is described."""
    responses = {200: {"model": answer}}
    return {"summary": summary, "responses": responses, "openapi_extra": json_body(schema)}


@router.post(
    "/v1/collections/{name}/texts",
    operation_id="add_texts",
    **posted("Add texts to a collection", wire.AddTexts, wire.AddedTexts),
)
async def add_texts(request: Request, name: str) -> Response:
    """Texts, each in place of the one with its id; without an id it has that of its content."""
    context = context_of(request)
    async with context.bodies.read(request) as body:
        wanted = await off_loop(len(body), _parsed, wire.AddTexts, body)
        texts, vectors = await off_loop(
            len(body), _new_texts, wanted.texts, context.settings.max_request_texts
        )
        if vectors is None:
            _check_chars((one.text for one in texts), context)
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
    "/v1/collections/{name}/get",
    operation_id="get_texts",
    **posted("Read texts of a collection", wire.GetTexts, wire.Texts),
)
async def get_texts(request: Request, name: str) -> Response:
    """Texts by their ids, in this order, with their columns and, if wanted, their vectors."""
    context = context_of(request)
    async with context.bodies.read(request) as body:
        wanted = validate(wire.GetTexts, parse_object(body))
    if len(wanted.ids) > _MAX_READ:
        raise InvalidInput(f"At most {_MAX_READ:,} texts are read in one request. Split it.", param="ids")
    opened = await context.collections.open(name)
    call = opened.get(wanted.ids, vectors=wanted.embeddings)
    rows = await while_connected(request, call, timeout_s=context.settings.request_timeout_s)
    size = sum(len(row.text) + (0 if row.vector is None else 16 * len(row.vector)) for row in rows)
    return json_response(await off_loop(size, _read, rows, wanted.ids))


@router.post(
    "/v1/collections/{name}/update",
    operation_id="update_texts",
    **posted("Change texts of a collection", wire.UpdateTexts, wire.UpdatedTexts),
)
async def update_texts(request: Request, name: str) -> Response:
    """What is given of each text in place of what it had; one of an unknown id is not made, but named."""
    context = context_of(request)
    async with context.bodies.read(request) as body:
        wanted = await off_loop(len(body), _parsed, wire.UpdateTexts, body)
        changes = await off_loop(len(body), _changes, wanted.texts, context.settings.max_request_texts)
        words = [one.text for one in changes if one.text is not None]
        if words:
            _check_chars(words, context)
            check_budget()
        opened = await context.collections.open(name)
        call = opened.update_many(changes)
        rows = await while_connected(request, call, timeout_s=context.settings.request_timeout_s)
    missing = _missing([one.id for one in changes], rows)
    return json_response({"object": "collection.updated", "updated": len(rows), "missing": missing})


@router.post(
    "/v1/collections/{name}/delete",
    operation_id="delete_texts",
    **posted("Delete texts of a collection", wire.DeleteTexts, wire.DeletedTexts),
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


def _parsed(schema: type[T], body: bytearray) -> T:
    return validate(schema, parse_object(body))


def _check_list(told: Any, max_texts: int) -> None:
    """Refuse what is no list of texts, or too long a one.

    Raises:
        InvalidInput
    """
    if not isinstance(told, list) or not told:
        raise InvalidInput(
            "'texts' must be a list of at least one: see /docs for what each is.", param="texts"
        )
    if len(told) > max_texts:
        raise InvalidInput(
            f"'texts' holds {len(told)} texts; at most {max_texts} are taken in one request. Split it.",
            param="texts",
        )


def _new_texts(told: Any, max_texts: int) -> tuple[list[NewText], Any]:
    """The texts that were sent, and their vectors if all have one.

    Raises:
        InvalidInput
    """
    _check_list(told, max_texts)
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
    return texts, as_array(vectors)


def _or_empty(value: Any) -> Any:
    """What is checked later; absent and null are nothing."""
    return "" if value is None else value


def _changes(told: Any, max_texts: int) -> list[Change]:
    """The changes that were sent; what they hold is checked where they are made.

    Raises:
        InvalidInput
    """
    _check_list(told, max_texts)
    for one in told:
        if not isinstance(one, dict) or all(one.get(part) is None for part in _CHANGEABLE):
            raise InvalidInput(
                "Each of 'texts' is an object with an 'id' and a new 'text', 'document' or 'columns'.",
                param="texts",
            )
    return [Change(check_id(one.get("id")), *(one.get(part) for part in _CHANGEABLE)) for one in told]


def _read(rows: list[Row], wanted: list[str]) -> bytes:
    data = [
        {"id": row.id, "text": row.text, "document": row.document, "columns": dict(row.columns)}
        | ({} if row.vector is None else {"embedding": row.vector})
        for row in rows
    ]
    told = {"object": "list", "data": data, "missing": _missing(wanted, rows)}
    return orjson.dumps(told, option=orjson.OPT_SERIALIZE_NUMPY)


def _missing(wanted: Iterable[str], rows: Iterable[Row]) -> list[str]:
    """Ids that were named and are not among `rows`, each once."""
    there = {row.id for row in rows}
    return [one for one in dict.fromkeys(wanted) if one not in there]


def as_array(vectors: list[Any]) -> Any:
    """Numbers that came as JSON, as float32.

    Raises:
        InvalidInput
    """
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


def _check_chars(texts: Iterable[Any], context: Context) -> None:
    """About as many characters as a request may hold tokens."""
    most = context.settings.max_request_tokens * _CHARS_PER_TOKEN
    if sum(len(one) for one in texts if isinstance(one, str)) > most:
        raise TooLarge(f"The texts hold more than {most} characters. Send them in smaller parts.")
