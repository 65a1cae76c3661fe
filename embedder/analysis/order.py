"""A tree of rows by likeness, and the order of its leaves in which like stands beside like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedder.analysis.similarity import cosine_similarity


@dataclass(frozen=True, slots=True, eq=False)
class Dendrogram:
    """`order` int64 `(n,)`, and of each joint of the tree a row of `links` float64 `(n - 1, 5)`.

    A link is place and height of its one branch, place and height of the other, and its own
    height: distances, lowest first. Places count along `order` from 0; a joint is midway.
    """

    order: NDArray[np.int64]
    links: NDArray[np.float64]


def dendrogram(similarities: ArrayLike) -> Dendrogram:
    """The average-linkage tree of rows by 1 - `similarities` `(n, n)`, which is symmetric.

    Of all orders of that tree the one whose neighbours are nearest (Bar-Joseph et al. 2001). Costs
    n squared in memory and more in time: for hundreds of rows, not thousands.

    Raises:
        ValueError: it isn't square, or not finite.
    """
    scores = np.asarray(similarities, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1] or not np.isfinite(scores).all():
        raise ValueError("Similarities are a square of finite numbers.")
    n = len(scores)
    if n < 2:
        return Dendrogram(np.arange(n), np.empty((0, 5)))
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering

    condensed = np.maximum(1.0 - scores[np.triu_indices(n, 1)], 0.0)
    tree = linkage(condensed, "average")
    if n > 2:
        tree = optimal_leaf_ordering(tree, condensed)
    order = np.asarray(leaves_list(tree), dtype=np.int64)
    places, heights = np.zeros(2 * n - 1), np.zeros(2 * n - 1)
    places[order] = np.arange(n)
    links = np.empty((n - 1, 5))
    for joint, (one, other, height, _) in enumerate(tree):
        first, second = sorted((int(one), int(other)), key=lambda node: places[node])
        links[joint] = places[first], heights[first], places[second], heights[second], height
        places[n + joint], heights[n + joint] = (places[first] + places[second]) / 2, height
    return Dendrogram(order, links)


def leaf_order(vectors: ArrayLike) -> NDArray[np.int64]:
    """Indices `(n,)` of the rows of `(n, d)` as the leaves of their `dendrogram` by cosine.

    Raises:
        ValueError: a vector isn't finite.
    """
    return dendrogram(cosine_similarity(vectors)).order
