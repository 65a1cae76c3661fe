"""Waiting for the engine without waiting for a client who left, and without holding up the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from fastapi import Request

from embedder.api.errors import ClientLeft, TimedOut

T = TypeVar("T")
P = ParamSpec("P")

_UNWATCHED_S = 0.25
"""A call that is over by then costs no watch over its connection."""

_INLINE_BYTES = 65_536
"""Work on so many bytes takes about a millisecond: less than a thread would cost others."""


async def off_loop(size_bytes: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`work(*args)`, in a thread where `size_bytes` says that it takes long."""
    if size_bytes <= _INLINE_BYTES:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)


async def while_connected(request: Request, call: Coroutine[Any, Any, T], *, timeout_s: float) -> T:
    """The result of `call`, which is cancelled when the client leaves or `timeout_s` is over.

    The request's body must have been read: what arrives after it is the end of the connection.

    Raises:
        ClientLeft, TimedOut, and whatever `call` raises.
    """
    watch = _Watch(request, timeout_s)
    try:
        return await call
    except asyncio.CancelledError:
        watch.explain()
        raise
    finally:
        watch.end()


class _Watch:
    """Cancels the present task when its client leaves or its time is over, as `asyncio.timeout` would."""

    def __init__(self, request: Request, timeout_s: float) -> None:
        task = asyncio.current_task()
        assert task is not None, "a request is answered in a task"
        loop = asyncio.get_running_loop()
        self._request = request
        self._timeout_s = timeout_s
        self._task = task
        self._reason: ClientLeft | TimedOut | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._end = loop.call_later(timeout_s, self._time_out)
        self._begin = loop.call_later(_UNWATCHED_S, self._watch)

    def explain(self) -> None:
        """Raise the reason of a cancellation that came from here; another's is left as it is."""
        if self._reason is not None and not self._task.uncancel():
            raise self._reason from None

    def end(self) -> None:
        """Watch no more."""
        self._begin.cancel()
        self._end.cancel()
        if self._leaving is not None:
            self._leaving.cancel()

    def _watch(self) -> None:
        self._leaving = asyncio.create_task(_left(self._request))
        self._leaving.add_done_callback(self._client_left)

    def _client_left(self, leaving: asyncio.Task[None]) -> None:
        if not leaving.cancelled() and leaving.exception() is None:
            self._cancel(ClientLeft("The client left before its answer was ready."))

    def _time_out(self) -> None:
        self._cancel(
            TimedOut(
                f"The answer was not ready within {self._timeout_s:g} s. Send less at once, or try later."
            )
        )

    def _cancel(self, reason: ClientLeft | TimedOut) -> None:
        if self._reason is None and not self._task.done():
            self._reason = reason
            self._task.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
