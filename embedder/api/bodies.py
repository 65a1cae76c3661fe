"""Reading a request's body: bounded in bytes and time, and never a surprise in what it holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from fastapi import Request
from starlette.requests import ClientDisconnect

from embedder.api.errors import ClientLeft, TimedOut, UnsupportedContentType
from embedder.errors import InvalidInput, Overloaded, TooLarge

JSON, FORM = "application/json", "multipart/form-data"

_BODIES_HELD = 4
"""Bodies of the largest size that may be in memory at once; smaller ones share the same room."""

_RETRY_AFTER_S = 1.0


class Bodies:
    """Reads bodies of up to `max_body_bytes`, and holds no more than four times as much at once."""

    def __init__(self, max_body_bytes: int, timeout_s: float) -> None:
        self._max_body_bytes = max_body_bytes
        self._max_held_bytes = _BODIES_HELD * max_body_bytes
        self._timeout_s = timeout_s
        self.held_bytes = 0

    @asynccontextmanager
    async def read(self, request: Request, media_type: str = JSON) -> AsyncIterator[bytearray]:
        """The body, its room kept until the block ends, since what is made of it lives as long.

        Raises:
            UnsupportedContentType, TooLarge: said before anything is read, where the headers tell.
            Overloaded: other requests hold all the room there is.
            TimedOut, ClientLeft
        """
        _check_headers(request, media_type)
        self._check_size(_declared_bytes(request))
        body = bytearray()
        try:
            await self._fill(body, request)
            yield body
        finally:
            self.held_bytes -= len(body)

    async def _fill(self, body: bytearray, request: Request) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                async for chunk in request.stream():
                    self._check_size(len(body) + len(chunk))
                    self._take(len(chunk))
                    body += chunk
        except ClientDisconnect:
            raise ClientLeft("The client left before its request was read.") from None
        except TimeoutError:
            raise TimedOut("The body did not arrive in time. Send it again.") from None

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._max_body_bytes:
            raise TooLarge(
                f"The request's body is larger than {self._max_body_bytes} bytes. Send it in smaller parts."
            )

    def _take(self, size_bytes: int) -> None:
        if self.held_bytes + size_bytes > self._max_held_bytes:
            raise Overloaded(_RETRY_AFTER_S)
        self.held_bytes += size_bytes


def parse_object(body: bytes | bytearray) -> dict[str, Any]:
    """The JSON object in `body`, without its null fields: clients send null for absent.

    NaN, half a surrogate pair, invalid UTF-8 and deep nesting are not JSON and are refused.

    Raises:
        InvalidInput: it is not a JSON object. The message never repeats the body.
    """
    if not body.strip():
        raise InvalidInput('The body is empty. Send a JSON object, such as {"model": …, "input": …}.')
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(
            f"The body is not valid JSON (line {error.lineno}, column {error.colno})."
        ) from None
    if not isinstance(value, dict):
        raise InvalidInput('The body must be a JSON object, such as {"model": …, "input": …}.')
    return {name: item for name, item in value.items() if item is not None}


def _check_headers(request: Request, wanted: str) -> None:
    """One type only. It also keeps forms on foreign pages, which browsers send unasked, from JSON routes."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if wanted == FORM and media_type != FORM:
        raise UnsupportedContentType("A file is sent as a form: 'Content-Type: multipart/form-data'.")
    if wanted == JSON and media_type and media_type != JSON and not media_type.endswith("+json"):
        raise UnsupportedContentType(
            "The body must be JSON: send the header 'Content-Type: application/json'."
        )
    if request.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise UnsupportedContentType("Compressed bodies are not read here. Send the JSON as it is.")


def _declared_bytes(request: Request) -> int:
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdigit() and len(declared) < 20 else 0
