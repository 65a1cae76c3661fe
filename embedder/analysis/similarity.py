"""Cosine similarity in the original space: whole matrices and the best `k`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]

BLOCK_BYTES = 64 * 2**20
"""Most memory one block of scores may take; the larger side is cut into blocks of it."""


def as_vectors(values: ArrayLike) -> Floats:
    """`values` as float32 `(n, d)`.

    Raises:
        ValueError: it's not two-dimensional, or holds NaN or infinity.
    """
    vectors = np.asarray(values, dtype=np.float32)
    if vectors.ndim != 2:
        raise ValueError(f"Vectors are (n, d), not {vectors.shape}.")
    if not np.isfinite(vectors).all():
        raise ValueError("Vectors must be finite; these hold NaN or infinity.")
    return vectors


def unit_rows(vectors: ArrayLike) -> Floats:
    """Rows of `(n, d)` scaled to length 1; a zero row stays zero."""
    rows = as_vectors(vectors)
    # Scaled by the largest entry first, so that no square over- or underflows.
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    scaled = np.zeros_like(rows)
    np.divide(rows, largest, out=scaled, where=largest > 0)
    norms = np.linalg.norm(scaled, axis=1, keepdims=True)
    np.divide(scaled, norms, out=scaled, where=norms > 0)
    return scaled


def cosine_similarity(left: ArrayLike, right: ArrayLike | None = None) -> Floats:
    """Cosines of every row of `left` `(n, d)` with every row of `right` `(m, d)`: `(n, m)`, -1 to 1.

    `right` is `left` where absent. A zero vector has no direction: its scores are 0, its own included.

    Raises:
        ValueError: the widths differ, or a vector isn't finite.
    """
    rows = unit_rows(left)
    columns = rows if right is None else unit_rows(right)
    _same_width(rows, columns)
    scores: Floats = np.clip(rows @ columns.T, -1.0, 1.0)
    return scores


def top_k(queries: ArrayLike, vectors: ArrayLike, k: int) -> tuple[NDArray[np.int64], Floats]:
    """The `k` rows of `vectors` `(n, d)` nearest to each row of `queries` `(q, d)`, best first.

    Returns indices and cosine scores, both `(q, min(k, n))`; of equal scores the lower index comes first.

    Raises:
        ValueError: `k` is negative, the widths differ, or a vector isn't finite.
    """
    if k < 0:
        raise ValueError(f"k is 0 or more, not {k}.")
    rows, columns = unit_rows(queries), unit_rows(vectors)
    _same_width(rows, columns)
    kept = min(k, len(columns))
    indices = np.empty((len(rows), kept), dtype=np.int64)
    scores = np.empty((len(rows), kept), dtype=np.float32)
    step = max(1, BLOCK_BYTES // max(1, 4 * len(columns)))
    for start in range(0, len(rows), step):
        block = np.clip(rows[start : start + step] @ columns.T, -1.0, 1.0)  # (b, n)
        best = _best(block, kept)
        indices[start : start + step] = best
        scores[start : start + step] = np.take_along_axis(block, best, axis=1)
    return indices, scores


def _best(scores: Floats, k: int) -> NDArray[np.int64]:
    """Column indices of the `k` largest of each row of `(b, n)`, ties by lower index: `(b, k)`."""
    if k == 0 or k == scores.shape[1]:
        return np.argsort(-scores, axis=1, kind="stable")[:, :k]
    # Selection before sorting; ties at the edge are settled by asking for all that reach it.
    edge = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]  # (b, 1)
    best = np.empty((len(scores), k), dtype=np.int64)
    for row, (values, least) in enumerate(zip(scores, edge, strict=True)):
        reached = np.flatnonzero(values >= least)
        best[row] = reached[np.argsort(-values[reached], kind="stable")[:k]]
    return best


def _same_width(left: Floats, right: Floats) -> None:
    if left.shape[1] != right.shape[1]:
        raise ValueError(f"Vectors of {left.shape[1]} and {right.shape[1]} dimensions have no cosine.")


def blend(plus: ArrayLike, minus: ArrayLike) -> Floats:
    """A direction `(1, d)` towards the rows of `plus` `(p, d)` and away from those of `minus` `(m, d)`.

    The mean of the unit vectors of one less that of the other (Rocchio 1971, both weights 1);
    only one side may be empty.

    Raises:
        ValueError: both are empty, the widths differ, or a vector isn't finite.
    """
    towards, away = unit_rows(plus), unit_rows(minus)
    _same_width(towards, away)
    if not len(towards) and not len(away):
        raise ValueError("There is no example to be like or unlike.")
    direction = np.zeros((1, towards.shape[1]), dtype=np.float32)
    if len(towards):
        direction += towards.mean(axis=0)
    if len(away):
        direction -= away.mean(axis=0)
    return unit_rows(direction)
