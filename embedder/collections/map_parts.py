"""Some rows of a collection on its kept map: where each stands, new ones placed at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedder.collections.maps import KeptMap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embedder.analysis.neighbours import Neighbours
    from embedder.analysis.projection import Projection

_LEAST_KNOWN = 0.5
"""A map that knows fewer of the rows is no map of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A `layout` of rows, `new` of which were not on the map; exact `neighbours` if they are all of it."""

    layout: Projection
    new: int
    neighbours: Neighbours | None


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
    from embedder.analysis.similarity import top_k

    number = {row_id: row for row, row_id in enumerate(kept.ids())}
    rows = np.array([number.get(row_id, -1) for row_id in ids], dtype=np.int64)
    old, new = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
    if not len(old) or len(old) < _LEAST_KNOWN * len(ids):
        return None
    known_points, known_clusters = kept.points()[rows[old]], kept.clusters()[rows[old]]
    points = np.empty((len(ids), known_points.shape[1]), dtype=np.float32)
    clusters = np.empty(len(ids), dtype=np.int32)
    points[old], clusters[old] = known_points, known_clusters
    if len(new):
        best, scores = top_k(vectors[new], vectors[old], BESIDE)
        points[new] = place(Neighbours(best, (1 - scores).astype(np.float32)), known_points)
        clusters[new] = known_clusters[best[:, 0]]
    whole = Projection(points, kept.head.method, clusters=clusters)  # type: ignore[arg-type]  # as it was made
    layout = part_of(whole, np.arange(len(ids)))
    return Placed(layout, len(new), None if len(new) else _neighbours(kept, rows))


def _neighbours(kept: KeptMap, rows: NDArray[np.int64]) -> Neighbours | None:
    """Neighbours by place in `rows`, if these are all of the map and its lists are exact."""
    import numpy as np

    from embedder.analysis.neighbours import Neighbours

    if not kept.head.exact or len(rows) != kept.head.rows:
        return None
    found = kept.neighbours()
    place = np.empty(len(rows), dtype=np.int64)
    place[rows] = np.arange(len(rows))
    return Neighbours(place[found.indices[rows]], found.distances[rows])
