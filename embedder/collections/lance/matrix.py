"""Vectors in memory, searched as if each were looked at: up to about 100,000 faster than any index."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from embedder.analysis.similarity import unit_rows
from embedder.collections.lance.arrow import ROW_COLUMNS, vectors_of
from embedder.collections.lance.kept_rows import KeptRows
from embedder.collections.lance.signed import Signed
from embedder.libraries import large_buffers_apart

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedder.collections.rows import Row

    Places = NDArray[np.int64]

_SPARE = 1.25
_LEAST_ROWS = 1024
_BATCH_ROWS = 2048
"""Lance reads many batches ahead, so larger ones cost memory."""


class Matrix:
    """A table's vectors at length 1 and its rows, kept up with what is written to it. Used under `lock`.

    Rows are held while they take no more than the vectors do, and both together no more than `most_bytes`;
    ids and signatures come on top.
    """

    def __init__(self, dimensions: int, most_bytes: int) -> None:
        self.lock = threading.Lock()
        self._dimensions = dimensions
        self._most_bytes = most_bytes
        self._version = 0
        self._ids: list[str] = []
        self._places: dict[str, int] = {}
        self._row_ids = np.empty(0, dtype=np.int64)
        self._directed = np.empty(0, dtype=bool)
        self._all_directed = True
        self._vectors = np.empty((0, self._dimensions), dtype=np.float32)
        self._signed = Signed(dimensions)
        self._rows: KeptRows | None = KeptRows()

    def __len__(self) -> int:
        return len(self._ids)

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
        if len(self) != table.count_rows():
            self._keep(set(table.search().select(["id"]).limit(None).to_arrow().column("id").to_pylist()))
        self._all_directed = bool(self._directed[: len(self)].all())
        self._version = version

    def _read(self, table: Any) -> bool:
        """Take in what changed; False where rows turned out too large to be held, which are not read then."""
        with_rows = self._rows is not None
        own = ["id", *(ROW_COLUMNS[1:] if with_rows else ()), "vector"]
        changed = table.search().with_row_id(True).select(own).limit(None)
        if self._version:
            changed = changed.where(f"revision > {self._version}")
        for batch in changed.to_batches(_BATCH_ROWS):
            self._put(batch)
            if with_rows and self._rows is None:
                return False
        return True

    def nearest(
        self, vector: NDArray[np.float32], k: int, passing: Sequence[str] | None
    ) -> tuple[Places, NDArray[np.float32]]:
        """Places of the `k` nearest, of those `passing` if given, and their cosines, best first."""
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
        return self._rows.take([(self._ids[place], place) for place in places.tolist()])

    def _wanted(self, passing: Sequence[str] | None) -> Places | None:
        """Places of those that pass and have a direction; None for all there are."""
        if passing is None:
            return None if self._all_directed else np.flatnonzero(self._directed[: len(self)])
        known = [self._places[row_id] for row_id in passing if row_id in self._places]
        places = np.sort(np.array(known, dtype=np.int64))
        return places[self._directed[places]]

    def _cosines(self, question: NDArray[np.float32], places: Places) -> NDArray[np.float32]:
        n = len(self)
        few = len(places) < n // 4
        # By one thread: reading is what it costs, and a second thread of BLAS's is waited for.
        scores: NDArray[np.float32] = np.vecdot(self._vectors[places] if few else self._vectors[:n], question)
        return scores if few or len(places) == n else scores[places]

    def _put(self, batch: Any) -> None:
        ids, unit = batch.column("id").to_pylist(), unit_rows(vectors_of(batch))
        places = np.empty(len(ids), dtype=np.int64)
        for i, row_id in enumerate(ids):
            place = self._places.get(row_id)
            if place is None:
                place = self._places[row_id] = len(self._ids)
                self._ids.append(row_id)
            places[i] = place
        self._make_room(len(self._ids))
        self._vectors[places] = unit
        self._signed.put(places, unit)
        self._row_ids[places] = batch.column("_rowid").to_numpy()
        self._directed[places] = unit.any(axis=1)
        if self._rows is not None:
            self._hold(self._rows, places.tolist(), batch)

    def _hold(self, rows: KeptRows, places: list[int], batch: Any) -> None:
        room = min(int(self._vectors.nbytes), self._most_bytes - int(self._vectors.nbytes))
        coming = sum(batch.column(name).nbytes for name in ROW_COLUMNS)
        fits = rows.held_bytes + coming <= room
        if fits:
            rows.put(places, batch)
        if not fits or rows.held_bytes > room:  # strings take more in Python than in Arrow
            self._rows = None

    def _make_room(self, rows: int, spare: float = _SPARE) -> None:
        if rows <= len(self._row_ids):
            return
        room = max(_LEAST_ROWS, int(spare * rows))
        self._vectors = _with_room(self._vectors, room)
        self._row_ids = _with_room(self._row_ids, room)
        self._directed = _with_room(self._directed, room)

    def _keep(self, ids: set[str]) -> None:
        """Only these, which are all that there are."""
        kept = [place for place, row_id in enumerate(self._ids) if row_id in ids]
        self._ids = [self._ids[place] for place in kept]
        self._places = {row_id: place for place, row_id in enumerate(self._ids)}
        self._vectors = self._vectors[kept]
        self._signed.keep(kept)
        self._row_ids = self._row_ids[kept]
        self._directed = self._directed[kept]
        if self._rows is not None:
            self._rows.keep(kept)


def _with_room(held: NDArray[Any], room: int) -> NDArray[Any]:
    """The same rows in an array of `room`; what is past them holds anything."""
    made = np.empty((room, *held.shape[1:]), held.dtype)
    made[: len(held)] = held
    return made
