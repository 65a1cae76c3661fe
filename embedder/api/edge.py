"""The outermost layer: whose path it is, a name for every request, and the last word on errors.

The page, mounted at `/`, answers for any path; this layer decides before it, so that a wrong
method or an unknown path of ours gets our JSON, and Gradio's own paths are left to Gradio.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
import traceback
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from embedder.api.errors import answer_unforeseen
from embedder.errors import ConfigError
from embedder.metrics import Metrics
from embedder.spending import BUDGET

_LOG = logging.getLogger(__name__)

OWN_PATHS = frozenset({"/health", "/ready", "/metrics", "/docs", "/openapi.json"})

PAGE_PREFIXES = frozenset(
    {
        "theme.css",
        "explorer",
        "robots.txt",
        "pwa_icon",
        "manifest.json",
        "login",
        "logout",
        "svelte",
        "config",
        "static",
        "assets",
        "favicon.ico",
        "gradio_api",
        "monitoring",
    }
)
"""First parts of paths of the page: the map's, and Gradio's own (its `INTERNAL_ROUTES`)."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_SLASHES = re.compile(r"/{2,}")


class Edge:
    """An ASGI application in front of `api` and, where there is one, `page`."""

    def __init__(
        self, api: ASGIApp, page: ASGIApp | None, metrics: Metrics, leaving: threading.Event | None = None
    ) -> None:
        self._api = api
        self._page = page
        self._metrics = metrics
        self._leaving = leaving or threading.Event()

    def leave(self) -> None:
        """The server is about to stop: say so by /ready, and have clients connect anew, to another."""
        self._leaving.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        BUDGET.set(None)  # of an earlier request on this connection, whose context may be this one's too
        if scope["type"] != "http":
            app = self._page if scope["type"] == "websocket" and self._page else self._api
            await app(scope, receive, send)
            return
        path = own_path(scope)
        ours = self._page is None or is_ours(path)
        app = self._api if ours or self._page is None else self._page
        scope = _as_ours(scope, path) if ours else scope
        request_id = _request_id(scope)
        answer = _Answer(send, request_id, ours=ours, last=self._leaving)
        try:
            await app(scope, receive, answer.send)
        except Exception as error:
            _LOG.error("Request %s failed: %s at %s", request_id, type(error).__name__, _place(error))
            if not answer.status:
                await answer_unforeseen()(scope, receive, answer.send)
        finally:
            if ours:
                self._count(scope, answer)

    def _count(self, scope: Scope, answer: _Answer) -> None:
        """Count by route, not by path: a path is anything a client likes."""
        route = getattr(scope.get("route"), "path", "unknown")
        self._metrics.count_request(route, answer.status or 499, answer.elapsed_s())


class _Answer:
    """Sends an answer with our headers; `status` is 0 until it begins. With `last` its connection ends."""

    def __init__(self, send: Send, request_id: str, *, ours: bool, last: threading.Event) -> None:
        self._send = send
        self._request_id = request_id
        self._ours = ours
        self._last = last
        self._started_s = time.perf_counter()
        self.status = 0

    def elapsed_s(self) -> float:
        """Seconds since the request arrived."""
        return time.perf_counter() - self._started_s

    async def send(self, message: Message) -> None:
        """Pass `message` on, with our headers on its start."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), (b"x-request-id", self._request_id.encode())]
            if self._ours:
                headers.append((b"x-content-type-options", b"nosniff"))
                headers.append((b"openai-processing-ms", b"%d" % round(self.elapsed_s() * 1000)))
            if self._last.is_set():
                headers.append((b"connection", b"close"))
            message["headers"] = headers
        await self._send(message)


def own_path(scope: Scope) -> str:
    """The path below the server's root, without doubled slashes or one at its end.

    A user's base may end in a slash, which makes `//v1/embeddings`.
    """
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    if root and (path == root or path.startswith(root + "/")):
        path = path[len(root) :]
    return _SLASHES.sub("/", path).rstrip("/") or "/"


def is_ours(path: str) -> bool:
    """Whether the API answers `path` (as `own_path` gives it), be it with an error.

    `/embeddings` without `/v1` is what a client asks for whose base lacks it: our 404 says so.
    """
    first = path.split("/", 2)[1]
    if first in PAGE_PREFIXES:
        return False
    return path in OWN_PATHS or "/v1/" in f"{path}/" or path.endswith(("/embeddings", "/v2/rerank"))


def check_model_ids(model_ids: Iterable[str]) -> None:
    """Refuse ids whose own paths would be the page's.

    Raises:
        ConfigError
    """
    for model_id in model_ids:
        if model_id.split("/")[0] in PAGE_PREFIXES:
            raise ConfigError(
                f"The model id {model_id!r} begins like one of the page's own paths. "
                "Serve it under another: TESSERA_MODELS=name=source."
            )


def _as_ours(scope: Scope, path: str) -> Scope:
    """The scope our routes see: the tidied path, and GET for HEAD (whose body the server leaves out)."""
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    return {**scope, "method": method, "path": scope.get("root_path", "").rstrip("/") + path}


def _request_id(scope: Scope) -> str:
    """The client's own id where it is a sane one, so that it finds it again in our log.

    It names, it does not guard: no need of the system's randomness.
    """
    sent = Headers(scope=scope).get("x-request-id", "")
    return sent if _REQUEST_ID.fullmatch(sent) else f"{random.getrandbits(128):032x}"


def _place(error: BaseException) -> str:
    """File and line where `error` rose; its own words stay out of the log, they may quote a text."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"
