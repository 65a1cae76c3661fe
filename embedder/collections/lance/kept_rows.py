"""Rows in memory, for to read ten scattered ones of a file costs more than to find them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from embedder.collections.lance.arrow import ROW_COLUMNS, columns_in
from embedder.collections.rows import Row

_Cells = tuple[str, str | None, str | None]
_NOTHING: _Cells = ("", None, None)
_ROW_BYTES = sys.getsizeof(_NOTHING)


class KeptRows:
    """Text, document and columns of a table's rows by their places, which are numbered from 0."""

    def __init__(self) -> None:
        self._cells: list[_Cells] = []
        self._bytes = 0

    @property
    def held_bytes(self) -> int:
        """Memory of all of them."""
        return self._bytes

    def put(self, places: Sequence[int], batch: Any) -> None:
        """The rows of an Arrow batch at `places`: those that there are, or the next ones."""
        _, *columns = (batch.column(name).to_pylist() for name in ROW_COLUMNS)
        there = len(self._cells)
        self._cells += [_NOTHING] * (max(places, default=-1) + 1 - there)
        for place, cells in zip(places, zip(*columns, strict=True), strict=True):
            if place < there:
                self._bytes -= _bytes_of([self._cells[place]])
            self._cells[place] = cells
        self._bytes += len(places) * _ROW_BYTES + sum(sum(map(sys.getsizeof, column)) for column in columns)

    def take(self, wanted: Iterable[tuple[str, int]]) -> list[Row]:
        """Rows by id and place."""
        rows = []
        for row_id, place in wanted:
            text, document, columns = self._cells[place]
            rows.append(Row(row_id, text, document or "", columns_in(columns)))
        return rows

    def keep(self, places: Sequence[int]) -> None:
        """Only those at `places`, which are numbered anew in this order."""
        self._cells = [self._cells[place] for place in places]
        self._bytes = _bytes_of(self._cells)


def _bytes_of(rows: Sequence[_Cells]) -> int:
    return len(rows) * _ROW_BYTES + sum(sum(map(sys.getsizeof, cells)) for cells in rows)
