"""One collection as it is now, for those who read it and for the one who writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from embedder.collections.postgres.database import Database
from embedder.collections.postgres.heads import Head, read_head, read_info
from embedder.collections.store import Info
from embedder.errors import StoreFailed, UnknownCollection

if TYPE_CHECKING:
    from psycopg import Connection

T = TypeVar("T")

_FRESH_S = 1.0
"""So long what was seen of a collection with the last call is taken for what it is."""


class Access:
    """The way to the collection `name`. Safe from any thread."""

    def __init__(self, database: Database, name: str, lock_wait_s: float) -> None:
        self._database = database
        self._name = name
        self._lock_wait_s = lock_wait_s
        self._seen: tuple[float, Head] | None = None
        self._info: tuple[int, Info] | None = None

    def head(self) -> Head:
        """The collection as it was a moment ago."""
        seen = self._seen
        if seen is not None and time.monotonic() - seen[0] < _FRESH_S:
            return seen[1]
        return self.read(lambda _, head: head)

    def info(self) -> Info:
        """What its owner remembers of it."""
        return self._info_of(self.head())

    def refresh(self) -> None:
        """See it as it is now.

        Raises:
            UnknownCollection, StoreFailed
        """
        self._info_of(self.read(lambda _, head: head))

    def read(self, work: Callable[[Connection[Any], Head], T]) -> T:
        """`work(connection, head)`, twice where rows were exchanged or a connection broke under it."""
        try:
            return self._attempt(work)
        except (StoreFailed, UnknownCollection):
            return self._attempt(work)

    @contextmanager
    def writing(self) -> Iterator[tuple[Connection[Any], Head]]:
        """A transaction for the only one who writes to the collection, from wherever.

        Raises:
            CollectionBusy, UnknownCollection, StoreFailed
        """
        try:
            with self._database.transaction(self._name, self._lock_wait_s) as connection:
                yield connection, read_head(connection, self._name, lock=True)
        finally:
            self._seen = None

    def _info_of(self, head: Head) -> Info:
        """It is read when it was written: that of a collection of many documents is long."""
        held = self._info
        if held is None or held[0] != head.told:
            held = self._info = self.read(lambda connection, _: read_info(connection, self._name))
        return held[1]

    def _attempt(self, work: Callable[[Connection[Any], Head], T]) -> T:
        with self._database.connection(self._name) as connection:
            head = read_head(connection, self._name)
            self._seen = time.monotonic(), head
            return work(connection, head)
