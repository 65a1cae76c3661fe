"""Vectors in memory, searched as if each were looked at: up to about 100,000 faster than any index."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from embedder.analysis.similarity import unit_rows
from embedder.collections.lance.arrow import ROW_COLUMNS, vectors_of
from embedder.collections.lance.kept_rows import KeptRows
from embedder.collections.lance.queries import row_ids_of
from embedder.collections.lance.signed import Signed
from embedder.libraries import give_back_holes, large_buffers_apart

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedder.collections.rows import Row

    Places = NDArray[np.int64]

_SPARE = 1.25
_LEAST_ROWS = 1024
_BATCH_ROWS = 2048
"""So many are asked for at once: a scan reads ahead, which takes 25 MB more."""
_COPIED_ROWS = 512
"""Scattered rows are copied that many at a time, which stay in the processor's cache."""


class Matrix:
    """A table's vectors at length 1 and its rows, kept up with what is written to it. Used under `lock`.

    Rows are held while they take no more than the vectors do, and both together no more than `most_bytes`;
    signatures and 9 bytes a row come on top.
    """

    def __init__(self, dimensions: int, most_bytes: int) -> None:
        self.lock = threading.Lock()
        self._dimensions = dimensions
        self._most_bytes = most_bytes
        self._version = 0
        self._count = 0
        self._row_ids = np.empty(0, dtype=np.int64)
        self._directed = np.empty(0, dtype=bool)
        self._all_directed = True
        self._vectors = np.empty((0, self._dimensions), dtype=np.float32)
        self._signed = Signed(dimensions)
        self._rows: KeptRows | None = KeptRows()

    def __len__(self) -> int:
        return self._count

    @property
    def held_bytes(self) -> int:
        """Memory of the vectors, their signatures and the rows; to be asked without `lock` too."""
        rows = self._rows
        return int(self._vectors.nbytes) + self._signed.held_bytes + (0 if rows is None else rows.held_bytes)

    def follow(self, table: Any, version: int) -> None:
        """Be as `table` is, whose version was just read: only what changed since the last time is read.

        Every row of the table is either held unchanged or has a revision past the version that was
        read last, so after these are in, as many rows as in the table are the same rows.
        """
        if version == self._version:
            return
        if not self._version:
            self._make_room(table.count_rows(), spare=1.0)
        with large_buffers_apart():
            if not self._read(table):
                self._read(table)
        if not self._version:
            give_back_holes()
        if len(self) != table.count_rows():
            self._keep(row_ids_of(table))
        self._all_directed = bool(self._directed[: len(self)].all())
        self._version = version

    def _read(self, table: Any) -> bool:
        """Take in what changed; False where rows turned out too large to be held, which are not read then."""
        with_rows = self._rows is not None
        own = [*(ROW_COLUMNS if with_rows else ()), "vector"]
        changed = row_ids_of(table, f"revision > {self._version}" if self._version else None)
        known = _Known(self._row_ids[: len(self)])
        for start in range(0, len(changed), _BATCH_ROWS):
            some = changed[start : start + _BATCH_ROWS].tolist()
            self._put(table.take_row_ids(some).select(own).with_row_id().to_arrow(), known)
            if with_rows and self._rows is None:
                return False
        return True

    def nearest(
        self, vector: NDArray[np.float32], k: int, passing: Places | None
    ) -> tuple[Places, NDArray[np.float32]]:
        """Places of the `k` nearest, of those `passing` if given, and their cosines, best first.

        What passes is told by Lance's row ids.
        """
        (question,) = unit_rows(vector[None])
        n, wanted = len(self), self._wanted(passing)
        if not (n if wanted is None else len(wanted)) or not question.any():
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        cosines = partial(self._cosines, question)
        places = self._signed.near(question, k, cosines, self._vectors[:n], wanted)
        scores = self._cosines(question, places)
        best = np.argpartition(-scores, k - 1)[:k] if k < len(scores) else np.arange(len(scores))
        best = best[np.argsort(-scores[best], kind="stable")]
        return places[best], np.clip(scores[best], -1.0, 1.0)

    def row_ids(self, places: Places) -> list[int]:
        """What Lance knows the rows at `places` by."""
        return [int(row_id) for row_id in self._row_ids[places]]

    def rows(self, places: Places) -> list[Row] | None:
        """The rows at `places` without their vectors; None where they are too large to be held."""
        if self._rows is None:
            return None
        return self._rows.take(places.tolist())

    def _wanted(self, passing: Places | None) -> Places | None:
        """Places of those that pass and have a direction; None for all there are."""
        if passing is None:
            return None if self._all_directed else np.flatnonzero(self._directed[: len(self)])
        return np.flatnonzero(np.isin(self._row_ids[: len(self)], passing) & self._directed[: len(self)])

    def _cosines(self, question: NDArray[np.float32], places: Places) -> NDArray[np.float32]:
        n = len(self)
        # By one thread: reading is what it costs, and a second thread of BLAS's is waited for.
        if len(places) >= n // 4:
            scores: NDArray[np.float32] = np.vecdot(self._vectors[:n], question)
            return scores if len(places) == n else scores[places]
        scores = np.empty(len(places), dtype=np.float32)
        copied = np.empty((min(_COPIED_ROWS, len(places)), self._dimensions), dtype=np.float32)
        for start in range(0, len(places), _COPIED_ROWS):
            some = places[start : start + _COPIED_ROWS]
            # No place is past the end; `clip` spares numpy a copy of its own to be sure.
            rows = self._vectors.take(some, axis=0, out=copied[: len(some)], mode="clip")
            np.vecdot(rows, question, out=scores[start : start + len(some)])
        return scores

    def _put(self, batch: Any, known: _Known) -> None:
        """Rows to the places that `known` has for them, others behind all."""
        row_ids, unit = batch.column("_rowid").to_numpy().astype(np.int64), unit_rows(vectors_of(batch))
        places = known.places(row_ids)
        new = np.flatnonzero(places < 0)
        places[new] = np.arange(self._count, self._count + len(new))
        self._count += len(new)
        self._make_room(self._count)
        self._vectors[places] = unit
        self._signed.put(places, unit)
        self._row_ids[places] = row_ids
        self._directed[places] = unit.any(axis=1)
        if self._rows is not None:
            self._hold(self._rows, places.tolist(), batch)

    def _hold(self, rows: KeptRows, places: list[int], batch: Any) -> None:
        room = min(int(self._vectors.nbytes), self._most_bytes - int(self._vectors.nbytes))
        coming = sum(batch.column(name).nbytes for name in ROW_COLUMNS)
        if rows.held_bytes + coming > room:
            rows.forget(places)
        if rows.held_bytes + coming <= room:
            rows.put(places, batch)
        else:
            self._rows = None

    def _make_room(self, rows: int, spare: float = _SPARE) -> None:
        if rows <= len(self._row_ids):
            return
        room = max(_LEAST_ROWS, int(spare * rows))
        self._vectors = _with_room(self._vectors, room)
        self._row_ids = _with_room(self._row_ids, room)
        self._directed = _with_room(self._directed, room)

    def _keep(self, row_ids: Places) -> None:
        """Only these, which are all that there are."""
        kept = np.flatnonzero(np.isin(self._row_ids[: len(self)], row_ids))
        self._count = len(kept)
        self._vectors = self._vectors[kept]
        self._signed.keep(kept.tolist())
        self._row_ids = self._row_ids[kept]
        self._directed = self._directed[kept]
        if self._rows is not None:
            self._rows.keep(kept.tolist())


class _Known:
    """Finds the places of rows by what Lance knows them by, among those that there were at first."""

    def __init__(self, row_ids: Places) -> None:
        self._order = np.argsort(row_ids, kind="stable")
        self._sorted = row_ids[self._order]

    def places(self, row_ids: Places) -> Places:
        """Of each its place, or -1."""
        if not len(self._sorted):
            return np.full(len(row_ids), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self._sorted, row_ids), len(self._sorted) - 1)
        return np.where(self._sorted[at] == row_ids, self._order[at], -1)


def _with_room(held: NDArray[Any], room: int) -> NDArray[Any]:
    """The same rows in an array of `room`; what is past them holds anything."""
    made = np.empty((room, *held.shape[1:]), held.dtype)
    made[: len(held)] = held
    return made
