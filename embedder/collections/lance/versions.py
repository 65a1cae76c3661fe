"""Which version a table has: asked of Lance only when something came into its folder of versions."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

_VERSIONS = "_versions"
"""Where the Lance format keeps a file for each version."""
_SETTLED_NS = 100_000_000
"""A folder's time may stand still for a tick of the system's clock; past this the next change shows."""


class Version:
    """The version of the table `rows` in `folder`. Safe from any thread: what is remembered is one value."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: tuple[tuple[str, int], int] | None = None

    def of(self, table: Any, rows: str) -> int:
        """The version of `table`, which is the one named `rows`, whoever wrote it."""
        changed_ns = self._changed_ns(rows)
        if self._known is not None and self._known[0] == (rows, changed_ns):
            return self._known[1]
        version = int(table.version)
        if 0 < changed_ns < time.time_ns() - _SETTLED_NS:
            self._known = (rows, changed_ns), version
        return version

    def _changed_ns(self, rows: str) -> int:
        """When a file came or went there last; 0 where that can't be told."""
        try:
            return os.stat(self._folder / f"{rows}.lance" / _VERSIONS).st_mtime_ns
        except OSError:
            return 0
