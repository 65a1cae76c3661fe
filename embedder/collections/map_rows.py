"""What a map is made of: a table's rows as unit vectors in a file, and what is known of them already."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedder.collections.maps import KeptMap
from embedder.collections.store import Table
from embedder.errors import InvalidInput, StoreFailed, TooLarge

if TYPE_CHECKING:
    from embedder.analysis.placing import Told

MAX_ROWS = 2_000_000
"""A map of more would take more memory than most machines have to spare."""
EXACT_ROWS = 50_000
"""Up to so many, neighbours are exact; a minute with one thread."""
WISH, VECTORS, KNOWN, RESULT = "wish.json", "vectors.f32", "known.npz", "result"
"""Files between the process that reads and the one that makes the map; and the key of its last word."""
_BATCH_ROWS = 8192
_LEAST_KNOWN = 0.5
"""A map that has a place for fewer of the texts that are there now is not brought up to date, but made anew."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is in `wish.json`: vectors `(n, d)`; `known` where there is a map to bring up to date.

    `sample` and `epochs` are as in `analysis.placing`, 0 for what is usual there.
    """

    n: int
    d: int
    options: dict[str, Any]
    sample: int
    epochs: int
    threads: int
    known: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of a table: `ids` of the rows that have a direction, of `total`; written until `mark`.

    `changed` are ids that were written since the map that is known, if there is one.
    """

    ids: list[str]
    total: int
    mark: int
    changed: frozenset[str] = frozenset()


def is_of_now(kept: KeptMap, table: Table) -> bool:
    """Whether no text came, changed or went since the map was made; stores' own upkeep counts for nothing."""
    if table.mark == kept.head.mark:
        return True
    if table.count() != kept.head.total:
        return False
    return not any(len(batch) for batch in table.scan(1, since=kept.head.mark))


def read_rows(
    table: Table, folder: Path, told: Told, leave: threading.Event, *, since: int | None = None
) -> Read:
    """Every row's unit vector into a file in `folder`, and its id; until `leave` is set.

    Raises:
        InvalidInput: no row has a direction.
        TooLarge: there are more than `MAX_ROWS`.
        StoreFailed
    """
    from embedder.analysis.similarity import unit_rows

    mark, total = table.mark, table.count()
    if total > MAX_ROWS:
        raise TooLarge(f"This collection has {total:,} texts; a map is made of up to {MAX_ROWS:,}.")
    ids: list[str] = []
    known: set[str] = set()
    seen = 0
    try:
        with (folder / VECTORS).open("wb") as sink:
            for batch in table.scan(_BATCH_ROWS):
                if leave.is_set():
                    break
                seen += len(batch)
                directed = batch.vectors.any(axis=1)
                # A store that is written to meanwhile may give a row twice.
                places = [
                    place for place, row_id in enumerate(batch.ids) if directed[place] and row_id not in known
                ]
                ids += [batch.ids[place] for place in places]
                known.update(batch.ids[place] for place in places)
                sink.write(unit_rows(batch.vectors[places]).astype("<f4").tobytes())
                told("Reading", min(1.0, seen / max(total, 1)))
    except OSError as error:
        raise StoreFailed(f"The vectors could not be laid out: {error.strerror}.") from None
    if not ids and not leave.is_set():
        raise InvalidInput("There is no text with a direction in this collection, so there is no map of it.")
    changed = () if since is None else (row_id for some in table.scan(since=since) for row_id in some.ids)
    return Read(ids, total, mark, frozenset(changed))


def prepared(old: KeptMap | None, read: Read, folder: Path, wish: Wish) -> Wish:
    """The wish, in a file; and what is known from `old`, where that is worth something."""
    known = old is not None and _carry(old, read, folder)
    asked = replace(wish, known=known)
    (folder / WISH).write_text(json.dumps(asdict(asked)), "utf-8")
    return asked


def _carry(old: KeptMap, read: Read, folder: Path) -> bool:
    """Write what is still known into `folder`, and say whether it is worth it."""
    import numpy as np

    try:
        ids, points, near = old.ids(), old.points(), old.neighbours()
    except StoreFailed:
        return False
    now = {row_id: row for row, row_id in enumerate(read.ids)}
    number = np.array([-1 if row_id in read.changed else now.get(row_id, -1) for row_id in ids], np.int64)
    if (number >= 0).sum() < _LEAST_KNOWN * len(read.ids):
        return False
    np.savez(
        folder / KNOWN,
        number=number,
        points=points,
        indices=near.indices.astype("<i4"),
        distances=near.distances,
        laid_out=np.array(old.head.laid_out),
    )
    return True
