"""Vectors in memory, searched exactly: up to about 100,000 faster than any index."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from embedder.analysis.similarity import unit_rows
from embedder.collections.lance.arrow import vectors_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SPARE = 1.25
_LEAST_ROWS = 1024
_BATCH_ROWS = 2048
"""Lance reads many batches ahead, so larger ones cost memory."""


class Matrix:
    """A table's vectors at length 1, kept up with what is written to it. Used under `lock`."""

    def __init__(self, dimensions: int) -> None:
        self.lock = threading.Lock()
        self._dimensions = dimensions
        self._version = 0
        self._ids: list[str] = []
        self._places: dict[str, int] = {}
        self._row_ids = np.empty(0, dtype=np.int64)
        self._directed = np.empty(0, dtype=bool)
        self._vectors = np.empty((0, self._dimensions), dtype=np.float32)

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def held_bytes(self) -> int:
        """Memory of the vectors."""
        return int(self._vectors.nbytes)

    def follow(self, table: Any) -> None:
        """Be as `table` is now: only what changed since the last time is read.

        Every row of the table is either held unchanged or has a revision past the version that was
        read last, so after these are in, as many rows as in the table are the same rows.
        """
        version = table.version
        if version == self._version:
            return
        changed = table.search().with_row_id(True).select(["id", "vector"]).limit(None)
        if self._version:
            changed = changed.where(f"revision > {self._version}")
        else:
            self._make_room(table.count_rows(), spare=1.0)
        for batch in changed.to_batches(_BATCH_ROWS):
            self._put(batch.column("id").to_pylist(), batch.column("_rowid").to_numpy(), vectors_of(batch))
        if len(self) != table.count_rows():
            self._keep(set(table.search().select(["id"]).limit(None).to_arrow().column("id").to_pylist()))
        self._version = version

    def nearest(
        self, vector: NDArray[np.float32], k: int, passing: Sequence[str] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Row ids of the `k` nearest, of those `passing` if given, and their cosines, best first."""
        (question,) = unit_rows(vector[None])
        n = len(self)
        places = np.flatnonzero(self._directed[:n])
        if passing is not None:
            known = [self._places[row_id] for row_id in passing if row_id in self._places]
            places = np.intersect1d(places, np.array(known, dtype=np.int64), assume_unique=True)
        if not len(places) or not question.any():
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        few = len(places) < n // 4
        # By one thread: reading is what it costs, and a second thread of BLAS's is waited for.
        scores = np.vecdot(self._vectors[places] if few else self._vectors[:n], question)
        if not few:
            scores = scores[places]
        best = np.argpartition(-scores, k - 1)[:k] if k < len(scores) else np.arange(len(scores))
        best = best[np.argsort(-scores[best], kind="stable")]
        return self._row_ids[places[best]], np.clip(scores[best], -1.0, 1.0)

    def _put(self, ids: list[str], row_ids: NDArray[Any], vectors: NDArray[np.float32]) -> None:
        places = np.empty(len(ids), dtype=np.int64)
        for i, row_id in enumerate(ids):
            place = self._places.get(row_id)
            if place is None:
                place = self._places[row_id] = len(self._ids)
                self._ids.append(row_id)
            places[i] = place
        self._make_room(len(self._ids))
        unit = unit_rows(vectors)
        self._vectors[places] = unit
        self._row_ids[places] = row_ids
        self._directed[places] = unit.any(axis=1)

    def _make_room(self, rows: int, spare: float = _SPARE) -> None:
        if rows <= len(self._row_ids):
            return
        more = max(_LEAST_ROWS, int(spare * rows)) - len(self._row_ids)
        self._vectors = np.concatenate([self._vectors, np.zeros((more, self._dimensions), dtype=np.float32)])
        self._row_ids = np.concatenate([self._row_ids, np.zeros(more, dtype=np.int64)])
        self._directed = np.concatenate([self._directed, np.zeros(more, dtype=bool)])

    def _keep(self, ids: set[str]) -> None:
        """Only these, which are all that there are."""
        kept = [place for place, row_id in enumerate(self._ids) if row_id in ids]
        self._ids = [self._ids[place] for place in kept]
        self._places = {row_id: place for place, row_id in enumerate(self._ids)}
        self._vectors = self._vectors[kept]
        self._row_ids = self._row_ids[kept]
        self._directed = self._directed[kept]


class Memory:
    """The matrices of a store within `max_bytes`: those not asked for longest go first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._held: OrderedDict[str, Matrix] = OrderedDict()

    def matrix(self, key: str, rows: int, dimensions: int) -> Matrix | None:
        """The matrix of `key`, made if need be; None where so many rows don't fit."""
        wanted_bytes = 4 * rows * dimensions
        with self._lock:
            if wanted_bytes > self._max_bytes:
                self._held.pop(key, None)
                return None
            matrix = self._held.setdefault(key, Matrix(dimensions))
            self._held.move_to_end(key)
            others = [one for one in self._held if one != key]
            room = self._max_bytes - max(wanted_bytes, matrix.held_bytes)
            while others and sum(self._held[one].held_bytes for one in others) > room:
                del self._held[others.pop(0)]
            return matrix

    def forget(self, key: str) -> None:
        """Let go of the matrix of `key`."""
        with self._lock:
            self._held.pop(key, None)
