"""Tables that a store has open: each the same for everybody in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from embedder.collections.store import Table

AnyTable = TypeVar("AnyTable", bound=Table)


class OpenTables(Generic[AnyTable]):
    """Tables by name; `make` makes one that is not open yet."""

    def __init__(self, make: Callable[[str], AnyTable]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._tables: dict[str, AnyTable] = {}

    def get(self, name: str) -> AnyTable:
        """The table, opened if it is not."""
        with self._lock:
            if name not in self._tables:
                self._tables[name] = self._make(name)
            return self._tables[name]

    def known(self, name: str) -> AnyTable | None:
        """The table, if it is open."""
        with self._lock:
            return self._tables.get(name)

    def forget(self, name: str) -> None:
        """Close the table, if it is open: there is none of that name, or soon will not be."""
        with self._lock:
            table = self._tables.pop(name, None)
        if table is not None:
            table.close()

    def close(self) -> None:
        """Close them all; those that are asked for later are opened anew."""
        with self._lock:
            tables, self._tables = list(self._tables.values()), {}
        for table in tables:
            table.close()
