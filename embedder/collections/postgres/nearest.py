"""The nearest vectors: by looking at each row, or by pgvector's HNSW index, measured against that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedder.collections.filters import Filter
from embedder.collections.postgres.copying import columns_sql, row_of, vector_literal, vector_of
from embedder.collections.postgres.heads import Head, VectorIndex
from embedder.collections.postgres.sql import condition
from embedder.collections.rows import Found

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from psycopg import Connection

MOST_DIMENSIONS = 2000
"""What pgvector's index takes; wider vectors are looked at one by one."""
TARGET = 0.97
SAMPLE = 64
_K = 10
_EF_SEARCH = (40, 64, 100, 160, 250, 400, 640, 1000)
_BUILD_MEMORY = "256MB"


def nearest(
    connection: Connection[Any],
    head: Head,
    vector: NDArray[np.float32],
    k: int,
    wanted: Filter | None = None,
    *,
    vectors: bool = False,
    index: VectorIndex | None = None,
) -> list[Found]:
    """The `k` rows that pass with the largest cosine, by `index` or, where it is None, all looked at."""
    where, parameters = condition(wanted)
    # An index answers only to the bare distance.
    distance = "vector <=> %s::vector" if index else "(vector <=> %s::vector) + 0"
    query = (
        f"SELECT {columns_sql(vectors)}, {distance} AS distance FROM {head.rows_table} "
        f"WHERE {where} ORDER BY distance LIMIT %s"
    )
    told = [vector_literal(vector), *parameters, k]
    if index is None:
        return _found(connection.execute(query, told, binary=True))
    with connection.transaction():
        connection.execute(
            "SELECT set_config('hnsw.ef_search', %s, true), "
            "set_config('hnsw.iterative_scan', 'strict_order', true)",
            [str(index.ef_search)],
        )
        found = _found(connection.execute(query, told, binary=True))
    if len(found) < k and len(found) < head.count:
        # A filter that few rows pass, or rows without direction, which the index leaves out.
        return nearest(connection, head, vector, k, wanted, vectors=vectors)
    return found


def build(connection: Connection[Any], head: Head, count: int) -> VectorIndex | None:
    """Make the index (HNSW, Malkov and Yashunin 2016) beside those who write, and measure it.

    None where another process is at it.
    """
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", [head.number]).fetchone()
    if not (row and row[0]):
        return None
    try:
        if not _is_whole(connection, head):
            connection.execute(f"SET maintenance_work_mem = '{_BUILD_MEMORY}'")
            connection.execute(f"DROP INDEX IF EXISTS tessera.{head.index_name}")
            connection.execute(
                f"CREATE INDEX CONCURRENTLY {head.index_name} ON {head.rows_table} "
                "USING hnsw (vector vector_cosine_ops)"
            )
            connection.execute("RESET maintenance_work_mem")
        connection.execute(f"ANALYZE {head.rows_table}")
        return _tuned(connection, head, count)
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", [head.number])


def _is_whole(connection: Connection[Any], head: Head) -> bool:
    row = connection.execute(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [f"tessera.{head.index_name}"]
    ).fetchone()
    return bool(row and row[0])


def _tuned(connection: Connection[Any], head: Head, count: int) -> VectorIndex:
    """How far to look for `TARGET` of the true ten nearest, and what share that finds."""
    sample = connection.execute(
        f"SELECT id, vector FROM {head.rows_table} TABLESAMPLE BERNOULLI (%s) REPEATABLE (0) LIMIT %s",
        [min(100.0, 300.0 * SAMPLE / max(1, count)), SAMPLE],
        binary=True,
    ).fetchall()
    told = [(row_id, vector) for row_id, raw in sample if (vector := vector_of(raw)).any()]
    truth = [_others(nearest(connection, head, vector, _K + 1), row_id) for row_id, vector in told]
    made = VectorIndex(count, _EF_SEARCH[-1], 1.0, len(told))
    for ef_search in _EF_SEARCH:
        trial = VectorIndex(count, ef_search, 0.0, len(told))
        hits = wanted = 0
        for (row_id, vector), true in zip(told, truth, strict=True):
            found = _others(nearest(connection, head, vector, _K + 1, index=trial), row_id)
            hits, wanted = hits + len(true & found), wanted + len(true)
        made = VectorIndex(count, ef_search, round(hits / wanted, 4) if wanted else 1.0, len(told))
        if made.recall >= TARGET:
            break
    return made


def _others(found: list[Found], itself: str) -> set[str]:
    return set([hit.row.id for hit in found if hit.row.id != itself][:_K])


def _found(cursor: Any) -> list[Found]:
    """Hits with their cosines; the distance of a row without direction is NaN, and comes last."""
    return [
        Found(row_of(row[:-1]), max(-1.0, min(1.0, 1.0 - row[-1])))
        for row in cursor.fetchall()
        if row[-1] == row[-1]
    ]
