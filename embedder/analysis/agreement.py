"""Two models over the same texts: which neighbours both find, and one map laid over the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedder.analysis.neighbours import Neighbours
from embedder.analysis.similarity import Floats, as_vectors

K = 10
_BLOCK_ROWS = 256


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """How far two models agree on texts: of each its share `(n,)`, and the `mean`, None without any.

    `moved` are the texts in the order of `moved_most`. A text that either has no vector of has a share of
    NaN, and is not among those that moved.
    """

    shares: Floats
    mean: float | None
    moved: NDArray[np.int64]


def neighbour_overlap(first: Neighbours, second: Neighbours, k: int = K) -> Floats:
    """Of each text the share, 0 to 1, of its `k` nearest others in one model that are so in the other.

    `first` and `second` have each row itself first, as `nearest_neighbours` makes them. Both sides
    have k neighbours, so the share is the same from either; the Jaccard index would be s / (2 - s).
    Where there are fewer than `k` others all of them count; a text alone agrees with itself: 1.

    Raises:
        ValueError: they are not of the same texts.
    """
    if len(first.indices) != len(second.indices):
        raise ValueError(f"{len(first.indices)} and {len(second.indices)} texts can't be the same ones.")
    one, other = first.indices[:, 1 : k + 1], second.indices[:, 1 : k + 1]
    width = min(one.shape[1], other.shape[1])
    shares = np.ones(len(one), dtype=np.float32)
    if width == 0:
        return shares
    one, other = one[:, :width], other[:, :width]
    for start in range(0, len(one), _BLOCK_ROWS):
        some = slice(start, start + _BLOCK_ROWS)
        both = (one[some, :, None] == other[some, None, :]).sum(axis=(1, 2))
        shares[some] = both / np.float32(width)
    return shares


def agreement(first: Neighbours, second: Neighbours, known: NDArray[np.bool_], k: int = K) -> Agreement:
    """How far two models agree; `known` `(n,)` is True of texts that both have a vector of.

    Raises:
        ValueError: they are not of the same texts.
    """
    shares = np.where(known, neighbour_overlap(first, second, k), np.float32(np.nan))
    order = moved_most(first, second, k)
    return Agreement(shares, float(shares[known].mean()) if known.any() else None, order[known[order]])


def overlap_by_chance(n: int, k: int = K) -> float:
    """The mean overlap of two models that have nothing to do with each other, over `n` texts."""
    return min(k, n - 1) / (n - 1) if n > 1 else 1.0


def moved_most(first: Neighbours, second: Neighbours, k: int = K) -> NDArray[np.int64]:
    """All rows, those with the least overlap at `k` first.

    Of equal ones those whose wider neighbourhoods, all that is known of them, agree less; then by row.
    """
    near = neighbour_overlap(first, second, k)
    wide = neighbour_overlap(first, second, max(first.k, second.k))
    return np.lexsort((wide, near)).astype(np.int64)


def aligned(points: ArrayLike, onto: ArrayLike) -> Floats:
    """`points` `(n, 2)` moved, turned, mirrored and scaled as one to lie nearest to `onto` `(n, 2)`.

    Procrustes (Gower 1975): distances between points all change by one factor. Where either has no
    spread there is nothing to turn: then only the middle is moved.

    Raises:
        ValueError: the shapes differ, or a point isn't finite.
    """
    moved, goal = as_vectors(points).astype(np.float64), as_vectors(onto).astype(np.float64)
    if moved.shape != goal.shape:
        raise ValueError(f"Points {moved.shape} can't be laid over {goal.shape}.")
    if not len(moved):
        return as_vectors(points)
    centre = goal.mean(axis=0)
    if not (_spread(moved) and _spread(goal)):
        return np.asarray(moved - moved.mean(axis=0) + centre, dtype=np.float32)
    from scipy.spatial import procrustes

    # It gives both at unit size around the origin: the goal's own size and place are given back.
    _, laid, _ = procrustes(goal, moved)
    return np.asarray(laid * np.linalg.norm(goal - centre) + centre, dtype=np.float32)


def _spread(points: NDArray[np.float64]) -> bool:
    """Whether points differ by more than rounding."""
    return bool(np.ptp(points, axis=0).max() > 1e-9 * max(float(np.abs(points).max()), 1e-30))
