"""Exact nearest neighbours by cosine, each point its own first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedder.analysis.similarity import OnProgress, top_k, unit_rows

KEPT_NEIGHBOURS = 101
"""So many are found for texts on a map, each itself the first: for a click, for UMAP up to its most
neighbours, for t-SNE up to a perplexity of 33, for outliers."""


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """`indices` int64 and `distances` float32, both `(n, k)`: cosine distance, 0 to 2, nearest first."""

    indices: NDArray[np.int64]
    distances: NDArray[np.float32]

    @property
    def k(self) -> int:
        """How many each row has, itself among them."""
        return int(self.indices.shape[1])

    def of(self, row: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The rows listed for `row`, itself among them, and its cosines with them, nearest first."""
        here = self.indices[row] >= 0
        return self.indices[row][here], 1.0 - self.distances[row][here]

    def nearest(self, k: int) -> Neighbours:
        """Only the first `k` of each row."""
        return Neighbours(self.indices[:, :k], self.distances[:, :k])


@dataclass(frozen=True, slots=True, eq=False)
class KnownNeighbours(Neighbours):
    """Lists that are known of rows, of which there are `among` in all; -1 for a neighbour not of these rows.

    Where they are not `exact`, `recall` is the share of the true nearest that was found in them. A list
    that ends early goes on with -1 at its last distance: who is not in it is not known to be nearer.
    """

    among: int
    recall: float
    exact: bool

    @property
    def whole(self) -> bool:
        """Whether the rows are all that there are."""
        return len(self.indices) == self.among


def nearest_neighbours(
    vectors: ArrayLike,
    k: int = KEPT_NEIGHBOURS,
    *,
    threads: int = 1,
    progress: OnProgress | None = None,
) -> Neighbours:
    """The `k` nearest rows of each row of `(n, d)`, the row itself first at distance 0.

    `k` is cut to n. Exact: one matrix product, in blocks; a product beats any index until far
    beyond the sizes a page shows.

    Raises:
        ValueError: `k` is less than 1, or a vector isn't finite.
    """
    if k < 1:
        raise ValueError(f"k is 1 or more, not {k}.")
    rows = unit_rows(vectors)
    # With duplicates a row may not be the best of its own list, so it is put first by hand.
    indices, scores = top_k(rows, rows, k, threads=threads, progress=progress)
    distances = np.maximum(1.0 - scores, 0.0)
    itself = np.arange(len(rows))
    for row in np.flatnonzero(indices[:, 0] != itself) if len(rows) else ():
        others = indices[row] != row
        indices[row, 1:] = indices[row][others][: indices.shape[1] - 1]
        distances[row, 1:] = distances[row][others][: indices.shape[1] - 1]
        indices[row, 0] = row
    if len(rows):
        distances[:, 0] = 0.0
    return Neighbours(indices, distances.astype(np.float32, copy=False))
