"""What groups of rows have in common: mean cosines, within each and between any two."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedder.analysis.similarity import Floats, unit_rows


def mean_cosines(vectors: ArrayLike, labels: ArrayLike, groups: int) -> Floats:
    """The mean cosine of two rows, one of each group: `(groups, groups)`; rows labelled below 0 are in none.

    On the diagonal the mean over pairs of different rows of one group, which of a single row is 1.
    Exact, from the groups' sums alone: the mean of products is the product of means.

    Raises:
        ValueError: a vector isn't finite, or a label is `groups` or more.
    """
    rows, whose = unit_rows(vectors), np.asarray(labels)
    if len(whose) and int(whose.max()) >= groups:
        raise ValueError(f"There are {groups} groups; a row says it is of group {int(whose.max())}.")
    sums = np.zeros((groups, rows.shape[1]))
    member = whose >= 0
    np.add.at(sums, whose[member], rows[member])
    sizes = np.bincount(whose[member], minlength=groups).astype(np.float64)
    means = sums / np.maximum(sizes, 1)[:, None]
    found = means @ means.T
    own = np.bincount(whose[member], (rows[member].astype(np.float64) ** 2).sum(axis=1), minlength=groups)
    pairs = sizes * (sizes - 1)
    within = np.ones(groups)
    np.divide((sums**2).sum(axis=1) - own, pairs, out=within, where=pairs > 0)
    np.fill_diagonal(found, within)
    return np.clip(found, -1.0, 1.0).astype(np.float32)


def spread(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most `most` of `rows`, evenly spread from the first to the last."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]
