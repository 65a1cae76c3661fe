"""Rows that stand alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedder.analysis.neighbours import Neighbours


def outlier_scores(neighbours: Neighbours, k: int = 10) -> NDArray[np.float32]:
    """Of each row its cosine distance to its `k`-th nearest other row: `(n,)`, higher is more alone.

    `k` is cut to what there is; of a single row the score is 0. Source: Ramaswamy, Rastogi and
    Shim 2000.

    Raises:
        ValueError: `k` is less than 1.
    """
    if k < 1:
        raise ValueError(f"k is 1 or more, not {k}.")
    if neighbours.k == 0:
        return np.empty(0, dtype=np.float32)
    return neighbours.distances[:, min(k, neighbours.k - 1)]


def most_alone(scores: NDArray[np.float32], most: int) -> NDArray[Any]:
    """Rows by score, highest first, at most `most`; of equal scores the lower row comes first."""
    return np.argsort(-scores, kind="stable")[:most]
