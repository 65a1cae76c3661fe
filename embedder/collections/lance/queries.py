"""Pieces of LanceDB queries that several calls share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedder.collections.filters import Filter
from embedder.collections.lance.arrow import ROW_COLUMNS
from embedder.collections.lance.manifest import Manifest
from embedder.collections.lance.sql import sql_of

_IDS_A_QUERY = 500
_BATCH_ROWS = 65_536
"""Lance's own batches are small: to read one number of each of 50,000 rows takes 14 ms by them, and 1 so."""


def query(table: Any) -> Any:
    """A query of the table's rows, for `answer`.

    LanceDB's synchronous queries, which are these underneath, ask for the table's schema twice each, and wait
    for each step in another thread: 1.3 ms of processor time each.
    """
    return table._table.query()


def answer(asked: Any) -> Any:
    """What a query finds, as an Arrow table."""
    from lancedb.background_loop import LOOP

    return LOOP.run(_found(asked))


async def _found(asked: Any) -> Any:
    import pyarrow as pa

    batches = await asked.to_batches(max_batch_length=_BATCH_ROWS)
    return pa.Table.from_batches([batch async for batch in batches], batches.schema)


def row_ids_of(table: Any, where: str | None = None) -> NDArray[np.int64]:
    """What Lance knows the rows of `table` by, or those for which a condition holds: `(n,)`."""
    asked = query(table).with_row_id().select(["_rowid"])
    found = answer(asked.where(where) if where else asked)
    row_ids: NDArray[np.int64] = found.column("_rowid").to_numpy().astype(np.int64)
    return row_ids


def columns(vectors: bool) -> list[str]:
    """What is read of a row."""
    return [*ROW_COLUMNS, "vector"] if vectors else ROW_COLUMNS


def condition(wanted: Filter | None, manifest: Manifest) -> str | None:
    """A filter as SQL over the slots that there are."""
    return None if wanted is None else sql_of(wanted, manifest.slot_of)


def score_of(score: str, number: float) -> float:
    """BM25 as it is, or the cosine that Lance's distance is one less."""
    return number if score != "_distance" else max(-1.0, min(1.0, 1.0 - number))


def parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Some hundreds at a time, as one condition takes them."""
    return (ids[start : start + _IDS_A_QUERY] for start in range(0, len(ids), _IDS_A_QUERY))
