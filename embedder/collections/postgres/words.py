"""BM25 in SQL: each row has its words' numbers with how often they come, each word in how many rows it is.

Robertson's formula as Lucene has it, k1 1.2 and b 0.75. PostgreSQL's own ts_rank knows neither how
rare a word is nor how long the texts are.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from embedder.analysis.ranking import words_of

if TYPE_CHECKING:
    from psycopg import Connection

    from embedder.collections.postgres.heads import Head

_K1, _B = 1.2, 0.75
MOST_WORDS = 256
"""Of a longer question the rarest words are looked for."""
_COMMON_SHARE, _COMMON_ROWS = 0.05, 5000
"""Words that are in more than this share of so many rows are looked up last."""


@dataclass(frozen=True, slots=True)
class Words:
    """Numbers of a text's words, each once, and how often each comes."""

    numbers: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def length(self) -> int:
        """All words, repeated ones too."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question's words that are anywhere, with their weights, rarest first, from `common` on common."""

    numbers: list[int]
    weights: list[float]
    common: int
    mean_length: float


def words_in(text: str) -> Words:
    """The words of a text."""
    counted = Counter(words_of(text))
    return Words(tuple(map(_number, counted)), tuple(counted.values()))


def note_more(connection: Connection[Any], head: Head, texts: Iterable[Words]) -> None:
    """Count the words of new rows."""
    more: Counter[int] = Counter()
    for words in texts:
        more.update(words.numbers)
    if more:
        told = sorted(more.items())
        connection.execute(
            f"INSERT INTO {head.words_table} AS w SELECT * FROM unnest(%s::bigint[], %s::bigint[]) "
            "ON CONFLICT (word) DO UPDATE SET rows = w.rows + excluded.rows",
            [[word for word, _ in told], [rows for _, rows in told]],
        )


def delete_rows(connection: Connection[Any], head: Head, ids: Sequence[str]) -> tuple[int, int]:
    """Delete the rows of `ids` and forget their words; returns how many rows and words there were."""
    row = connection.execute(
        f"""
        WITH gone AS (DELETE FROM {head.rows_table} WHERE id = ANY(%s) RETURNING words, length),
        fewer AS (SELECT word, count(*) AS rows FROM gone, unnest(words) AS word GROUP BY word),
        noted AS (
            UPDATE {head.words_table} AS w SET rows = w.rows - fewer.rows FROM fewer WHERE w.word = fewer.word
        )
        SELECT count(*), coalesce(sum(length), 0)::bigint FROM gone
        """,
        [list(ids)],
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def asked(connection: Connection[Any], head: Head, query: str) -> Asked | None:
    """What to look for, None where no row has any of the words."""
    numbers = list(words_in(query).numbers)
    found = connection.execute(
        f"SELECT word, rows FROM {head.words_table} WHERE word = ANY(%s) AND rows > 0 ORDER BY rows LIMIT %s",
        [numbers, MOST_WORDS],
    ).fetchall()
    if not found or not head.count:
        return None
    rare = max(_COMMON_ROWS, _COMMON_SHARE * head.count)
    common = sum(1 for _, rows in found if rows <= rare)
    weights = [math.log(1 + max(0.0, head.count - rows + 0.5) / (rows + 0.5)) for _, rows in found]
    return Asked([word for word, _ in found], weights, common, max(1.0, head.words / head.count))


def score_sql() -> str:
    """BM25 of a row. Parameters: mean length, numbers, weights."""
    return f"""(
        SELECT sum(q.weight * n.n * {_K1 + 1} / (n.n + {_K1} * ({1 - _B} + {_B} * length / %s::float8)))
        FROM unnest(%s::bigint[], %s::float8[]) AS q(word, weight),
        LATERAL (SELECT counts[array_position(words, q.word)]::float8 AS n) AS n
    )"""


def most_of(weights: Iterable[float]) -> float:
    """The most that words of these weights can add to a row's score."""
    return sum(weights) * (_K1 + 1)


@lru_cache(maxsize=200_000)
def _number(word: str) -> int:
    digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
