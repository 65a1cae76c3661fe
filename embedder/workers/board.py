"""What the workers of one server know of each other: a line of numbers each, in shared memory.

Each number has one writer, and is written whole; who reads it may be a moment behind. So two
workers that take room at the same moment may together take a request more than the limit.
"""

from __future__ import annotations

import mmap
import time
from enum import IntEnum
from pathlib import Path
from typing import Literal

from embedder.types import HeldTokens

State = Literal["starting", "ready", "failed", "leaving"]

_STATES: tuple[State, ...] = ("starting", "ready", "failed", "leaving")
_NUMBER_BYTES = 8


class _Column(IntEnum):
    """Numbers of a line. The parent clears it before a worker starts; all else is the worker's."""

    STATE = 0
    EVER_LOADED = 1
    HELD_TOKENS = 2
    JOB_TOKENS = 3
    KEPT_TOKENS = 4
    CLOSED = 5
    BEAT_MS = 6


_TOKENS = (_Column.HELD_TOKENS, _Column.JOB_TOKENS, _Column.KEPT_TOKENS)


class Board:
    """The board in the file `path`, of `workers` lines; made by the first who opens it."""

    def __init__(self, path: Path, workers: int) -> None:
        self.workers = workers
        size = workers * len(_Column) * _NUMBER_BYTES
        with path.open("a+b") as file:
            file.truncate(size)
            self._memory = mmap.mmap(file.fileno(), size)
        self._numbers = memoryview(self._memory).cast("q")

    def clear(self, index: int) -> None:
        """A new worker's line. That one was ever loaded there stays."""
        for column in _Column:
            if column != _Column.EVER_LOADED:
                self._set(index, column, 0)
        self.beat(index)

    def tell_state(self, index: int, state: State) -> None:
        """How far a worker is."""
        self._set(index, _Column.STATE, _STATES.index(state))
        if state == "ready":
            self._set(index, _Column.EVER_LOADED, 1)

    def state(self, index: int) -> State:
        """How far a worker is."""
        return _STATES[self._get(index, _Column.STATE)]

    @property
    def all_loaded(self) -> bool:
        """Whether every worker has had its model by now; one that is started again is not waited for."""
        return all(self._get(index, _Column.EVER_LOADED) for index in range(self.workers))

    def tell_tokens(self, index: int, tokens: HeldTokens) -> None:
        """What a worker has admitted."""
        for column, value in zip(_TOKENS, tokens, strict=True):
            self._set(index, column, value)

    def tokens_besides(self, index: int) -> HeldTokens:
        """What all other workers have admitted."""
        others = [other for other in range(self.workers) if other != index]
        return HeldTokens(*(sum(self._get(other, column) for other in others) for column in _TOKENS))

    def tell_closed(self, index: int, connections: int) -> None:
        """How many of its connections have ended since the worker started."""
        self._set(index, _Column.CLOSED, connections)

    def closed(self, index: int) -> int:
        """How many of its connections have ended since the worker started."""
        return self._get(index, _Column.CLOSED)

    def beat(self, index: int) -> None:
        """The worker's event loop turns."""
        self._set(index, _Column.BEAT_MS, _now_ms())

    def silent_s(self, index: int) -> float:
        """How long the worker's event loop has not turned."""
        return (_now_ms() - self._get(index, _Column.BEAT_MS)) / 1000

    def close(self) -> None:
        """Let go of the memory."""
        self._numbers.release()
        self._memory.close()

    def _get(self, index: int, column: _Column) -> int:
        return self._numbers[index * len(_Column) + column]

    def _set(self, index: int, column: _Column, value: int) -> None:
        self._numbers[index * len(_Column) + column] = value


class Seat:
    """A worker's own place at the board, as its engine sees it (`protocols.Fellows`)."""

    def __init__(self, board: Board, index: int) -> None:
        self._board = board
        self._index = index

    def tell_tokens(self, tokens: HeldTokens) -> None:
        """What is admitted here."""
        self._board.tell_tokens(self._index, tokens)

    def tokens(self) -> HeldTokens:
        """What all others have admitted."""
        return self._board.tokens_besides(self._index)

    def tell_loaded(self, *, failed: bool) -> None:
        """The default model is loaded here, or could not be."""
        self._board.tell_state(self._index, "failed" if failed else "ready")

    @property
    def all_loaded(self) -> bool:
        """Whether the default model was loaded everywhere."""
        return self._board.all_loaded


def _now_ms() -> int:
    """On a clock that all processes of a machine share."""
    return int(time.monotonic() * 1000)
