"""Waiting texts, their callers taking turns."""

from __future__ import annotations

from collections import OrderedDict
from itertools import chain, islice

from embedder.tickets import Entry


class TurnQueue:
    """Entries by caller: each batch begins with the next caller's oldest text.

    So a caller with ten texts is not behind the whole of one with ten thousand. Not
    thread-safe: the scheduler's lock guards it.
    """

    def __init__(self) -> None:
        self._callers: OrderedDict[int, OrderedDict[bytes, Entry]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, entry: Entry) -> None:
        """Behind the caller's other texts; a new caller goes behind the others."""
        self._callers.setdefault(entry.caller, OrderedDict())[entry.key] = entry
        self._length += 1

    def discard(self, entry: Entry) -> None:
        """Take an entry out, if it is in."""
        entries = self._callers.get(entry.caller)
        if entries is None or entries.pop(entry.key, None) is None:
            return
        self._length -= 1
        if not entries:
            del self._callers[entry.caller]

    def window(self, texts: int) -> list[Entry]:
        """The next `texts` entries: those of the caller whose turn it is, then the others'."""
        everything = chain.from_iterable(entries.values() for entries in self._callers.values())
        return list(islice(everything, texts))

    def pass_turn(self, caller: int) -> None:
        """`caller` was served and goes to the back, if it still waits for something."""
        if caller in self._callers:
            self._callers.move_to_end(caller)
