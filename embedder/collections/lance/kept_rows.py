"""Rows in memory, for to read ten scattered ones of a file costs more than to find them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedder.collections.lance.arrow import ROW_COLUMNS, columns_in
from embedder.collections.rows import Row

_SPARE = 1.25
_GATHERED = 2
"""Everything is put together when there are so many times the rows that are needed,"""
_PARTS, _ROWS_A_PART = 32, 1024
"""or more parts than these, and one for each so many rows."""


class KeptRows:
    """Id, text, document and columns of a table's rows by their places, which are numbered from 0.

    They are held as Arrow's, which of short texts are half the size of Python's strings. What was written
    over stays until all are put together.
    """

    def __init__(self) -> None:
        self._parts: list[Any] = []
        self._cells: list[list[Any]] = []  # columns of each part, for to ask for them takes as long as a row
        self._starts: list[int] = []
        self._end = 0
        self._positions = np.empty(0, dtype=np.int64)  # of each place, in all parts one after the other
        self._count = 0
        self._bytes = 0

    @property
    def held_bytes(self) -> int:
        """Memory of all of them."""
        return self._bytes + int(self._positions.nbytes)

    def put(self, places: Sequence[int], batch: Any) -> None:
        """The rows of an Arrow table at `places`: those that there are, or the next ones."""
        self._count = max(self._count, max(places, default=-1) + 1)
        if self._count > len(self._positions):
            grown = np.zeros(int(_SPARE * self._count), dtype=np.int64)
            grown[: len(self._positions)] = self._positions
            self._positions = grown
        self._positions[places] = np.arange(self._end, self._end + len(places))
        # A copy: what Lance gives shares its memory with the vectors.
        self._add(batch.select(ROW_COLUMNS).take(np.arange(len(places))))
        if self._end > _GATHERED * self._count or len(self._parts) > _PARTS + self._count // _ROWS_A_PART:
            self._gather(self._positions[: self._count])

    def forget(self, places: Sequence[int]) -> None:
        """Let go of what was written over, and of what stands at `places`, which are put next."""
        kept = np.ones(self._count, dtype=bool)
        kept[[place for place in places if place < self._count]] = False
        left = self._positions[: self._count][kept]
        self._gather(left)
        self._positions[: self._count][kept] = left

    def take(self, places: Iterable[int]) -> list[Row]:
        """Rows by place."""
        rows = []
        for place in places:
            position = int(self._positions[place])
            part = bisect_right(self._starts, position) - 1
            within = position - self._starts[part]
            row_id, text, document, columns = (_cell(cells, within) for cells in self._cells[part])
            rows.append(Row(row_id, text, document, columns_in(columns)))
        return rows

    def keep(self, places: Sequence[int]) -> None:
        """Only those at `places`, which are numbered anew in this order."""
        self._positions = self._positions[places]
        self._count = len(places)
        self._gather(self._positions)

    def _add(self, table: Any) -> None:
        """Its rows behind all others, as one batch: cells of a table's chunks are slow to find."""
        for part in table.combine_chunks().to_batches():  # one, or none where there is no row
            self._parts.append(part)
            self._cells.append([_or_none(column) for column in part.columns])
            self._starts.append(self._end)
            self._end += part.num_rows
            self._bytes += part.nbytes

    def _gather(self, positions: NDArray[np.int64]) -> None:
        """Only those rows, in one part; they are numbered anew in place."""
        import pyarrow as pa

        if not self._parts:
            return
        gathered = pa.Table.from_batches(self._parts).take(positions).combine_chunks()
        self._parts, self._cells, self._starts, self._end, self._bytes = [], [], [], 0, 0
        self._add(gathered)
        positions[:] = np.arange(len(positions))


def _or_none(column: Any) -> Any:
    return column if column.null_count < len(column) else None


def _cell(cells: Any, place: int) -> str:
    return "" if cells is None else cells[place].as_py() or ""
