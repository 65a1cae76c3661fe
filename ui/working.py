"""Work in a thread that takes longer than a moment: how far it is, and its end when nobody waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from statistics import fmean
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from embedder.analysis.similarity import OnProgress
    from ui.datasets import Dataset, Workings

TOLD_S = 0.25
_Worked = TypeVar("_Worked")


class Abandoned(Exception):
    """Nobody waits for it any more."""


async def shares(
    dataset: Dataset, work: asyncio.Future[Any], *names: str
) -> AsyncGenerator[dict[str, Any], None]:
    """How far `work` is, now and then until it is done: the mean of its named parts.

    Whoever leaves leaves the work.
    """
    try:
        while not work.done():
            await asyncio.wait([work], timeout=TOLD_S)
            if not work.done():
                yield {"share": fmean(_share(dataset.workings, name) for name in names)}
    finally:
        work.cancel()


def _share(workings: Workings, name: str) -> float:
    return 1.0 if workings.ready(name) is not None else workings.shares.get(name, 0.0)


async def stoppable(make: Callable[[OnProgress], _Worked], tell: OnProgress) -> _Worked:
    """`make` in a thread; cancelled, it ends at its next word of progress."""
    leave = threading.Event()

    def told(share: float) -> None:
        if leave.is_set():
            raise Abandoned
        tell(share)

    try:
        return await asyncio.to_thread(make, told)
    finally:
        leave.set()
