"""Texts that are being embedded while nobody looks, so that whoever reloads the page finds them again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from embedder.errors import InvalidInput
from ui.steps import Step
from ui.stopping import stopped

ALONE_S = 30.0
"""So long a page may take to come back."""


class Carried:
    """Steps of a stream that runs in a task of its own; those who watch see them from then on.

    When the last of them has left it ends: at once if a visitor cancelled, else if nobody has come back in
    `alone_s`.
    """

    def __init__(
        self, steps: AsyncGenerator[Step, None], *, ended: Callable[[], object], alone_s: float = ALONE_S
    ) -> None:
        self._alone_s = alone_s
        self._line = ""
        self._map_value: str | None = None
        self._told = self._drawn = 0
        """How many steps there were, and which of them the map's value is of."""
        self._watching = 0
        self._news = asyncio.Condition()
        self._ended = False
        self._error: Exception | None = InvalidInput("These texts were given up. Bring them again.")
        self._task = asyncio.create_task(self._run(steps))
        self._task.add_done_callback(lambda task: ended())

    @property
    def goes_on(self) -> bool:
        """Whether there is something to watch."""
        return not (self._ended or self._task.done())

    async def watch(self) -> AsyncGenerator[Step, None]:
        """The newest step, and each time there is another the newest again, to the end.

        Raises:
            Exception: what ended the stream.
        """
        seen = 0
        self._watching += 1
        try:
            while True:
                await self._after(seen)
                if self._told > seen:
                    value = self._map_value if self._drawn > seen else None
                    seen = self._told
                    yield Step(self._line, value)
                elif self._error is not None:
                    raise self._error
                else:
                    return
        finally:
            self._watching -= 1
            if not self._watching and self.goes_on:
                await self._left(at_once=stopped())

    async def _run(self, steps: AsyncGenerator[Step, None]) -> None:
        try:
            async with aclosing(steps):
                async for step in steps:
                    self._told += 1
                    self._line = step.line
                    if step.map_value is not None:
                        self._map_value, self._drawn = step.map_value, self._told
                    await self._wake()
            self._error = None
        except Exception as error:
            self._error = error  # of whoever watches
        finally:
            self._ended = True
            await self._wake()

    async def _after(self, seen: int) -> None:
        async with self._news:
            await self._news.wait_for(lambda: self._told > seen or self._ended)

    async def _wake(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def _left(self, *, at_once: bool) -> None:
        if at_once:
            self._task.cancel()
            await asyncio.wait({self._task})
        else:
            asyncio.get_running_loop().call_later(self._alone_s, self._give_up)

    def _give_up(self) -> None:
        if not self._watching:
            self._task.cancel()
