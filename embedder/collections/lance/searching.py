"""Searching one table: by its vectors in memory, by the index, or by its words; hits by their row ids."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from embedder.collections.lance import recall
from embedder.collections.lance.arrow import each_row
from embedder.collections.lance.manifest import Manifest
from embedder.collections.lance.matrix import Matrix
from embedder.collections.lance.queries import columns, score_of
from embedder.collections.rows import Row
from embedder.collections.store import Ranked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def by_vectors(table: Any, vector: NDArray[np.float32], k: int, manifest: Manifest) -> Any:
    """A query for the `k` nearest by the index or, where there is none, by looking at every row."""
    if manifest.index is not None:
        return recall.asked(table, vector, k, manifest.index)
    query = table.search(vector, vector_column_name="vector").distance_type("cosine")
    return query.bypass_vector_index().limit(k)


def by_words(table: Any, words: str, k: int) -> Any:
    """A query for the `k` best by BM25."""
    from lancedb.query import MatchQuery

    return table.search(MatchQuery(words, "text"), query_type="fts").limit(k)


def in_memory(
    matrix: Matrix, table: Any, vector: NDArray[np.float32], k: int, where: str | None
) -> list[Ranked]:
    """The `k` nearest by a matrix that is as `table` is, with their rows where it holds them."""
    passing = None
    if where is not None:
        query = table.search().where(where).select(["id"]).limit(None)
        passing = query.to_arrow().column("id").to_pylist()
    places, scores = matrix.nearest(vector, k, passing)
    hits = _hits(table, matrix.row_ids(places), scores.tolist())
    rows = matrix.rows(places)
    return hits if rows is None else [replace(hit, row=row) for hit, row in zip(hits, rows, strict=True)]


def ranked(table: Any, query: Any, score: str, where: str | None) -> list[Ranked]:
    """What a query finds, by row ids; no row is read."""
    if where is not None:
        query = query.where(where, prefilter=True)
    found = query.with_row_id(True).select([score]).to_arrow()
    scores = [score_of(score, number) for number in found.column(score).to_pylist()]
    return _hits(table, found.column("_rowid").to_pylist(), scores)


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


def _hits(table: Any, row_ids: Sequence[int], scores: Sequence[float]) -> list[Ranked]:
    return [Ranked((table.name, row_id), score) for row_id, score in zip(row_ids, scores, strict=True)]
