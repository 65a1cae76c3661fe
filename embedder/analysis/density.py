"""How crowded it is around each point of a layout, and over the whole plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedder.analysis.similarity import Floats, as_vectors

_CELLS = {2: 128, 3: 40}
"""Cells along each side, by the layout's dimensions."""
_SMOOTHED_SHARE = 1.5 / 128
"""Of a side: the kernel's standard deviation."""
_MARGIN = 0.06
"""Of a side: what a grid shows beyond the outermost points, so that contours close."""


@dataclass(frozen=True, slots=True, eq=False)
class DensityGrid:
    """`shares` float32 `(cells, cells)`, row j at the j-th y: density as a share of the densest place.

    `low` and `high`, both `(2,)`, are the centres of the first and the last cell.
    """

    shares: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


def local_density(points: ArrayLike) -> NDArray[np.float32]:
    """Share of the densest place, 0 to 1, at each of `points` `(n, 2 or 3)`: float32 `(n,)`.

    A Gaussian kernel over a histogram.

    Raises:
        ValueError: it's not two-dimensional, or not finite.
    """
    rows = as_vectors(points)
    if not len(rows):
        return np.empty(0, dtype=np.float32)
    smooth, places = _smoothed(rows, rows.min(axis=0), rows.max(axis=0))
    found: NDArray[np.float32] = smooth[places].astype(np.float32)
    return found


def density_grid(points: ArrayLike) -> DensityGrid:
    """The density of a layout `(n, 2)` over a grid, from the same smoothed histogram as `local_density`.

    Raises:
        ValueError: it's not `(n, 2)`, not finite, or there is no point.
    """
    rows = as_vectors(points)
    if rows.shape[1] != 2 or not len(rows):
        raise ValueError(f"A density grid is of points (n, 2), not {rows.shape}.")
    low, high = rows.min(axis=0), rows.max(axis=0)
    # Without any spread the one place is the middle of a small square.
    margin = np.maximum((high - low).max() * _MARGIN, 1e-3)
    low, high = low - margin, high + margin
    smooth, _ = _smoothed(rows, low, high)
    half = (high - low) / _CELLS[2] / 2
    shares = np.ascontiguousarray(smooth.T, dtype=np.float32)
    return DensityGrid(shares, (low + half).astype(np.float32), (high - half).astype(np.float32))


def _smoothed(
    rows: Floats, low: Floats, high: Floats
) -> tuple[NDArray[np.float64], tuple[NDArray[Any], ...]]:
    """The histogram between two corners, smoothed, its largest 1; and the cell of each row."""
    from scipy.ndimage import gaussian_filter

    cells = _CELLS[rows.shape[1]]
    span = np.maximum(high - low, 1e-12)
    places = tuple(np.clip((rows - low) / span * cells, 0, cells - 1).astype(np.int64).T)
    counts = np.zeros((cells,) * rows.shape[1])
    np.add.at(counts, places, 1.0)
    smooth = gaussian_filter(counts, _SMOOTHED_SHARE * cells, mode="constant")
    return smooth / smooth.max(), places
