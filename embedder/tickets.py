"""What passes between a call and the threads that compute for it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from embedder.types import KnownVector, Priority, TokenizedText

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Ticket:
    """One call's claim on the vectors of its texts; filled by worker threads, awaited on its loop.

    `vectors` is float32 `(n, d)`. The scheduler's lock guards every change.
    """

    def __init__(self, texts: int, dimensions: int, loop: asyncio.AbstractEventLoop) -> None:
        self.vectors: NDArray[np.float32] = np.zeros((texts, dimensions), dtype=np.float32)
        self.future: asyncio.Future[None] = loop.create_future()
        self.wait_s = 0.0
        self.compute_s = 0.0
        self.entries: list[Entry] = []
        self._loop = loop
        self._missing = texts
        self._settled = texts == 0
        if self._settled:
            self.future.set_result(None)

    @property
    def settled(self) -> bool:
        """Whether the call has its answer, an error, or left."""
        return self._settled

    def fill(self, row: int, vector: NDArray[np.float32], wait_s: float, compute_s: float) -> bool:
        """Give row `row` its vector; True for the last one: then the call is to be told, by `answer`."""
        if self._settled:
            return False
        self.vectors[row] = vector
        self.wait_s = max(self.wait_s, wait_s)
        self.compute_s = max(self.compute_s, compute_s)
        self._missing -= 1
        self._settled = not self._missing
        return self._settled

    def fail(self, error: BaseException) -> None:
        """Answer the call with `error`, unless it has an answer."""
        if not self._settled:
            self._settled = True
            _tell(self._loop, _resolve, self.future, error)

    def leave(self) -> None:
        """The caller is gone; nothing more is delivered."""
        self._settled = True

    @staticmethod
    def answer(tickets: Sequence[Ticket]) -> None:
        """Tell the calls of filled tickets; once for all of a batch, since each telling wakes the loop."""
        for loop in {ticket._loop for ticket in tickets}:
            _tell(loop, _resolve_all, [ticket.future for ticket in tickets if ticket._loop is loop])


def _tell(loop: asyncio.AbstractEventLoop, what: Callable[..., None], *args: Any) -> None:
    # A loop that closed has nobody left to tell.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(what, *args)


def _resolve_all(futures: Sequence[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


def _resolve(future: asyncio.Future[None], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


@dataclass(slots=True, eq=False)
class Entry:
    """One distinct text, waiting or being computed, and every row that wants its vector."""

    key: bytes
    tokenized: TokenizedText
    priority: Priority
    caller: int = 0
    """Whose turn the text counts for: the first who asked for it."""
    job: bool = False
    """Whether its room was taken by a job that waited for it."""
    waiters: list[tuple[Ticket, int]] = field(default_factory=list)
    queued_s: float = field(default_factory=time.perf_counter)
    running: bool = False

    @property
    def tokens(self) -> int:
        """What the text costs of batch and queue; at least one, so that all of it is bounded."""
        return max(1, self.tokenized.prompt_tokens)

    def known(self, vector: NDArray[np.float32]) -> KnownVector:
        """The cache's record of this text."""
        return KnownVector(vector, self.tokenized.prompt_tokens, self.tokenized.truncated)
