"""What stands for many numbers: their middle, and the ends between which nearly all of them are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from embedder.analysis.similarity import Floats

_OUTERMOST = 0.01
_AROUND = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Extent:
    """Where a group of points is: its `middle`, and `low` and `high`, all `(d,)`.

    Between these two are nine tenths of its points along each side; both are of points that there are.
    """

    middle: Floats
    low: Floats
    high: Floats


def scale_ends(amounts: ArrayLike) -> tuple[float, float]:
    """The ends of a scale for `(n,)`: without the outermost hundredth at either side, and what is not finite.

    Of nothing 0 and 1.
    """
    values = np.asarray(amounts)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = np.quantile(finite, (_OUTERMOST, 1 - _OUTERMOST))
    return float(low), float(high)


def middle(amounts: ArrayLike) -> float:
    """The median of `(n,)`; of nothing 0."""
    values = np.asarray(amounts)
    return float(np.median(values)) if len(values) else 0.0


def extent_of(points: Floats) -> Extent:
    """Where points `(n, d)` are, of which there is at least one."""
    return Extent(
        np.median(points, axis=0),
        np.quantile(points, _AROUND, axis=0, method="lower"),
        np.quantile(points, 1 - _AROUND, axis=0, method="higher"),
    )
