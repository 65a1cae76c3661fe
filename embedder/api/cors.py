"""Which foreign pages may call the API from a browser: those that the owner allows."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from embedder.api.errors import error_body, error_response

_METHODS = ("GET", "HEAD", "OPTIONS", "POST")
_EXPOSED = ("x-request-id", "x-truncated", "retry-after", "retry-after-ms", "openai-processing-ms")


class AllowedOrigins(CORSMiddleware):
    """Starlette's CORS for the owner's allow-list, refusing in our one shape of errors.

    Any header may be sent: OpenAI's client in a browser sends a dozen of its own. Cookies are
    not allowed, and nothing here reads any.
    """

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=["*"],
            allow_private_network=True,
            expose_headers=_EXPOSED,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to a browser that asks before it sends."""
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        message = (
            "Pages of this origin may not call the API so. Its owner can allow them: TESSERA_CORS_ORIGINS."
        )
        body = error_body(message, "invalid_request_error", code="cors_not_allowed")
        kept = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        return error_response(response.status_code, body, kept)
