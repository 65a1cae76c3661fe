"""Near neighbours of very many rows, by cells: each row is compared with those of the cells around its own.

The coarse half of an inverted file (Sivic, Zisserman 2003; Jégou, Douze, Schmid 2011), where all rows ask at
once: those of one cell share its nearest cells, so that a cell is one matrix product and nothing is merged.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedder.analysis.neighbours import Neighbours
from embedder.analysis.similarity import BLOCK_BYTES, Floats, OnProgress, best_columns

SEED = 42
PROBED_CELLS = 32
"""A row is compared with as many rows as so many cells of average size hold."""
_TRAINED_ROWS, _ROUNDS = 32, 5
"""k-means sees so many rows a cell, so many times: more moves the recall by less than a hundredth."""
_LARGEST = 4
"""A cell of more than so many times the average is cut: copies of one row could be all in one."""
_BEFORE_ALL = np.float32(2)
"""Above any cosine: a row is the first of its own list."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Rows by cell: those of cell c are `order[starts[c] : starts[c + 1]]`; `centres` float32 `(cells, d)`."""

    centres: Floats
    order: Rows
    starts: Rows

    @property
    def sizes(self) -> Rows:
        """How many rows each has."""
        return np.diff(self.starts)

    def around(self, wanted: int) -> Iterator[Rows]:
        """For each cell the cells nearest to it, nearest first, until they hold `wanted` rows; itself first."""
        sizes = self.sizes
        for start in range(0, len(self.centres), 256):
            likeness = self.centres[start : start + 256] @ self.centres.T
            own = np.arange(len(likeness))
            likeness[own, start + own] = np.inf
            for nearest in np.argsort(-likeness, axis=1, kind="stable"):
                enough = int(np.searchsorted(np.cumsum(sizes[nearest]), wanted)) + 1
                yield nearest[:enough]


def cells_of(unit: Floats, *, count: int | None = None, seed: int = SEED) -> Cells:
    """Spherical k-means (Dhillon, Modha 2001) of unit rows `(n, d)`, by default 2 √n cells.

    The centres are found on a sample. Equal rows in equal order give equal cells.
    """
    n = len(unit)
    count = max(1, min(n, count or 2 ** round(np.log2(2 * max(n, 1) ** 0.5))))
    random = np.random.default_rng(seed)
    seen = np.sort(random.choice(n, min(n, _TRAINED_ROWS * count), replace=False))
    trained = unit[seen]
    centres = trained[random.choice(len(trained), count, replace=False)]
    for _ in range(_ROUNDS):
        whose = _nearest(trained, centres)
        sizes = np.bincount(whose, minlength=count)
        order = np.argsort(whose, kind="stable")
        filled = np.flatnonzero(sizes)
        centres = centres.copy()
        centres[filled] = np.add.reduceat(trained[order], (np.cumsum(sizes) - sizes)[filled], axis=0)
        centres[filled] /= np.maximum(np.linalg.norm(centres[filled], axis=1, keepdims=True), 1e-12)
    return _cut(_nearest(unit, centres), centres, random)


def nearest_by_cells(
    unit: Floats,
    k: int,
    *,
    cells: Cells | None = None,
    among: Rows | None = None,
    threads: int = 1,
    progress: OnProgress | None = None,
) -> Neighbours:
    """About the `k` nearest rows of each unit row of `(n, d)`, itself first; each at its exact distance.

    `among` are the only rows to be found, in place of all; a row that is not one of them is then not in
    its own list. Where fewer than `k` are near enough to be looked at, the list ends with index -1 at
    distance infinity. `threads` search at once; while they do, every product of this process has one.

    Raises:
        ValueError: `k` is less than 1.
    """
    if k < 1:
        raise ValueError(f"k is 1 or more, not {k}.")
    search = _Search(unit, k, cells or cells_of(unit), among)
    done, lock = 0, threading.Lock()

    def one(cell: int, around: Rows) -> None:
        nonlocal done
        search.cell(cell, around)
        with lock:
            done += int(search.cells.sizes[cell])
            if progress:
                progress(done / len(unit))

    with _one_thread_each(threads), ThreadPoolExecutor(threads) as pool:
        for running in [pool.submit(one, *asked) for asked in enumerate(search.cells.around(search.wanted))]:
            running.result()
    return Neighbours(search.indices, search.distances)


