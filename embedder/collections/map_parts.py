"""Some rows of a collection on its kept map: where each stands, new ones placed at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedder.collections.kept_map import KeptMap
from embedder.collections.map_rows import digests_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embedder.analysis.neighbours import KnownNeighbours
    from embedder.analysis.projection import Projection
    from embedder.analysis.trust import Trust

_LEAST_KNOWN = 0.5
"""A map that knows fewer of the rows is no map of them."""
_BATCH_ROWS = 8192
_LOOKED_AT = 500
"""Of so many new rows it is measured how far their places can be trusted: half a second among 50,000."""


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A `layout` of rows, `new` of which were not on the map; their lists if all were, as they are now.

    `trust` is how far the places of the new ones can be trusted among all these rows; None without any.
    """

    layout: Projection
    new: int
    known: KnownNeighbours | None
    trust: Trust | None = None


def placed_rows(kept: KeptMap, ids: Sequence[str], vectors: NDArray[np.float32]) -> Placed | None:
    """The rows `ids` with `vectors` `(n, d)` on the map `kept`; None if it knows too few of them.

    A row that it does not know stands beside those of the others that are nearest to it, in their cluster.

    Raises:
        StoreFailed: the map was deleted meanwhile, or is damaged.
    """
    import numpy as np

    from embedder.analysis.neighbours import Neighbours
    from embedder.analysis.placing import BESIDE, place
    from embedder.analysis.projection import Projection, part_of
    from embedder.analysis.similarity import top_k, unit_rows
    from embedder.analysis.trust import trust_of

    number = {row_id: row for row, row_id in enumerate(kept.ids())}
    rows = np.array([number.get(row_id, -1) for row_id in ids], dtype=np.int64)
    old, new = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
    if not len(old) or len(old) < _LEAST_KNOWN * len(ids):
        return None
    known_points, known_clusters = kept.points()[rows[old]], kept.clusters()[rows[old]]
    points = np.empty((len(ids), known_points.shape[1]), dtype=np.float32)
    clusters = np.empty(len(ids), dtype=np.int32)
    points[old], clusters[old] = known_points, known_clusters
    trust = None
    if len(new):
        best, scores = top_k(vectors[new], vectors[old], BESIDE)
        points[new] = place(Neighbours(best, (1 - scores).astype(np.float32)), known_points)
        clusters[new] = known_clusters[best[:, 0]]
        trust = trust_of(unit_rows(vectors), points, among=new, looked_at=_LOOKED_AT)
    whole = Projection(points, kept.head.method, clusters=clusters)  # type: ignore[arg-type]  # as it was made
    layout = part_of(whole, np.arange(len(ids)))
    return Placed(layout, len(new), None if len(new) else _known(kept, rows, vectors), trust)


def _known(kept: KeptMap, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> KnownNeighbours | None:
    """Lists by place in `rows` of the map, if they are of these very `vectors`."""
    import numpy as np

    from embedder.analysis.neighbours import KnownNeighbours

    digests = kept.digests()[rows]
    for start in range(0, len(rows), _BATCH_ROWS):
        part = slice(start, start + _BATCH_ROWS)
        if not np.array_equal(digests_of(vectors[part]), digests[part]):
            return None
    head, found = kept.head, kept.neighbours(rows)
    place = np.full(head.rows + 1, -1, dtype=np.int64)  # the last for where a list ends early, at infinity
    place[rows] = np.arange(len(rows))
    far = np.maximum.accumulate(np.where(found.indices < 0, 0, found.distances), axis=1)
    return KnownNeighbours(place[found.indices], far, head.rows, head.recall, head.exact)
