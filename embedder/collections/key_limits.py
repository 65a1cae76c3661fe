"""What keys with a limit spend, counted by all servers of a store together.

A fixed window of a minute: simple, and what is shared is one number for each key. Servers tell each
other every second, so that a limit is passed by what comes in between, and by the request that reaches it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from embedder.collections.catalogue import HIDDEN
from embedder.collections.keys import hidden_table
from embedder.collections.store import Info, Store
from embedder.errors import RateLimited, UnknownCollection

_TABLE = f"{HIDDEN}_spent"
_WINDOW_S = 60
_KEPT_WINDOWS = 2
"""Clocks of machines are not quite the same."""


class KeyLimits:
    """Counts tokens by key and minute. `share` blocks; all of it may be called from any thread."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._untold: dict[tuple[int, str], int] = {}
        self._told: dict[tuple[int, str], int] = {}
        self._asked_in = -1

    def check(self, key_id: str, tokens_per_minute: int) -> None:
        """Return if the key has not spent so many tokens in this minute.

        Raises:
            RateLimited
        """
        now_s = self._clock()
        window = int(now_s // _WINDOW_S)
        with self._lock:
            self._asked_in = window
            place = (window, key_id)
            spent = self._told.get(place, 0) + self._untold.get(place, 0)
        if spent >= tokens_per_minute:
            raise RateLimited(tokens_per_minute, retry_after_s=(window + 1) * _WINDOW_S - now_s)

    def spend(self, key_id: str, tokens: int) -> None:
        """Count tokens that were embedded for the key."""
        place = (int(self._clock() // _WINDOW_S), key_id)
        with self._lock:
            self._untold[place] = self._untold.get(place, 0) + tokens

    def share(self) -> None:
        """Tell the others what was spent here, and learn what was spent there.

        Raises:
            CollectionBusy, StoreFailed: nothing is lost, and told the next time.
        """
        first = int(self._clock() // _WINDOW_S) - _KEPT_WINDOWS + 1
        with self._lock:
            untold = {place: tokens for place, tokens in self._untold.items() if place[0] >= first}
            asked = self._asked_in >= first
        told: dict[tuple[int, str], int] = {}
        if untold:
            table = hidden_table(self._store, _TABLE, {})
            told = _read(table.change_info(lambda info: _with(info, untold, first)), first)
        elif asked:
            with suppress(UnknownCollection):
                told = _read(self._store.open(_TABLE).info, first)
        with self._lock:
            self._told = told
            for place, tokens in untold.items():
                self._untold[place] -= tokens
            self._untold = {place: left for place, left in self._untold.items() if left}


@dataclass(frozen=True, slots=True)
class KeyBudget:
    """What one key may spend: so many tokens in each minute."""

    limits: KeyLimits
    key_id: str
    tokens_per_minute: int

    def check(self) -> None:
        """Return if there is something left in this minute.

        Raises:
            RateLimited
        """
        self.limits.check(self.key_id, self.tokens_per_minute)

    def spend(self, tokens: int) -> None:
        """Count tokens that were embedded."""
        self.limits.spend(self.key_id, tokens)


def _with(info: Info, untold: Mapping[tuple[int, str], int], first: int) -> Info:
    """What was told, and what was not yet; minutes before `first` are over."""
    told = _read(info, first)
    for place, tokens in untold.items():
        told[place] = told.get(place, 0) + tokens
    spent: dict[str, dict[str, int]] = {}
    for (window, key_id), tokens in told.items():
        spent.setdefault(str(window), {})[key_id] = tokens
    return {**info, "spent": spent}


def _read(info: Info, first: int) -> dict[tuple[int, str], int]:
    """What is told of minutes from `first` on."""
    spent: Mapping[str, Mapping[str, int]] = info.get("spent", {})
    return {
        (int(window), key_id): tokens
        for window, by_key in spent.items()
        if int(window) >= first
        for key_id, tokens in by_key.items()
    }
