"""The short way to the one route that is called a thousand times a second.

A framework's routing, dependencies and nested error handlers cost more than tokenising a short
text. The route stays declared in `embeddings`, where its documentation is made from.
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from embedder.api import embeddings
from embedder.api.context import Context
from embedder.api.edge import own_path
from embedder.api.errors import answer_error
from embedder.errors import TesseraError

_PATH = "/v1/embeddings"
_ROUTES = {getattr(route, "path", ""): route for route in embeddings.router.routes}


class Direct:
    """An ASGI application: a POST to an embeddings path is answered here, all else by `app`."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._context: Context = app.state.context
        self._routed: ASGIApp = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._routed(scope, receive, send)
            return
        path = own_path(scope)
        if not path.endswith(_PATH):
            await self._routed(scope, receive, send)
            return
        model = path[1 : -len(_PATH)] or None
        scope["app"] = self._app
        scope["route"] = _ROUTES[f"/{{model:path}}{_PATH}" if model else _PATH]
        request = Request(scope, receive, send)
        try:
            self._context.gate.check(request)
            response = await embeddings.answer(request, model)
        except TesseraError as error:
            response = answer_error(error)
        await response(scope, receive, send)
