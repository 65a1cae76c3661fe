"""As much of a collection as is drawn: all of it, or a sample spread evenly over it."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedder.collections.collection import Collection
from embedder.collections.keeping import DOCUMENT, ID
from embedder.collections.rows import Rows, Value
from embedder.collections.store import Table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Places = NDArray[np.int64]

OnProgress = Callable[[int, int], None]
_BATCH_ROWS = 5000
_OF_CONTENT = re.compile(r"[0-9a-f]{32}(-\d+)?")


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Some of a collection's rows, of `total`; `undirected` had to be left out, for their vectors are zeros.

    `mark` is how far the collection was written when they were read.
    """

    rows: Rows
    total: int
    undirected: int
    mark: int


async def draw(
    collection: Collection, most_rows: int, most_chars: int, *, progress: OnProgress | None = None
) -> Drawn:
    """Up to `most_rows` texts of up to `most_chars` characters, as the collection gives them.

    Of more than that a sample without repeats, each text with the same chance; the same one as
    long as the collection stays the same. Cancelled, it ends at its next batch.

    Raises:
        StoreFailed, UnknownCollection
    """
    leave = threading.Event()
    try:
        return await asyncio.to_thread(_draw, collection.table, most_rows, most_chars, progress, leave)
    finally:
        leave.set()


def columns_of(rows: Rows, most: int) -> dict[str, list[str]]:
    """Every column as strings, as long as `rows`, empty where a row has none; the first `most` that come.

    Documents are one more column, `document`, and so are ids, `id`, that are not those of the content.
    """
    columns: dict[str, list[str]] = {}
    if any(rows.documents):
        columns[DOCUMENT] = list(rows.documents)
    if not all(_OF_CONTENT.fullmatch(one) for one in rows.ids):
        columns[ID] = list(rows.ids)
    own = set(columns)
    for place, cells in enumerate(rows.columns):
        for name, value in cells.items():
            if name in own or (name not in columns and len(columns) >= most):
                continue
            columns.setdefault(name, [""] * len(rows))[place] = _written(value)
    return columns


def _written(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _draw(
    table: Table,
    most_rows: int,
    most_chars: int,
    progress: OnProgress | None,
    leave: threading.Event,
) -> Drawn:
    import numpy as np

    mark, total = table.mark, table.count()
    wanted = _spread(total, most_rows)
    parts: list[Rows] = []
    seen = undirected = 0
    for batch in table.scan(_BATCH_ROWS):
        if leave.is_set():
            break
        first, last = np.searchsorted(wanted, (seen, seen + len(batch)))
        taken = wanted[first:last] - seen
        directed = taken[batch.vectors[taken].any(axis=1)]
        undirected += len(taken) - len(directed)
        if len(directed):
            parts.append(batch.take(directed.tolist()))
        seen += len(batch)
        if progress:
            progress(min(seen, total), total)
    rows = _joined(parts, table.dimensions)
    return Drawn(_within(rows, most_chars), max(total, len(rows)), undirected, mark)


def _spread(total: int, most: int) -> Places:
    """Places in order: all, or as many as there may be, drawn by chance."""
    import numpy as np

    if total <= most:
        return np.arange(total, dtype=np.int64)
    return np.sort(np.random.default_rng(total).choice(total, most, replace=False)).astype(np.int64)


def _within(rows: Rows, most_chars: int) -> Rows:
    """So many of `rows` that their texts fit, drawn by chance."""
    import numpy as np

    chars = np.array([len(text) for text in rows.texts], dtype=np.int64)
    if chars.sum() <= most_chars:
        return rows
    order = np.random.default_rng(len(rows)).permutation(len(rows))
    return rows.take(np.sort(order[np.cumsum(chars[order]) <= most_chars]).tolist())


def _joined(parts: Sequence[Rows], dimensions: int) -> Rows:
    import numpy as np

    vectors = [np.empty((0, dimensions), dtype=np.float32), *(part.vectors for part in parts)]
    return Rows(
        [row_id for part in parts for row_id in part.ids],
        [text for part in parts for text in part.texts],
        [document for part in parts for document in part.documents],
        [cells for part in parts for cells in part.columns],
        np.concatenate(vectors),
    )
