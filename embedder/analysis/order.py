"""An order of rows in which like stands beside like."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedder.analysis.similarity import cosine_similarity


def leaf_order(vectors: ArrayLike) -> NDArray[np.int64]:
    """Indices `(n,)` of the rows of `(n, d)` as the leaves of an average-linkage tree by cosine distance.

    Of all orders of that tree the one whose neighbours are nearest (Bar-Joseph et al. 2001). Costs
    n squared in memory and more in time: for hundreds of rows, not thousands.

    Raises:
        ValueError: a vector isn't finite.
    """
    distances = 1.0 - cosine_similarity(vectors).astype(np.float64)
    n = len(distances)
    if n < 3:
        return np.arange(n)
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering

    condensed = np.maximum(distances[np.triu_indices(n, 1)], 0.0)
    tree = linkage(condensed, "average")
    return np.asarray(leaves_list(optimal_leaf_ordering(tree, condensed)), dtype=np.int64)
