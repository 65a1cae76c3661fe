"""Neighbours and places after texts came, changed and went: what is known is carried over, the rest found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embedder.analysis.neighbours import Neighbours
from embedder.analysis.placing import BESIDE, placed_beside
from embedder.analysis.similarity import BLOCK_BYTES, Floats, OnProgress, best_columns

Rows = NDArray[np.int64]


def carried(known: Neighbours, number: Rows, n: int) -> tuple[Neighbours, Rows]:
    """Lists for `n` rows from those of rows that have other numbers by now, and the rows to be found anew.

    `number` `(m,)` is the new number of each row that has a list, -1 for one that is gone or changed.
    To be found anew are rows without a list, and those whose list has lost one.
    """
    kept = np.flatnonzero(number >= 0)
    indices = np.full((n, known.k), -1, dtype=np.int64)
    distances = np.full((n, known.k), np.inf, dtype=np.float32)
    indices[number[kept]] = number[known.indices[kept]]
    distances[number[kept]] = known.distances[kept]
    return Neighbours(indices, distances), np.flatnonzero((indices < 0).any(axis=1))


def joined(unit: Floats, known: Neighbours, anew: Rows, *, progress: OnProgress | None = None) -> Neighbours:
    """`known` lists of all unit rows `(n, d)` with those of `anew` found, and `anew` put into the others'.

    Exact where `known` is: each of `anew` is compared with every row. There must be at least k rows.
    """
    n, k = len(unit), known.k
    indices, distances = known.indices.copy(), known.distances.copy()
    new = np.zeros(n, dtype=np.bool_)
    new[anew] = True
    least = np.where(new, np.inf, 1.0 - distances[:, -1]).astype(np.float32)
    heads, tails, found = [], [], []
    step = max(1, BLOCK_BYTES // (4 * max(n, 1)))
    for start in range(0, len(anew), step):
        some = anew[start : start + step]
        scores = unit[some] @ unit.T
        places, rows = np.nonzero(scores > least)
        heads.append(rows)
        tails.append(some[places])
        found.append(1.0 - scores[places, rows])
        scores[np.arange(len(some)), some] = 2.0  # a row is the first of its own list
        best = best_columns(scores, k)
        indices[some] = best
        distances[some] = np.clip(1.0 - np.take_along_axis(scores, best, axis=1), 0.0, 2.0)
        if progress:
            progress(min(1.0, (start + step) / len(anew)))
    if heads:
        _put_in(indices, distances, (np.concatenate(heads), np.concatenate(tails), np.concatenate(found)))
    return Neighbours(indices, distances)


def _put_in(indices: Rows, distances: Floats, pairs: tuple[Rows, Rows, Floats]) -> None:
    """Into the list of each of the rows in `pairs` the second of the pair, at its distance; k are kept."""
    heads, tails, away = pairs
    k = indices.shape[1]
    lists = np.unique(heads)
    rows = np.concatenate([np.repeat(lists, k), heads])
    others = np.concatenate([indices[lists].ravel(), tails])
    far = np.concatenate([distances[lists].ravel(), np.clip(away, 0.0, 2.0)])
    # A row that is listed already, because its own list is made anew, counts once.
    _, first = np.unique(rows * len(indices) + others, return_index=True)
    rows, others, far = rows[first], others[first], far[first]
    # Its own number makes a row the first of its list, whatever copies it has.
    order = np.lexsort((others, np.where(rows == others, -1.0, far), rows))
    starts = np.searchsorted(rows[order], lists)
    taken = order[starts[:, None] + np.arange(k)]
    indices[lists], distances[lists] = others[taken], far[taken]


def carried_places(
    unit: Floats, neighbours: Neighbours, places: Floats, number: Rows
) -> tuple[Floats, NDArray[np.bool_]]:
    """Places of all unit rows `(n, d)` from those of rows with other `number`s by now; and which had one.

    New rows stand beside the nearest that have a place. At least one must.
    """
    n = len(unit)
    kept = np.flatnonzero(number >= 0)
    had = np.zeros(n, dtype=np.bool_)
    had[number[kept]] = True
    known = np.zeros((n, places.shape[1]), dtype=np.float32)
    known[number[kept]] = places[kept]
    new, rows = np.flatnonzero(~had), np.flatnonzero(had)
    if not len(new):
        return known, had
    # Of each list only those count that have a place, the nearest of them first.
    near = neighbours.indices[new]
    order = np.argsort(~had[near], axis=1, kind="stable")[:, :BESIDE]
    near = np.take_along_axis(near, order, axis=1)
    far = np.take_along_axis(neighbours.distances[new], order, axis=1)
    local = np.cumsum(had) - 1
    beside = Neighbours(np.where(had[near], local[near], -1), np.where(had[near], far, np.float32(np.inf)))
    known[new] = placed_beside(unit, new, beside, rows, known[rows])
    return known, had
