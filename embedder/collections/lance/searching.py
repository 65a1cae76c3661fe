"""Searching one table: by its vectors in memory, by the index, or by its words; hits by their row ids."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

from embedder.collections.lance import recall
from embedder.collections.lance.arrow import each_row
from embedder.collections.lance.manifest import Manifest
from embedder.collections.lance.matrix import Matrix
from embedder.collections.lance.queries import answer, columns, condition, query, row_ids_of, score_of
from embedder.collections.rows import Row
from embedder.collections.store import Ranked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embedder.collections.filters import Filter
    from embedder.collections.lance.files import Files

_AS_OFTEN = 5
_READ_ALONG = 32
"""So many rows are read with their ranking, in one question; of more only those are read that count."""


class Search:
    """Ranks the rows of one table. Safe from any thread."""

    def __init__(self, files: Files, exact_rows: int) -> None:
        self._files = files
        self._exact_rows = exact_rows
        self._counted: tuple[tuple[str, int], int] = ("", 0), 0

    def ranked(
        self, table: Any, manifest: Manifest, asked: NDArray[np.float32] | str, k: int, wanted: Filter | None
    ) -> list[Ranked]:
        """The `k` best by their vectors or their words: in memory, by an index, or by looking at each."""
        where = condition(wanted, manifest)
        if isinstance(asked, str):
            from lancedb.query import MatchQuery

            worded = query(table).nearest_to_text(MatchQuery(asked, "text")).limit(k)
            return _ranked(table, worded, k, "_score", where)
        if not asked.any():
            return []
        version = self._files.latest.version(table, manifest.rows)
        matrix = self._matrix(table, version, manifest)
        if matrix is not None:
            with matrix.lock:
                matrix.follow(table, version)
                return _in_memory(matrix, table, asked, k, where)
        if manifest.index is not None:
            nearest = recall.asked(table, asked, k, manifest.index)
        else:
            nearest = query(table).nearest_to(asked).column("vector").distance_type("cosine")
            nearest = nearest.bypass_vector_index().limit(k)
        return _ranked(table, nearest, k, "_distance", where)

    def _matrix(self, table: Any, version: int, manifest: Manifest) -> Matrix | None:
        """The vectors in memory, where they are few enough, or there is no index yet and they fit."""
        count = self._count_at(table, version, manifest)
        if count > self._exact_rows and (manifest.index is not None or count > 2 * self._exact_rows):
            return None
        return self._files.memory.matrix(self._files.key(manifest), count, manifest.dimensions)

    def _count_at(self, table: Any, version: int, manifest: Manifest) -> int:
        """Rows at that version or a later one; to count them costs as much as to search them."""
        rows = manifest.rows, version
        counted = self._counted
        if counted[0] != rows:
            counted = self._counted = rows, int(table.count_rows())
        return counted[1]


def _in_memory(
    matrix: Matrix, table: Any, vector: NDArray[np.float32], k: int, where: str | None
) -> list[Ranked]:
    """The `k` nearest by a matrix that was just brought up to date, with their rows where it holds them."""
    passing = None if where is None else _passing(matrix, table, where)
    places, scores = matrix.nearest(vector, k, passing)
    return _hits(table, matrix.row_ids(places), scores.tolist(), matrix.rows(places))


def _passing(matrix: Matrix, table: Any, where: str) -> NDArray[np.int64]:
    """Row ids for which a condition holds, of the version that `matrix` is of then."""
    for _ in range(_AS_OFTEN):
        version = table.version
        passing = row_ids_of(table, where)
        if table.version == version:
            matrix.follow(table, version)
            break  # else another thread, which shares the table, has seen a later one meanwhile
    return passing


def _ranked(table: Any, asked: Any, k: int, score: str, where: str | None) -> list[Ranked]:
    """What a query for `k` finds, by row ids; rows are read only where they are few."""
    if where is not None:
        asked = asked.where(where)
    along = k <= _READ_ALONG
    found = answer(asked.with_row_id().select([*(columns(False) if along else ()), score]))[:k]
    scores = [score_of(score, number) for number in found.column(score).to_pylist()]
    rows = each_row(found, vectors=False) if along else None
    return _hits(table, found.column("_rowid").to_pylist(), scores, rows)


def taken(table: Any, hits: Sequence[Ranked], *, vectors: bool) -> dict[Hashable, Row]:
    """The rows of `hits`: those that came along, and those that are still there.

    Of the latter there are none if another table's rows are there by now.
    """
    along = {} if vectors else {hit.key: hit.row for hit in hits if hit.row is not None}
    keys = [hit.key for hit in hits if hit.key not in along]
    row_ids = [key[1] for key in keys if isinstance(key, tuple) and key[0] == table.name]
    if not row_ids:
        return along
    found = table.take_row_ids(row_ids).select(columns(vectors)).with_row_id().to_arrow()
    keys = [(table.name, row_id) for row_id in found.column("_rowid").to_pylist()]
    return along | dict(zip(keys, each_row(found, vectors=vectors), strict=True))


def _hits(
    table: Any, row_ids: Sequence[int], scores: Sequence[float], rows: Iterable[Row] | None
) -> list[Ranked]:
    """Hits by their row ids, with their rows where these are at hand."""
    name = table.name
    each = zip(row_ids, scores, repeat(None) if rows is None else rows, strict=False)
    return [Ranked((name, row_id), score, row) for row_id, score, row in each]
