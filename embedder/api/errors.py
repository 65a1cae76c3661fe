"""The one table from our errors to HTTP, and the one JSON shape every error leaves in.

The shape and the statuses are OpenAI's: their clients choose an exception class by status and
read all four fields.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from embedder.errors import (
    BackendFailed,
    CollectionBusy,
    CollectionExists,
    ContextLengthExceeded,
    InvalidInput,
    KeysUnavailable,
    ModelMismatch,
    ModelUnavailable,
    Overloaded,
    RateLimited,
    ShuttingDown,
    StoreFailed,
    TesseraError,
    TooLarge,
    UnknownCollection,
    UnknownFile,
    UnknownModel,
)


class Unauthorized(TesseraError):
    """No key, or none of the server's; `code` says which."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class UnsupportedContentType(TesseraError):
    """The body is of a type that is not read here."""


class TimedOut(TesseraError):
    """The request took longer than the owner allows."""


class ClientLeft(TesseraError):
    """Nobody is there to answer; the status is for the metrics."""


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """What a class of error is in HTTP; `code` is used where the error has none of its own."""

    status: int
    type: str
    code: str | None = None


_REQUEST, _SERVER = "invalid_request_error", "server_error"

ERROR_KINDS: Mapping[type[TesseraError], ErrorKind] = {
    InvalidInput: ErrorKind(400, _REQUEST),
    ContextLengthExceeded: ErrorKind(400, _REQUEST),
    ModelMismatch: ErrorKind(400, _REQUEST, "model_mismatch"),
    CollectionExists: ErrorKind(400, _REQUEST, "collection_exists"),
    Unauthorized: ErrorKind(401, _REQUEST),
    UnknownModel: ErrorKind(404, _REQUEST, "model_not_found"),
    UnknownCollection: ErrorKind(404, _REQUEST, "collection_not_found"),
    UnknownFile: ErrorKind(404, _REQUEST, "file_not_found"),
    CollectionBusy: ErrorKind(409, _REQUEST, "collection_busy"),
    TooLarge: ErrorKind(413, _REQUEST, "request_too_large"),
    UnsupportedContentType: ErrorKind(415, _REQUEST, "unsupported_content_type"),
    Overloaded: ErrorKind(429, "rate_limit_error", "rate_limit_exceeded"),
    RateLimited: ErrorKind(429, "rate_limit_error", "rate_limit_exceeded"),
    ClientLeft: ErrorKind(499, _REQUEST, "client_left"),
    BackendFailed: ErrorKind(500, _SERVER, "backend_failed"),
    StoreFailed: ErrorKind(500, _SERVER, "store_failed"),
    ModelUnavailable: ErrorKind(503, _SERVER, "model_unavailable"),
    KeysUnavailable: ErrorKind(500, _SERVER, "keys_unavailable"),
    ShuttingDown: ErrorKind(503, _SERVER, "shutting_down"),
    TimedOut: ErrorKind(503, _SERVER, "timeout"),
}

_UNFORESEEN = ErrorKind(500, _SERVER, "internal_error")
_UNFORESEEN_MESSAGE = (
    "The server failed on this request. The owner finds the reason in its log under the request's id."
)
_HTTP_CODES = {404: "unknown_url", 405: "method_not_allowed"}


def error_body(
    message: str, type_: str, *, param: str | None = None, code: str | None = None
) -> dict[str, dict[str, str | None]]:
    """OpenAI's error object, with all four fields always."""
    return {"error": {"message": message, "type": type_, "param": param, "code": code}}


def error_response(
    status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> Response:
    """`body` as ASCII JSON, which no text in it (half a surrogate pair, say) can make fail."""
    content = json.dumps(body, ensure_ascii=True, allow_nan=False).encode("ascii")
    return Response(content, status, headers=headers, media_type="application/json")


def answer_error(error: TesseraError) -> Response:
    """The answer to one of our errors."""
    kind = next((ERROR_KINDS[cls] for cls in type(error).__mro__ if cls in ERROR_KINDS), _UNFORESEEN)
    body = error_body(
        _message(error),
        kind.type,
        param=_text_attribute(error, "param") or ("model" if isinstance(error, UnknownModel) else None),
        code=_text_attribute(error, "code") or kind.code,
    )
    return error_response(kind.status, body, _headers(error))


def answer_unforeseen() -> Response:
    """The answer to anything we did not foresee: it says nothing of the inside."""
    return error_response(500, error_body(_UNFORESEEN_MESSAGE, _UNFORESEEN.type, code=_UNFORESEEN.code))


async def on_tessera_error(_: Request, error: Exception) -> Response:
    """Handler for the error tree."""
    return answer_error(error) if isinstance(error, TesseraError) else answer_unforeseen()


async def on_unforeseen(_: Request, error: Exception) -> Response:
    """Handler for every other exception; the edge logs it."""
    return answer_unforeseen()


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Handler for the framework's own answers: no such route, wrong method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(getattr(error, "headers", None) or {})
    if status == 405 and request.method == "OPTIONS":
        return Response(status_code=204, headers={"Allow": f"{headers.get('Allow', '')}, OPTIONS"})
    if status >= 500:
        return answer_unforeseen()
    message = {
        404: "There is nothing at this address. The API is at /v1/embeddings, /v1/models and /v1/tokenize, "
        "each also under /{model}; its documentation is at /docs.",
        405: f"This address takes {headers.get('Allow', 'another method')} only.",
    }.get(status, "The request could not be understood.")
    body = error_body(message, _REQUEST, code=_HTTP_CODES.get(status, "bad_request"))
    return error_response(status, body, headers)


def _message(error: TesseraError) -> str:
    if not isinstance(error, BackendFailed):
        # An error with no row in the table is a mistake of ours: its words may tell of the inside.
        return str(error) if any(cls in ERROR_KINDS for cls in type(error).__mro__) else _UNFORESEEN_MESSAGE
    which = "A text" if error.index is None else f"The text at index {error.index}"
    return f"{which} could not be embedded. If it fails again, leave it out or tell the server's owner."


def _headers(error: TesseraError) -> dict[str, str]:
    if isinstance(error, Unauthorized):
        return {"WWW-Authenticate": "Bearer"}
    retry_after_s: float | None = getattr(error, "retry_after_s", None)
    if retry_after_s is None:
        return {}
    # Clients read the seconds as an integer; openai's read the milliseconds first.
    return {
        "Retry-After": str(max(1, math.ceil(retry_after_s))),
        "retry-after-ms": str(max(1, math.ceil(retry_after_s * 1000))),
    }


def _text_attribute(error: TesseraError, name: str) -> str | None:
    value = getattr(error, name, None)
    return value if isinstance(value, str) else None
