"""Which ids a table may hold already, told without asking it for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class KnownIds:
    """Hashes of the ids of a table, 8 bytes each: what is not among them is certainly new.

    Appending is several times faster than merging, and most writes are of new rows only.
    """

    def __init__(self) -> None:
        self._of: tuple[str, int] = ("", 0)
        self._hashes = np.empty(0, dtype=np.int64)

    def may_hold(self, table: Any, ids: Sequence[str]) -> bool:
        """Whether any of `ids` may be in the table."""
        if (table.name, table.version) != self._of:
            self._read(table)
        asked = _hashed(ids)
        places = np.searchsorted(self._hashes, asked)
        inside = places < len(self._hashes)
        return bool((self._hashes[places[inside]] == asked[inside]).any())

    def wrote(self, table: Any, ids: Sequence[str]) -> None:
        """Note that the one who writes to the table has written `ids`."""
        self._hashes = np.sort(np.concatenate([self._hashes, _hashed(ids)]), kind="stable")
        self._of = table.name, table.version

    def _read(self, table: Any) -> None:
        batches = table.search().select(["id"]).limit(None).to_batches(65_536)
        hashes = [_hashed(batch.column("id").to_pylist()) for batch in batches]
        self._hashes = np.sort(np.concatenate([np.empty(0, dtype=np.int64), *hashes]))
        self._of = table.name, table.version


def _hashed(ids: Sequence[str]) -> NDArray[np.int64]:
    return np.fromiter(map(hash, ids), dtype=np.int64, count=len(ids))
