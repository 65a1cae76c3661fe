"""Cancel: a visitor's long jobs end where they are, and say so themselves as their last word.

Gradio's own `cancels=` tells the browser's side first. It may close the stream in which the answer to
the click is to come, and a job asked for before the cancelled one has ended is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextvars import ContextVar, copy_context
from typing import TypeVar

Part = TypeVar("Part")


class Stopped(Exception):
    """The visitor cancelled the job."""


class Replaced(Stopped):
    """The visitor began another job in its place."""


class _Job:
    """A stream that runs, and why it is to end."""

    def __init__(self, *, replaceable: bool) -> None:
        self.replaceable = replaceable
        self.stopped = asyncio.Event()
        self.why: type[Stopped] = Stopped

    def stop(self, why: type[Stopped]) -> None:
        if not self.stopped.is_set():
            self.why = why
            self.stopped.set()


_MINE: ContextVar[_Job | None] = ContextVar("_MINE", default=None)
"""The job that a stream runs under, known to all that it calls."""


def stopped() -> bool:
    """Whether the job that this is a part of was cancelled or replaced; not where its page only went away."""
    job = _MINE.get()
    return job is not None and job.stopped.is_set()


class Stopper:
    """Ends the streams that run under it."""

    def __init__(self) -> None:
        self._running: set[_Job] = set()

    def stop(self) -> None:
        """End all that run now; those that begin later are others."""
        for job in self._running:
            job.stop(Stopped)

    def replace(self) -> None:
        """End those that may be replaced, except the one that asks for it."""
        for job in self._running:
            if job.replaceable and job is not _MINE.get():
                job.stop(Replaced)

    async def under(
        self, stream: AsyncGenerator[Part, None], *, replaceable: bool = False
    ) -> AsyncGenerator[Part, None]:
        """What `stream` yields, until `stop` or `replace`; what it has in flight is cancelled and awaited.

        Raises:
            Stopped
            Replaced
        """
        job = _Job(replaceable=replaceable)
        context = copy_context()
        context.run(_MINE.set, job)
        self._running.add(job)
        stop = asyncio.ensure_future(job.stopped.wait())
        try:
            while not job.stopped.is_set():
                step = asyncio.create_task(_next_of(stream), context=context)
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
            raise job.why
        finally:
            self._running.discard(job)
            stop.cancel()
            await asyncio.create_task(_closed(stream), context=context)


async def _closed(stream: AsyncGenerator[Part, None]) -> None:
    await stream.aclose()


async def _next_of(stream: AsyncGenerator[Part, None]) -> Part:
    return await anext(stream)
