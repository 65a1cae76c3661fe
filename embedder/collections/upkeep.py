"""What a table needs now and then: compaction, indexes made and brought up to date, the past forgotten.

LanceDB does none of it by itself, and each write leaves a file and a version behind; PostgreSQL and
Milvus want to be told when a table has outgrown looking at each row.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

COMMITS, ROWS = 24, 100_000
"""After so many writes, or so many rows written, there is something to do."""
_REST = 10
"""It takes at most about a tenth of the time: after each run so many times its length is rest."""
_LEAST_REST_S = 2.0


@dataclass(slots=True)
class Debt:
    """What was written since the last upkeep."""

    commits: int = 0
    rows: int = 0

    def add(self, rows: int) -> None:
        """Note one write of so many rows."""
        self.commits += 1
        self.rows += rows

    @property
    def due(self) -> bool:
        """Whether it is time."""
        return self.commits >= COMMITS or self.rows >= ROWS


class Upkeep:
    """Runs `work` in a thread of its own when asked, once at a time and never too often."""

    def __init__(
        self, work: Callable[[], None], name: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._work = work
        self._name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._running: threading.Thread | None = None
        self._later: threading.Timer | None = None
        self._not_before_s = 0.0
        self._closed = False

    def ask(self) -> None:
        """Begin soon, unless it is running, resting or closed."""
        with self._lock:
            if self._closed or self._running is not None or self._clock() < self._not_before_s:
                return
            # Not a daemon: an interpreter that ends waits for the commit that is being made.
            self._running = threading.Thread(target=self._run, name=f"upkeep-{self._name}")
            self._running.start()

    def ask_in(self, delay_s: float) -> None:
        """Ask once more after a while, in place of what was asked so before."""
        with self._lock:
            if self._closed:
                return
            if self._later is not None:
                self._later.cancel()
            self._later = threading.Timer(delay_s, self._woken)
            self._later.daemon = True  # nothing is lost if the process ends before
            self._later.start()

    def _woken(self) -> None:
        with self._lock:
            rest_s = self._not_before_s - self._clock()
            busy = self._running is not None
        if busy or rest_s > 0:
            self.ask_in(max(rest_s, _LEAST_REST_S))
        else:
            self.ask()

    def close(self) -> None:
        """Wait for what runs; nothing begins after."""
        with self._lock:
            self._closed = True
            running = self._running
            if self._later is not None:
                self._later.cancel()
        if running is not None and running is not threading.current_thread():
            running.join()

    def _run(self) -> None:
        started_s = self._clock()
        try:
            self._work()
        finally:
            took_s = self._clock() - started_s
            with self._lock:
                self._not_before_s = self._clock() + max(_LEAST_REST_S, _REST * took_s)
                self._running = None
