"""What the page remembers of each visitor, bounded in number, bytes and time."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from embedder.analysis.projection import Projection
from embedder.analysis.similarity import Floats
from embedder.types import ModelInfo
from ui.snippets import LastCall

MAX_SESSIONS = 256
MAX_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Texts on screen with their vectors `(n, d)`; row i everywhere is text i."""

    name: str
    texts: list[str]
    columns: dict[str, list[str]]
    vectors: Floats
    prompt_tokens: NDArray[np.int64]
    truncated: frozenset[int]
    model: ModelInfo
    flat: Projection
    notes: tuple[str, ...] = ()

    @property
    def held_bytes(self) -> int:
        """About what it costs to keep."""
        cells = sum(len(cell) for column in self.columns.values() for cell in column)
        return int(self.vectors.nbytes) + 4 * sum(map(len, self.texts)) + 4 * cells


@dataclass(slots=True)
class Session:
    """One open page. `job` counts loads: only the newest may put its dataset here."""

    dataset: Dataset | None = None
    layout: Projection | None = None
    last_call: LastCall | None = None
    base: str = ""
    job: int = 0
    touched_s: float = field(default=0.0)

    @property
    def held_bytes(self) -> int:
        """About what it costs to keep."""
        return self.dataset.held_bytes if self.dataset else 0

    def begin(self) -> int:
        """Number a new load; the ones before it have lost."""
        self.job += 1
        return self.job

    def put(self, job: int, dataset: Dataset) -> bool:
        """Show `dataset` if `job` is still the newest."""
        if job != self.job:
            return False
        self.dataset, self.layout = dataset, None
        return True


class Sessions:
    """Sessions by the key Gradio gives a page; the longest quiet leave first."""

    def __init__(
        self,
        expiry_s: float,
        *,
        max_sessions: int = MAX_SESSIONS,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.expiry_s = expiry_s
        self.max_sessions = max_sessions
        self.max_bytes = max_bytes
        self._clock = clock
        self._sessions: OrderedDict[tuple[str, str], Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def of(self, session_hash: str | None, user: str | None = None) -> Session:
        """The session of a page, made where there is none; `user` keeps logins apart."""
        key = (str(user or "")[:256], str(session_hash or "")[:128])
        session = self._sessions.setdefault(key, Session())
        session.touched_s = self._clock()
        self._sessions.move_to_end(key)
        self.tidy()
        return session

    def tidy(self) -> None:
        """Forget who went quiet, then the oldest until number and bytes fit; never the newest."""
        oldest_s = self._clock() - self.expiry_s
        held_bytes = sum(session.held_bytes for session in self._sessions.values())
        while len(self._sessions) > 1:
            first = next(iter(self._sessions.values()))
            too_many = len(self._sessions) > self.max_sessions or held_bytes > self.max_bytes
            if first.touched_s >= oldest_s and not too_many:
                return
            held_bytes -= first.held_bytes
            self._sessions.popitem(last=False)
