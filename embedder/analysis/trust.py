"""How far a layout can be trusted, and how many true neighbours a list has, on a sample against all rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedder.analysis.neighbours import Neighbours
from embedder.analysis.similarity import Floats

K = 15
LOOKED_AT = 2000
"""Of so many rows trustworthiness is known to a few thousandths; of a million it takes half a minute."""
_BLOCK_ROWS, _BLOCK_COLUMNS = 250, 16_384
_EQUAL = np.float32(1e-6)
"""Cosines nearer to each other than float32 can tell apart count as a tie."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Trust:
    """`trustworthiness` at `k` of a layout, 0 to 1, and `recall` at `k` of lists, on `looked_at` rows.

    Both against the true neighbours among all rows. `recall` is None where no lists were judged.
    """

    trustworthiness: float
    recall: float | None
    looked_at: int
    k: int = K


def trust_of(
    unit: Floats,
    points: Floats,
    neighbours: Neighbours | None = None,
    *,
    among: Rows | None = None,
    looked_at: int = LOOKED_AT,
    k: int = K,
    seed: int = 7,
) -> Trust:
    """Trustworthiness (Venna, Kaski 2001) of `points` `(n, 2 or 3)` for unit rows `(n, d)`, by cosine.

    As `sklearn.manifold.trustworthiness`, but on rows drawn by chance, by default from all, each against all:
    from `among`, to judge how these were placed. `k` is cut to
    less than half of n, which is where the measure ends; of fewer than three rows it is 1. The `seed` is
    not that of layouts: rows drawn by the same would be those of a sample that was laid out.
    """
    n = len(unit)
    k = min(k, (n - 1) // 2)
    if k < 1:
        return Trust(1.0, None if neighbours is None else 1.0, n, max(k, 0))
    all_rows = np.arange(n) if among is None else among
    rows = np.sort(np.random.default_rng(seed).choice(all_rows, min(looked_at, len(all_rows)), replace=False))
    judged = [_nearest_places(points, rows, k)]
    if neighbours is not None:
        judged.append(_others(neighbours.indices[rows], rows, k))
    ranks = ranks_of(unit, rows, np.concatenate(judged, axis=1))
    missed = np.maximum(ranks[:, :k] - k, 0).sum()
    trustworthiness = 1 - float(missed) * 2 / (len(rows) * k * (2 * n - 3 * k - 1))
    recall = None if neighbours is None else float((ranks[:, k:] <= k).mean())
    return Trust(trustworthiness, recall, len(rows), k)


def ranks_of(unit: Floats, rows: Rows, others: Rows) -> Rows:
    """For each of `rows` `(m,)` how near each of its `others` `(m, j)` is: 1 is its nearest other row.

    An index of -1 has the rank n, behind all. Of equal cosines all have the best rank.
    """
    asked = unit[rows]
    scores = np.stack([np.einsum("md,md->m", asked, unit[column]) for column in others.T], axis=1).astype(
        np.float32
    )  # (m, j)
    rising = np.sort(scores, axis=1) + _EQUAL
    above = np.zeros(others.shape, dtype=np.int64)
    for top in range(0, len(rows), _BLOCK_ROWS):
        some = rows[top : top + _BLOCK_ROWS]
        for start in range(0, len(unit), _BLOCK_COLUMNS):
            block = asked[top : top + _BLOCK_ROWS] @ unit[start : start + _BLOCK_COLUMNS].T
            own = np.flatnonzero((some >= start) & (some < start + block.shape[1]))
            block[own, some[own] - start] = -np.inf  # nobody is their own neighbour
            for number, line in enumerate(block):
                bounds = rising[top + number]
                nearer = line[line > bounds[0]]  # than the farthest of the others; mostly few
                passed = np.bincount(np.searchsorted(bounds, nearer), minlength=len(bounds) + 1)
                above[top + number] += passed[::-1].cumsum()[::-1][1:]
    above = np.take_along_axis(above, np.argsort(np.argsort(scores, axis=1), axis=1), axis=1)
    return np.where(others < 0, len(unit), above + 1)


def _nearest_places(points: Floats, rows: Rows, k: int) -> Rows:
    """The `k` nearest in the layout of each of `rows`, itself left out: `(m, k)`."""
    from scipy.spatial import cKDTree

    found = cKDTree(points).query(points[rows], k + 1)[1].astype(np.int64)
    return _others(found, rows, k)


def _others(found: Rows, rows: Rows, k: int) -> Rows:
    """The first `k` of each list without the row itself, -1 where there are no more."""
    itself = found == rows[:, None]
    # Among more equal places than fit, a row may not find itself: then the last one makes room.
    itself[~itself.any(axis=1), -1] = True
    others = found[~itself].reshape(len(found), -1)[:, :k]
    short = k - others.shape[1]
    return np.pad(others, ((0, 0), (0, max(0, short))), constant_values=-1)
