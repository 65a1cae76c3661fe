"""Cancel: a visitor's long jobs end where they are, and say so themselves as their last word.

Gradio's own `cancels=` tells the browser's side first. It may close the stream in which the answer to
the click is to come, and a job asked for before the cancelled one has ended is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeVar

Part = TypeVar("Part")


class Stopped(Exception):
    """The visitor cancelled the job."""


class Stopper:
    """Ends the streams that run under it."""

    def __init__(self) -> None:
        self._running: set[asyncio.Event] = set()

    def stop(self) -> None:
        """End all that run now; those that begin later are others."""
        for told in self._running:
            told.set()

    async def under(self, stream: AsyncGenerator[Part, None]) -> AsyncGenerator[Part, None]:
        """What `stream` yields, until `stop`; what it has in flight is cancelled and awaited.

        Raises:
            Stopped
        """
        told = asyncio.Event()
        self._running.add(told)
        stop = asyncio.ensure_future(told.wait())
        try:
            while not told.is_set():
                step = asyncio.ensure_future(anext(stream))
                try:
                    await asyncio.wait({step, stop}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    if not step.done():
                        step.cancel()
                        await asyncio.wait({step})
                try:
                    part = step.result()
                except StopAsyncIteration:
                    return
                except asyncio.CancelledError:
                    break
                yield part
            raise Stopped
        finally:
            self._running.discard(told)
            stop.cancel()
            await stream.aclose()
