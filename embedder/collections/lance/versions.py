"""Tables at their latest version: Lance is asked for it only when one has come, for asking takes its time."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

_VERSIONS = "_versions"
"""Where the Lance format keeps a file for each version."""
_SETTLED_NS = 100_000_000
"""A folder's time may stand still for a tick of the system's clock; past this the next change shows."""


class Latest:
    """Keeps a table of `folder` at its latest version. Safe from any thread: it remembers one value."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: tuple[tuple[str, int], int] | None = None

    def version(self, table: Any, rows: str) -> int:
        """The latest version of the table named `rows`, whoever wrote it; `table` is at least there."""
        changed_ns = self._changed_ns(rows)
        known = self._known
        if known is not None and known[0] == (rows, changed_ns):
            return known[1]
        settled = 0 < changed_ns < time.time_ns() - _SETTLED_NS  # before Lance looks, not after
        table.checkout_latest()
        version = int(table.version)
        if settled:
            self._known = (rows, changed_ns), version
        return version

    def forget(self) -> None:
        """Ask for it the next time."""
        self._known = None

    def _changed_ns(self, rows: str) -> int:
        """When a file came or went there last; 0 where that can't be told."""
        try:
            return os.stat(os.path.join(self._folder, f"{rows}.lance", _VERSIONS)).st_mtime_ns
        except OSError:
            return 0
