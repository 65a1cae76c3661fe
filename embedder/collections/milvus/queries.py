"""What is asked of Milvus for one collection, its rows being those that a head names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from embedder.analysis.similarity import unit_rows
from embedder.collections.milvus.expressions import key_of, strings
from embedder.collections.milvus.heads import Head
from embedder.collections.milvus.rows import row_of
from embedder.collections.milvus.server import CALL_S, STRONG
from embedder.collections.rows import Found, Row

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KEYS_A_QUERY = 500
_FEW_ROWS = 10_000
"""So few rows that pass a filter are looked at one by one where the index does not find enough of them."""


def query(client: Any, head: Head, where: str, columns: Sequence[str]) -> Any:
    """`columns` of the rows of which `where` is true, as many as one answer holds."""
    return client.query(
        head.rows, filter=where, output_fields=list(columns), consistency_level=STRONG, timeout=CALL_S
    )


def count(client: Any, head: Head, where: str) -> int:
    """How many rows pass."""
    return int(query(client, head, where, ["count(*)"])[0]["count(*)"])


def there(client: Any, head: Head, ids: Sequence[str]) -> int:
    """How many of `ids` there are."""
    return sum(count(client, head, f"key in {strings(keys)}") for keys in parts(ids))


def search(
    client: Any, head: Head, field: str, asked: Any, options: dict[str, Any]
) -> list[tuple[Row, float]]:
    """Hits in the field `field` with what Milvus calls their distance."""
    (hits,) = client.search(
        head.rows, data=[asked], anns_field=field, consistency_level=STRONG, timeout=CALL_S, **options
    )
    return [(row_of(hit["entity"]), float(hit["distance"])) for hit in hits]


def nearest(client: Any, head: Head, vector: NDArray[np.float32], options: dict[str, Any]) -> list[Found]:
    """The nearest by the index, or by looking where few rows pass and the index loses some of them."""
    hits = search(client, head, "vector", vector.tolist(), options)
    if len(hits) < options["limit"]:
        passing = count(client, head, options["filter"])
        if len(hits) < min(options["limit"], passing) and passing <= _FEW_ROWS:
            return _looked_at(client, head, vector, options)
    return [Found(row, _cosine(score)) for row, score in hits]


def pages(
    client: Any, head: Head, where: str, columns: Sequence[str], rows: int
) -> Iterator[list[dict[str, Any]]]:
    """`columns` of all rows that pass, so many at a time, in the order of their keys."""
    iterator = client.query_iterator(
        head.rows,
        batch_size=rows,
        filter=where,
        output_fields=list(columns),
        consistency_level=STRONG,
        timeout=CALL_S,
    )
    try:
        while told := iterator.next():
            yield told
    finally:
        iterator.close()


def parts(names: Iterable[str]) -> Iterator[list[str]]:
    """Keys of ids or documents, some hundreds at a time."""
    keys = [key_of(name) for name in names]
    return (keys[start : start + _KEYS_A_QUERY] for start in range(0, len(keys), _KEYS_A_QUERY))


def _looked_at(client: Any, head: Head, vector: NDArray[np.float32], options: dict[str, Any]) -> list[Found]:
    question = unit_rows(vector[None])[0]
    scores: dict[str, float] = {}
    for told in pages(client, head, options["filter"], ["key", "vector"], _FEW_ROWS):
        rows = unit_rows(np.array([one["vector"] for one in told], dtype=np.float32)) @ question
        scores.update(zip((one["key"] for one in told), rows.tolist(), strict=True))
    best = sorted(scores, key=scores.__getitem__, reverse=True)[: options["limit"]]
    found = query(client, head, f"key in {strings(best)}", ["key", *options["output_fields"]])
    hits = [Found(row_of(one), _cosine(scores[one["key"]])) for one in found]
    return sorted(hits, key=lambda hit: -hit.score)


def _cosine(score: float) -> float:
    return max(-1.0, min(1.0, score))
