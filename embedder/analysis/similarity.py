"""Cosine similarity in the original space: whole matrices and the best `k`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]
OnProgress = Callable[[float], None]
"""Told the share that is done, 0 to 1."""

BLOCK_BYTES = 16 * 2**20
"""Most memory one block of scores may take; the larger side is cut into blocks of it."""
_KEY_BITS = 32
"""Of a sorting key's 64 bits, those beside the score: for the row in its block and the column."""
_GROUPS = 8
"""So many groups of scores for each of the best that are wanted: more narrow the choice and cost more."""


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


def directed(vectors: Floats) -> NDArray[np.bool_]:
    """Whether each row of `(n, d)` has a direction: one of zeros has none."""
    return np.asarray(vectors.any(axis=1), dtype=np.bool_)


def are_unit(vectors: Floats) -> bool:
    """Whether every row of `(n, d)` has length 1, but for the rounding of who wrote it down."""
    return bool(np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3))


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


def top_k(
    queries: ArrayLike,
    vectors: ArrayLike,
    k: int,
    *,
    threads: int = 1,
    progress: OnProgress | None = None,
) -> tuple[NDArray[np.int64], Floats]:
    """The `k` rows of `vectors` `(n, d)` nearest to each row of `queries` `(q, d)`, best first.

    Returns indices and cosine scores, both `(q, min(k, n))`; of equal scores the lower index comes first.
    While several `threads` search, every product of this process has one.

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
    step = max(1, min(BLOCK_BYTES // max(1, 4 * len(columns)), 2 ** (_KEY_BITS - len(columns).bit_length())))

    def search(start: int) -> None:
        block = rows[start : start + step] @ columns.T  # (b, n)
        np.clip(block, -1.0, 1.0, out=block)
        best = best_columns(block, kept)
        indices[start : start + step] = best
        scores[start : start + step] = np.take_along_axis(block, best, axis=1)

    starts = range(0, len(rows), step)
    with one_thread_each(threads), ThreadPoolExecutor(threads) as pool:
        for start, _ in zip(starts, (pool.map if threads > 1 else map)(search, starts), strict=True):
            if progress:
                progress(min(1.0, (start + step) / len(rows)))
    return indices, scores


def one_thread_each(threads: int) -> AbstractContextManager[Any]:
    """No product takes more than one thread, if several are made at once."""
    if threads == 1:
        return nullcontext()
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


def best_columns(scores: Floats, k: int) -> NDArray[np.int64]:
    """Column indices of the `k` largest of each row of `(b, n)`, ties by lower index: `(b, k)`.

    All rows at once: what reaches a bound below the k-th largest is sorted as whole numbers of
    row, score and column, in this order of weight.
    """
    b, n = scores.shape
    if k == 0 or b == 0:
        return np.empty((b, k), dtype=np.int64)
    rows, columns = np.nonzero(scores >= _bound(scores, k))
    # A float's bits order like a whole number, if those of negative ones are turned round.
    bits = (scores[rows, columns] + np.float32(0.0)).view(np.int32)  # + 0 makes -0 equal to 0
    rising = np.where(bits < 0, bits ^ 0x7FFFFFFF, bits).astype(np.int64)
    falling = (0x7FFFFFFF - rising).astype(np.uint64)
    width = n.bit_length()
    keys = (rows.astype(np.uint64) << np.uint64(32 + width)) | (falling << np.uint64(width))
    keys |= columns.astype(np.uint64)
    keys.sort()
    first = np.searchsorted(rows, np.arange(b))  # rows rise, and are in the same order in the keys
    best: NDArray[np.int64] = (keys[first[:, None] + np.arange(k)] & np.uint64((1 << width) - 1)).astype(
        np.int64
    )
    return best


def _bound(scores: Floats, k: int) -> Floats:
    """At most the k-th largest of each row of `(b, n)`, and near it: `(b, 1)`.

    The k-th largest of the maxima of groups: k groups reach it, so at least k scores do.
    """
    b, n = scores.shape
    size = n // (_GROUPS * k)
    if size > 1:
        groups = n // size
        scores = scores[:, : groups * size].reshape(b, size, groups).max(axis=1)
        n = groups
    return np.partition(scores, n - k, axis=1)[:, n - k : n - k + 1]


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
