"""What keys with a limit spend, counted by all servers of a store together.

A leaky bucket for each key (Turner 1986, as a meter): it holds a minute's tokens, and what was spent drains
at the limit's rate. What passes the limit therefore has to be waited for, however much it is. What is shared
is the level of each bucket; servers tell each other every second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass
from typing import Any

from embedder.collections.catalogue import HIDDEN
from embedder.collections.keys import hidden_table
from embedder.collections.store import Info, Store
from embedder.errors import RateLimited, UnknownCollection

_TABLE = f"{HIDDEN}_spent"
_MINUTE_S = 60.0
_USED_S = 120.0
"""So long after a key was last used its level is asked for."""


@dataclass(frozen=True, slots=True)
class Level:
    """Tokens in a bucket at `at_s` in Unix seconds, and how many of them drain in a minute."""

    tokens: float
    at_s: float
    per_minute: int

    def at(self, now_s: float) -> float:
        """What is left of it by then; clocks of two machines may differ."""
        drained = max(0.0, now_s - self.at_s) * self.per_minute / _MINUTE_S
        return max(0.0, self.tokens - drained)


class KeyLimits:
    """The buckets of keys. `share` blocks; all of it may be called from any thread."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._sharing = threading.Lock()
        self._told: dict[str, Level] = {}
        self._untold: dict[str, tuple[int, int]] = {}
        """Tokens by key, with the limit."""
        self._used_at_s = float("-inf")

    def check(self, key_id: str, per_minute: int) -> None:
        """Return if the bucket has room.

        Raises:
            RateLimited
        """
        now_s = self._clock()
        with self._lock:
            self._used_at_s = now_s
            told = self._told.get(key_id)
            level = (0.0 if told is None else told.at(now_s)) + self._untold.get(key_id, (0, 0))[0]
        if level >= per_minute:
            raise RateLimited(per_minute, retry_after_s=(level - per_minute + 1) * _MINUTE_S / per_minute)

    def spend(self, key_id: str, tokens: int, per_minute: int) -> None:
        """Put tokens that are embedded for the key into its bucket."""
        with self._lock:
            self._untold[key_id] = (self._untold.get(key_id, (0, 0))[0] + tokens, per_minute)

    def share(self) -> None:
        """Tell the others what was spent here, and learn what was spent there; one at a time.

        Raises:
            CollectionBusy, StoreFailed: nothing is lost, and told the next time.
        """
        with self._sharing:
            now_s = self._clock()
            with self._lock:
                untold = dict(self._untold)
                used = now_s - self._used_at_s < _USED_S
            told = (
                self._told
            )  # while nobody asks it drains by itself: who has debts has them after a pause too
            if untold:
                table = hidden_table(self._store, _TABLE, {})
                told = _read(table.change_info(lambda info: _with(info, untold, now_s)))
            elif used:
                with suppress(UnknownCollection):
                    told = _read(self._store.open(_TABLE).info)
            with self._lock:
                self._told = told
                for key_id, (tokens, per_minute) in untold.items():
                    left = self._untold[key_id][0] - tokens
                    if left:
                        self._untold[key_id] = (left, per_minute)
                    else:
                        del self._untold[key_id]


@dataclass(frozen=True, slots=True)
class KeyBudget:
    """What one key may spend: so many tokens a minute."""

    limits: KeyLimits
    key_id: str
    tokens_per_minute: int

    def check(self) -> None:
        """Return if there is something left.

        Raises:
            RateLimited
        """
        self.limits.check(self.key_id, self.tokens_per_minute)

    def spend(self, tokens: int) -> None:
        """Count tokens that are embedded."""
        self.limits.spend(self.key_id, tokens, self.tokens_per_minute)


def _with(info: Info, untold: Mapping[str, tuple[int, int]], now_s: float) -> Info:
    """What was told, and what was not yet; buckets that have drained are left out."""
    levels = _read(info)
    for key_id, (tokens, per_minute) in untold.items():
        before = levels.get(key_id)
        at_s = now_s if before is None else max(now_s, before.at_s)
        levels[key_id] = Level((0.0 if before is None else before.at(at_s)) + tokens, at_s, per_minute)
    kept = {key_id: astuple(level) for key_id, level in levels.items() if level.at(now_s) > 0}
    return {**info, "levels": kept}


def _read(info: Info) -> dict[str, Level]:
    """The levels that are told of; what cannot be read is none."""
    told: Any = info.get("levels")
    levels = {}
    for key_id, one in told.items() if isinstance(told, Mapping) else ():
        with suppress(TypeError, ValueError):
            tokens, at_s, per_minute = one
            levels[str(key_id)] = Level(float(tokens), float(at_s), int(per_minute))
    return levels
