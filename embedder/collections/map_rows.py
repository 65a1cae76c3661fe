"""What a map is made of: a table's rows as unit vectors in a file, and what is known of them already."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedder.collections.kept_map import KeptMap
from embedder.collections.rows import Rows
from embedder.collections.store import Table
from embedder.errors import InvalidInput, StoreFailed, TooLarge

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embedder.analysis.placing import Told

MAX_ROWS = 2_000_000
"""A map of more would take more memory than most machines have to spare."""
EXACT_ROWS = 50_000
"""Up to so many, neighbours are exact; a minute with one thread."""
WISH, VECTORS, KNOWN, RESULT = "wish.json", "vectors.f32", "known.npz", "result"
"""Files between the process that reads and the one that makes the map; and the key of its last word."""
_BATCH_ROWS = 8192
_LEAST_KNOWN = 0.5
"""A map with places for fewer of the texts that are there now is made anew, not brought up to date."""


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

    `digests` uint64 `(n,)` tell whether a vector is still the same.
    """

    ids: list[str]
    total: int
    mark: int
    digests: NDArray[np.uint64]


def is_of_now(kept: KeptMap, table: Table) -> bool:
    """Whether no text came, changed or went since the map was made; a store's own upkeep counts for nothing.

    Raises:
        StoreFailed
    """
    if table.mark == kept.head.mark:
        return True
    if table.count() != kept.head.total:
        return False
    known: dict[str, int] = {}
    for batch in table.scan(_BATCH_ROWS, since=kept.head.mark):
        known = known or dict(zip(kept.ids(), kept.digests().tolist(), strict=True))
        there: list[bool] = _directed(batch)
        now = zip(batch.ids, digests_of(batch.vectors).tolist(), there, strict=True)
        # Of those that come some were there before; one without a direction is on no map.
        if any(
            known.get(row_id) != digest for row_id, digest, directed in now if directed or row_id in known
        ):
            return False
    return True


def _directed(rows: Rows) -> list[bool]:
    """Which have a direction: no vector of zeros."""
    import numpy as np

    found: list[bool] = np.asarray(rows.vectors.any(axis=1)).tolist()
    return found


def digests_of(vectors: NDArray[np.float32]) -> NDArray[np.uint64]:
    """A number for each of `(n, d)` that differs if any bit does: a sum of its words by fixed odd weights."""
    import numpy as np

    words = np.ascontiguousarray(vectors, dtype="<f4").view("<u4").astype(np.uint64)
    weights = np.random.default_rng(0).integers(2**63, size=words.shape[1], dtype=np.uint64) * 2 + 1
    digests: NDArray[np.uint64] = (words * weights).sum(axis=1, dtype=np.uint64)
    return digests


def read_rows(table: Table, folder: Path, told: Told, leave: threading.Event) -> Read:
    """Every row's unit vector into a file in `folder`, and its id; until `leave` is set.

    Raises:
        InvalidInput: no row has a direction.
        TooLarge: there are more than `MAX_ROWS`.
        StoreFailed
    """
    import numpy as np

    from embedder.analysis.similarity import unit_rows

    mark, total = table.mark, table.count()
    if total > MAX_ROWS:
        raise TooLarge(f"This collection has {total:,} texts; a map is made of up to {MAX_ROWS:,}.")
    ids: list[str] = []
    digests: list[NDArray[np.uint64]] = []
    known: set[str] = set()
    seen = 0
    try:
        with (folder / VECTORS).open("wb") as sink:
            for batch in table.scan(_BATCH_ROWS):
                if leave.is_set():
                    break
                seen += len(batch)
                directed = _directed(batch)
                # A store that is written to meanwhile may give a row twice.
                places = [
                    place for place, row_id in enumerate(batch.ids) if directed[place] and row_id not in known
                ]
                ids += [batch.ids[place] for place in places]
                known.update(batch.ids[place] for place in places)
                digests.append(digests_of(batch.vectors[places]))
                sink.write(unit_rows(batch.vectors[places]).astype("<f4").tobytes())
                told("Reading", min(1.0, seen / max(total, 1)))
    except OSError as error:
        raise StoreFailed(f"The vectors could not be laid out: {error.strerror}.") from None
    if not ids and not leave.is_set():
        raise InvalidInput("There is no text with a direction in this collection, so there is no map of it.")
    return Read(ids, total, mark, np.concatenate([np.empty(0, np.uint64), *digests]))


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
        ids, digests, points, near = old.ids(), old.digests(), old.points(), old.neighbours()
    except StoreFailed:
        return False
    now = {row_id: row for row, row_id in enumerate(read.ids)}
    number = np.array([now.get(row_id, -1) for row_id in ids], dtype=np.int64)
    there = number >= 0
    there[there] = read.digests[number[there]] == digests[there]
    number[~there] = -1
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
