"""A request passed on to the worker that has the page, and its answer passed back as it comes.

Over a socket in a folder of the server's own. Nothing is kept of either: an upload goes on chunk by
chunk, and so does a stream of events, which ends on both sides when its reader leaves.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOG = logging.getLogger(__name__)

_SCOPE = b"x-tessera-scope"
"""What the first worker knew of the connection; believed on the socket between workers only."""
_OF_ONE_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
_OURS_TO_SAY = frozenset((b"date", b"server", b"x-request-id"))
"""Headers of answers that this worker adds itself."""
_CONNECT_S = 60.0
_IDLE_CONNECTIONS, _IDLE_S = 32, 30.0
_AWAY = b"The page is being started again. Load it anew in a moment.\n"


class PassOn:
    """An ASGI application in the place of the page: it asks the worker behind `socket`."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._transport: httpx.AsyncHTTPTransport | None = None

    async def start(self) -> None:
        """Make ready; nothing is connected before it is needed."""
        import httpx

        limits = httpx.Limits(
            max_connections=None, max_keepalive_connections=_IDLE_CONNECTIONS, keepalive_expiry=_IDLE_S
        )
        self._transport = httpx.AsyncHTTPTransport(uds=str(self._socket), limits=limits)

    async def stop(self) -> None:
        """Close what is open."""
        if self._transport is not None:
            await self._transport.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on. The page has no other kind."""
        if scope["type"] != "http":
            return
        body = _Body(receive)
        exchange = asyncio.create_task(self._exchange(scope, body, send))
        left = asyncio.create_task(body.left())
        try:
            await asyncio.wait((exchange, left), return_when=asyncio.FIRST_COMPLETED)
        finally:
            left.cancel()
            if not exchange.done():
                exchange.cancel()
            await asyncio.gather(exchange, left, return_exceptions=True)
        if not exchange.cancelled():
            exchange.result()

    async def _exchange(self, scope: Scope, body: _Body, send: Send) -> None:
        import httpx

        assert self._transport is not None, "started"
        begun = False
        try:
            response = await self._transport.handle_async_request(_request(scope, body))
            try:
                headers = [
                    (name, value)
                    for name, value in response.headers.raw
                    if name.lower() not in _OF_ONE_HOP | _OURS_TO_SAY
                ]
                begun = True
                await send(
                    {"type": "http.response.start", "status": response.status_code, "headers": headers}
                )
                assert isinstance(response.stream, httpx.AsyncByteStream)
                async for chunk in response.stream:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            _LOG.warning("The worker with the page did not answer: %s", type(error).__name__)
            if begun:
                raise  # an answer that was cut off must not look whole
            await _say_away(send)


class Passed:
    """An ASGI application: what was passed on, as it was when it came to the first worker, for `app`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; without what the first worker knew of it, none of a worker."""
        if scope["type"] != "http":
            return
        told = [value for name, value in scope["headers"] if name == _SCOPE]
        if len(told) != 1:
            await send({"type": "http.response.start", "status": 400, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        first = json.loads(told[0])
        await self._app(
            {
                **scope,
                "scheme": first["scheme"],
                "root_path": first["root_path"],
                "client": first["client"] and tuple(first["client"]),
                "server": first["server"] and tuple(first["server"]),
                "headers": [header for header in scope["headers"] if header[0] != _SCOPE],
            },
            receive,
            send,
        )


class _Body:
    """The request's body, and after its end whether the client is still there."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read = asyncio.Event()
        self._gone = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        more = True
        while more:
            message: Message = await self._receive()
            if message["type"] == "http.disconnect":
                self._gone = True
                self._read.set()
                await asyncio.Event().wait()  # until this is cancelled: half a body is none
            more = message.get("more_body", False)
            if message.get("body"):
                yield message["body"]
        self._read.set()

    def none(self) -> bytes:
        """The body of a request that has none."""
        self._read.set()
        return b""

    async def left(self) -> None:
        """Return when the client has gone."""
        await self._read.wait()
        while not self._gone:
            self._gone = (await self._receive())["type"] == "http.disconnect"


def _request(scope: Scope, body: _Body) -> httpx.Request:
    import httpx

    first = {name: scope.get(name) for name in ("scheme", "root_path", "client", "server")}
    headers = [header for header in scope["headers"] if header[0] not in _OF_ONE_HOP | {_SCOPE}]
    told = {name for name, _ in scope["headers"]}
    target = scope.get("raw_path") or scope["path"].encode()
    if scope.get("query_string"):
        target += b"?" + scope["query_string"]
    return httpx.Request(
        scope["method"],
        "http://page/",
        headers=[*headers, (_SCOPE, json.dumps(first).encode())],
        content=body.chunks() if told & {b"content-length", b"transfer-encoding"} else body.none(),
        extensions={
            "target": target,
            "timeout": {"connect": _CONNECT_S, "read": None, "write": None, "pool": None},
        },
    )


async def _say_away(send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"retry-after", b"5")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": _AWAY})
