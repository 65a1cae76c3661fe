"""Work that takes longer than a moment, as steps for the page's script: how far it is, until it is done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

from embedder.collections.collection import OnProgress
from embedder.errors import TesseraError

TOLD_S = 0.25
Steps = AsyncGenerator[dict[str, Any], None]
_Made = TypeVar("_Made")


class Work(Generic[_Made]):
    """`begin` is told where to say how far it is; `made` is there once `steps` came to their end."""

    made: _Made

    def __init__(self, stage: str, begin: Callable[[OnProgress], Coroutine[Any, Any, _Made]]) -> None:
        self._stage = stage
        self._begin = begin
        self._share = 0.0

    async def steps(self) -> Steps:
        """Now and then the stage and a `share`, 0 to 1; closed before its end, it cancels the work."""
        work = asyncio.create_task(self._begin(self._told))
        try:
            while not work.done():
                await asyncio.wait([work], timeout=TOLD_S)
                if not work.done():
                    yield {"stage": self._stage, "share": self._share}
            self.made = work.result()
        finally:
            if not work.done():
                work.cancel()
                with suppress(asyncio.CancelledError, TesseraError):
                    await work

    def _told(self, done: int, total: int) -> None:
        self._share = done / total if total else 1.0