def _one_thread_each(threads: int) -> AbstractContextManager[Any]:
    """No product takes more than one thread, if several are made at once."""
    if threads == 1:
        return nullcontext()
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


class _Search:
    """All rows' lists in the making."""

    def __init__(self, unit: Floats, k: int, cells: Cells, among: Rows | None) -> None:
        n = len(unit)
        self.unit, self.cells, self.k = unit, cells, min(k, n if among is None else len(among))
        self.wanted = max(4 * self.k, PROBED_CELLS * n // max(1, len(cells.centres)))
        self.indices = np.full((n, self.k), -1, dtype=np.int64)
        self.distances = np.full((n, self.k), np.inf, dtype=np.float32)
        found = np.ones(n, dtype=np.bool_)
        if among is not None:
            found[:] = False
            found[among] = True
        # Where each cell's rows that may be found stand; the rows themselves are copied once, cell by cell.
        kept = found[cells.order]
        self.found_rows = cells.order[kept]
        self.found_starts = np.concatenate([[0], np.cumsum(kept)])[cells.starts]
        self.found_vectors = unit[self.found_rows]

    def cell(self, cell: int, around: Rows) -> None:
        """Fill the lists of one cell's rows."""
        spans = [(int(self.found_starts[one]), int(self.found_starts[one + 1])) for one in around]
        rows = self.cells.order[self.cells.starts[cell] : self.cells.starts[cell + 1]]
        columns = np.concatenate([self.found_rows[start:stop] for start, stop in spans])
        vectors = np.concatenate([self.found_vectors[start:stop] for start, stop in spans])
        kept = min(self.k, len(columns))
        if not len(rows) or not kept:
            return
        step = max(1, BLOCK_BYTES // (4 * len(columns)))
        # Its own cell comes first among those around it: where a row stands there, it finds itself.
        own = {int(row): place for place, row in enumerate(columns[: spans[0][1] - spans[0][0]])}
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            scores = self.unit[some] @ vectors.T
            itself = [(place, own[int(row)]) for place, row in enumerate(some) if int(row) in own]
            for place, column in itself:
                scores[place, column] = _BEFORE_ALL
            best = best_columns(scores, kept)
            self.indices[some, :kept] = columns[best]
            self.distances[some, :kept] = np.clip(1.0 - np.take_along_axis(scores, best, axis=1), 0.0, 2.0)


def _nearest(rows: Floats, centres: Floats) -> Rows:
    """Of each row the nearest centre."""
    step = max(1, BLOCK_BYTES // (4 * len(centres)))
    parts = [
        (rows[start : start + step] @ centres.T).argmax(axis=1) for start in range(0, len(rows), step)
    ]
    return np.concatenate([np.empty(0, dtype=np.int64), *parts])


def _cut(whose: Rows, centres: Floats, random: np.random.Generator) -> Cells:
    """Cells of what `whose` says, those that are too large cut into several with the same centre."""
    most = max(1, _LARGEST * len(whose) // len(centres))
    shuffled = random.permutation(len(whose))
    order = shuffled[np.argsort(whose[shuffled], kind="stable")]
    sizes = np.bincount(whose, minlength=len(centres))
    pieces = -(-sizes // most)  # none where a cell is empty
    cut = np.repeat(np.arange(len(centres)), pieces)
    first = np.repeat(np.cumsum(pieces) - pieces, pieces)
    begin = np.repeat(np.cumsum(sizes) - sizes, pieces) + (np.arange(len(cut)) - first) * most
    return Cells(centres[cut], order, np.append(begin, len(whose)).astype(np.int64))
