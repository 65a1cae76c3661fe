"""How much work may wait at once, counted in tokens and shared by every model."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

from embedder.errors import Overloaded, ShuttingDown, TooLarge
from embedder.metrics import Metrics
from embedder.protocols import Fellows
from embedder.types import HeldTokens

_FIRST_RATE_TOKENS_S = 2000.0
"""Assumed before a batch has been timed, with the weight of one second."""
_RATE_MEMORY = 0.9
"""What a batch adds to the rate halves with about every seventh batch after it."""
_LONGEST_RETRY_S = 600.0
_JOB_SHARE = 0.75
"""Jobs hold no more of the room than this, so that a request always finds some."""
_LOOK_S = 0.05
"""A job in line looks so often whether another process has given room back."""


@dataclass(slots=True, eq=False)
class _Waiter:
    tokens: int
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None]
    granted: bool = False


class Admission:
    """A bounded number of tokens between admission and answer; thread-safe.

    A request that finds no room is refused. A job waits in line; while one waits, the room it
    needs is kept from requests, so that a stream of requests cannot starve it; and jobs hold no
    more than their share, so that they cannot shut requests out. `fellows` are other processes
    that share the limit.
    """

    def __init__(self, limit_tokens: int, metrics: Metrics, fellows: Fellows | None = None) -> None:
        self.limit_tokens = limit_tokens
        self._metrics = metrics
        self._fellows = fellows
        self._job_limit_tokens = max(1, int(limit_tokens * _JOB_SHARE))
        self._held_tokens = 0
        self._job_tokens = 0
        self._timed_tokens, self._timed_s = _FIRST_RATE_TOKENS_S, 1.0
        self._waiters: deque[_Waiter] = deque()
        self._lock = threading.Lock()
        self._closed = False

    @property
    def held_tokens(self) -> int:
        """Tokens admitted and not yet answered."""
        return self._held_tokens

    @property
    def rate_tokens_s(self) -> float:
        """Tokens answered a second, of late."""
        return self._timed_tokens / self._timed_s

    def request(self, tokens: int) -> None:
        """Take room for `tokens` now.

        Raises:
            TooLarge: they could never fit.
            Overloaded: they do not fit now.
            ShuttingDown
        """
        self._refuse_impossible(tokens, self.limit_tokens)
        with self._lock:
            others = self._others()
            kept = self._room_kept_for_jobs() + others.kept
            excess = self._held_tokens + others.held + tokens + kept - self.limit_tokens
            if excess > 0:
                self._metrics.refused.inc()
                raise Overloaded(self._time_for(excess))
            self._hold(tokens)

    async def wait(self, tokens: int) -> None:
        """Take room for `tokens`, in line behind those who came before.

        Raises:
            TooLarge: they could never fit.
            ShuttingDown
        """
        self._refuse_impossible(tokens, self._job_limit_tokens)
        loop = asyncio.get_running_loop()
        with self._lock:
            if not self._waiters and self._fits_job(tokens):
                self._hold(tokens, job=True)
                return
            waiter = _Waiter(tokens, loop, loop.create_future())
            self._waiters.append(waiter)
            self._tell()
        try:
            await self._granted(waiter)
        except asyncio.CancelledError:
            self._give_up(waiter)
            raise

    def release(self, tokens: int, *, job: bool = False) -> None:
        """Give room back, a job's with `job`; whoever is first in line gets it."""
        with self._lock:
            self._hold(-tokens, job=job)
            self._admit_waiting()

    def observe(self, tokens: int, seconds: float) -> None:
        """Learn from a batch how fast the backlog shrinks."""
        with self._lock:
            self._timed_tokens = _RATE_MEMORY * self._timed_tokens + tokens
            self._timed_s = _RATE_MEMORY * self._timed_s + seconds

    def close(self) -> None:
        """Refuse everything from now on, those in line too."""
        with self._lock:
            self._closed = True
            waiters, self._waiters = self._waiters, deque()
        for waiter in waiters:
            _call(waiter.loop, _fail, waiter.future)

    async def _granted(self, waiter: _Waiter) -> None:
        """Wait for room; that of another process is given back without a word."""
        while self._fellows is not None and not waiter.future.done():
            await asyncio.wait((waiter.future,), timeout=_LOOK_S)
            with self._lock:
                self._admit_waiting()
        await waiter.future

    def _others(self) -> HeldTokens:
        return HeldTokens() if self._fellows is None else self._fellows.tokens()

    def _refuse_impossible(self, tokens: int, limit_tokens: int) -> None:
        if self._closed:
            raise ShuttingDown
        if tokens > limit_tokens:
            raise TooLarge(
                f"The request holds {tokens} tokens, and this server takes {limit_tokens} at most "
                "at once. Send it in smaller parts."
            )

    def _fits_job(self, tokens: int) -> bool:
        others = self._others()
        return (
            self._job_tokens + others.jobs + tokens <= self._job_limit_tokens
            and self._held_tokens + others.held + tokens <= self.limit_tokens
        )

    def _room_kept_for_jobs(self) -> int:
        """What the first job in line needs, unless it is jobs that it waits for."""
        if not self._waiters:
            return 0
        tokens = self._waiters[0].tokens
        jobs = self._job_tokens + self._others().jobs
        return tokens if jobs + tokens <= self._job_limit_tokens else 0

    def _hold(self, tokens: int, *, job: bool = False) -> None:
        self._held_tokens += tokens
        self._job_tokens += tokens if job else 0
        self._metrics.queue_tokens.set(self._held_tokens)
        self._tell()

    def _tell(self) -> None:
        if self._fellows is not None:
            kept = self._room_kept_for_jobs()
            self._fellows.tell_tokens(HeldTokens(self._held_tokens, self._job_tokens, kept))

    def _admit_waiting(self) -> None:
        while self._waiters and self._fits_job(self._waiters[0].tokens):
            waiter = self._waiters.popleft()
            waiter.granted = True
            self._hold(waiter.tokens, job=True)
            _call(waiter.loop, _grant, waiter.future)

    def _give_up(self, waiter: _Waiter) -> None:
        """Leave the line, or give back what was granted while the cancel was on its way."""
        with self._lock:
            if waiter.granted:
                self._hold(-waiter.tokens, job=True)
            elif waiter in self._waiters:
                self._waiters.remove(waiter)
                self._tell()
            self._admit_waiting()

    def _time_for(self, tokens: int) -> float:
        return min(_LONGEST_RETRY_S, max(1.0, tokens / self.rate_tokens_s))


def _call(loop: asyncio.AbstractEventLoop, function: object, future: asyncio.Future[None]) -> None:
    with suppress(RuntimeError):  # closed, perhaps at this moment
        loop.call_soon_threadsafe(function, future)  # type: ignore[arg-type]


def _grant(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _fail(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_exception(ShuttingDown())
