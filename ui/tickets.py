"""Files that were looked at and not embedded yet, found again after a reload by a ticket nobody can guess.

A browser never names a path: it has the ticket, and what the ticket stands for stays here. Where the page
asks for a login a ticket is worth something only to who it was given to.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from ui.datasets import new_id

MAX_TICKETS = 256
_COLUMN_CHARS = 1000


@dataclass(frozen=True, slots=True)
class Looked:
    """A file that was uploaded, the column chosen for its texts, and whether its vectors are taken."""

    path: str
    column: str | None = None
    take: bool = True
    owner: str = ""
    """The login it was uploaded under; empty where the page asks for none."""


class Tickets:
    """What was looked at, by ticket; the longest untouched leave first, and all after `expiry_s`."""

    def __init__(
        self, expiry_s: float, *, most: int = MAX_TICKETS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.expiry_s = expiry_s
        self.most = most
        self._clock = clock
        self._kept: OrderedDict[str, tuple[Looked, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def give(self, looked: Looked, before: object = None) -> str:
        """A ticket for a file as it is looked at now, in place of the one that the same page had `before`.

        The same file of two people has one path: what the other one looks at stays.
        """
        if isinstance(before, str) and self.get(before, looked.owner) is not None:
            del self._kept[before]
        ticket = new_id()
        if looked.column and len(looked.column) > _COLUMN_CHARS:
            looked = replace(looked, column=None)
        self._kept[ticket] = looked, self._clock()
        while len(self._kept) > self.most:
            self._kept.popitem(last=False)
        return ticket

    def get(self, ticket: object, owner: str = "") -> Looked | None:
        """What that ticket is for, unless it has expired or is somebody else's."""
        if not isinstance(ticket, str):
            return None
        kept = self._kept.get(ticket)
        if kept is None or kept[0].owner != owner or kept[1] < self._clock() - self.expiry_s:
            return None
        self._kept[ticket] = kept[0], self._clock()
        self._kept.move_to_end(ticket)
        return kept[0]
