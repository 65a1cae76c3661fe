"""Searching by words: the rows with the rare words first, all others only where they could still win."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedder.collections.filters import Filter
from embedder.collections.postgres.copying import columns_sql, row_of
from embedder.collections.postgres.heads import Head
from embedder.collections.postgres.sql import condition
from embedder.collections.postgres.words import asked, most_of, score_sql
from embedder.collections.rows import Found

if TYPE_CHECKING:
    from psycopg import Connection


def search(
    connection: Connection[Any],
    head: Head,
    query: str,
    k: int,
    wanted: Filter | None = None,
    *,
    vectors: bool = False,
) -> list[Found]:
    """The `k` rows that pass with the most BM25, best first.

    The rows with a rare word are scored in full. If even the last of their best has more than common
    words alone can give (Turtle and Flood's MaxScore, 1995), no other row needs to be looked at.
    """
    looked = asked(connection, head, query)
    if looked is None:
        return []
    where, parameters = condition(wanted)
    sql = (
        f"SELECT {columns_sql(vectors)}, {score_sql()} AS score FROM {head.rows_table} "
        f"WHERE words && %s::bigint[] AND {where} ORDER BY score DESC, id LIMIT %s"
    )

    def those_with(numbers: list[int]) -> list[Found]:
        told = [looked.mean_length, looked.numbers, looked.weights, numbers, *parameters, k]
        return [Found(row_of(row[:-1]), float(row[-1])) for row in connection.execute(sql, told, binary=True)]

    if 0 < looked.common < len(looked.numbers):
        hits = those_with(looked.numbers[: looked.common])
        if len(hits) == k and hits[-1].score >= most_of(looked.weights[looked.common :]):
            return hits
    return those_with(looked.numbers)
