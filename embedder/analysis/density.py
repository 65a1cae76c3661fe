"""How crowded it is around each point of a layout."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedder.analysis.similarity import as_vectors

_CELLS = 128
_SMOOTHED_CELLS = 1.5


def local_density(points: ArrayLike) -> NDArray[np.float32]:
    """Share of the densest place, 0 to 1, at each of `points` `(n, 2)`: float32 `(n,)`.

    A Gaussian kernel over a histogram of 128 x 128 cells.

    Raises:
        ValueError: it's not two-dimensional, or not finite.
    """
    rows = as_vectors(points)
    if not len(rows):
        return np.empty(0, dtype=np.float32)
    from scipy.ndimage import gaussian_filter

    low, high = rows.min(axis=0), rows.max(axis=0)
    span = np.maximum(high - low, 1e-12)
    cells = np.minimum(((rows - low) / span * _CELLS).astype(np.int64), _CELLS - 1)
    counts = np.zeros((_CELLS, _CELLS))
    np.add.at(counts, (cells[:, 0], cells[:, 1]), 1.0)
    smooth = gaussian_filter(counts, _SMOOTHED_CELLS, mode="constant")
    found: NDArray[np.float32] = (smooth / smooth.max())[cells[:, 0], cells[:, 1]].astype(np.float32)
    return found
