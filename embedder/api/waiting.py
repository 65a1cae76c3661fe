"""Waiting for the engine without waiting for a client who left, and without holding up the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from fastapi import Request

from embedder.api.errors import ClientLeft, TimedOut

T = TypeVar("T")
P = ParamSpec("P")

_UNWATCHED_S = 0.05
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
    task = asyncio.ensure_future(call)
    try:
        done, _ = await asyncio.wait({task}, timeout=min(_UNWATCHED_S, timeout_s))
        return task.result() if done else await _watched(request, task, timeout_s - _UNWATCHED_S)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _watched(request: Request, task: asyncio.Task[T], timeout_s: float) -> T:
    left = asyncio.create_task(_left(request))
    try:
        done, _ = await asyncio.wait(
            {task, left}, timeout=max(0.0, timeout_s), return_when=asyncio.FIRST_COMPLETED
        )
        if task in done:
            return task.result()
        if left in done:
            raise ClientLeft("The client left before its answer was ready.")
        raise TimedOut(f"The answer was not ready within {timeout_s:g} s. Send less at once, or try later.")
    finally:
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
