"""Layouts of very many vectors: a sample is laid out, the others placed beside it, all settle a little."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedder.analysis.cells import Cells, cells_of, nearest_by_cells
from embedder.analysis.neighbours import Neighbours, nearest_neighbours
from embedder.analysis.projection import SMALLEST_UMAP, LayoutOptions, drawn_bar, keep_compiled, umap_layout
from embedder.analysis.similarity import Floats, OnProgress, top_k

SAMPLE = 12_000
"""So many are laid out by UMAP from the beginning, if there are more."""
BESIDE = 8
"""A point is placed by so many of its nearest that are laid out."""
EPOCHS, STEP = 30, 0.5
"""So many rounds of UMAP's own optimisation settle all points, where a layout from nothing takes 200; they
begin with half of its step, for the points stand well already."""
_WIDER = 1.5
"""A sample's layout is stretched before the others are settled in it, by so much times the root of how many
more they are: without, 50,000 points stay too crowded to part (trustworthiness 0.92 instead of 0.95)."""
_LEAST_SIGMA, _MOST_SIGMA, _HALVINGS = 1e-5, 1e4, 20

Rows = NDArray[np.int64]
Told = Callable[[str, float], None]
"""Told of a stage, by its name, what share of it is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How many are laid out, how many rounds all settle, and how many threads search."""

    sample: int = SAMPLE
    epochs: int = EPOCHS
    threads: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class LargeLayout:
    """`points` float32 `(n, 2 or 3)`, of which `laid_out` rows `(m,)` were laid out and the others placed."""

    points: Floats
    laid_out: Rows


def weights_of(distances: Floats) -> Floats:
    """UMAP's weights of neighbours at `distances` `(n, k)`, nearest first, to other points: 0 to 1.

    1 for the nearest; they fall so fast that those of the others sum to log2 k. Infinite distances have 0.
    As `umap.umap_.smooth_knn_dist` has it, without what that compiles; a test compares.
    """
    known = np.isfinite(distances)
    beyond = np.where(known, distances, 0) - np.where(known[:, :1], distances[:, :1], 0)
    target = max(np.log2(distances.shape[1]), 1e-3)
    low, high = np.full(len(distances), _LEAST_SIGMA), np.full(len(distances), _MOST_SIGMA)
    for _ in range(_HALVINGS):  # of a range in which the sum rises: on a scale of logarithms, it is wide
        middle = np.sqrt(low * high)
        above = (np.exp(-beyond / middle[:, None]) * known)[:, 1:].sum(axis=1) > target
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    weights: Floats = (np.exp(-beyond / high[:, None]) * known).astype(np.float32)
    return weights


def place(beside: Neighbours, points: Floats, *, seed: int = 42) -> Floats:
    """Places for rows from those of their neighbours: `(n, 2 or 3)`; NaN for a row with no neighbour.

    `beside.indices` are rows of `points` `(m, 2 or 3)`, -1 for none, and no row is its own neighbour.
    The mean of the neighbours' places by UMAP's weights, and a trace of noise, so that copies of one
    text can part.
    """
    weights = weights_of(beside.distances)[:, :, None]
    total = weights.sum(axis=1)
    places = np.full((len(beside.indices), points.shape[1]), np.nan, dtype=np.float32)
    np.divide((weights * points[beside.indices]).sum(axis=1), total, out=places, where=total > 0)
    width = float(np.ptp(points, axis=0).max(initial=0.0))
    noise = np.random.default_rng(seed).normal(scale=1e-4 * width, size=places.shape)
    return places + noise.astype(np.float32)


def settled(
    points: Floats,
    neighbours: Neighbours,
    options: LayoutOptions,
    *,
    epochs: int = EPOCHS,
    step: float = STEP,
    progress: OnProgress | None = None,
) -> Floats:
    """`points` after `epochs` rounds of UMAP's optimisation over the whole graph of `neighbours`.

    `neighbours` have each row itself first, and -1 where a list ends early. Deterministic.
    """
    if epochs < 1 or len(points) < SMALLEST_UMAP:
        return points
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from umap.layouts import optimize_layout_euclidean
        from umap.umap_ import find_ab_params, fuzzy_simplicial_set, make_epochs_per_sample

    keep_compiled()
    kept = min(options.n_neighbors, neighbours.k)
    near = neighbours.nearest(kept)
    # An edge to nowhere: to itself, which UMAP leaves out.
    itself = np.arange(len(points))[:, None]
    indices = np.where(near.indices < 0, itself, near.indices)
    distances = np.where(near.indices < 0, near.distances[:, :1], near.distances)
    random = np.random.RandomState(options.seed)
    graph, _, _ = fuzzy_simplicial_set(
        points, kept, random, "cosine", knn_indices=indices, knn_dists=distances
    )
    graph = graph.tocoo()
    graph.sum_duplicates()
    graph.data[graph.data < graph.data.max() / epochs] = 0  # what would never be drawn
    graph.eliminate_zeros()
    a, b = find_ab_params(1.0, options.min_dist)
    moved = np.ascontiguousarray(points, dtype=np.float32).copy()
    moved = optimize_layout_euclidean(
        moved,
        moved,
        graph.row,
        graph.col,
        epochs,
        len(moved),
        make_epochs_per_sample(graph.data, epochs),
        a,
        b,
        random.randint(np.iinfo(np.int32).min + 1, np.iinfo(np.int32).max - 1, 3).astype(np.int64),
        initial_alpha=step,
        tqdm_kwds=drawn_bar(progress),
        move_other=True,
    )
    made: Floats = np.asarray(moved, dtype=np.float32)
    made -= made.mean(axis=0)
    return made


def large_layout(
    unit: Floats,
    options: LayoutOptions,
    neighbours: Neighbours,
    *,
    cells: Cells | None = None,
    effort: Effort = Effort(),  # frozen
    told: Told | None = None,
) -> LargeLayout:
    """UMAP of unit rows `(n, d)` in a fraction of its time, from the `neighbours` of all rows.

    Raises:
        ValueError: it's not finite.
    """
    say = told or (lambda stage, share: None)
    n = len(unit)
    if n <= effort.sample:
        points = umap_layout(
            unit, options, neighbours=neighbours, progress=lambda share: say("Layout", share)
        ).points
        return LargeLayout(points, np.arange(n))
    rows = np.sort(np.random.default_rng(options.seed).choice(n, effort.sample, replace=False))
    sample = unit[rows]
    near = nearest_neighbours(
        sample, options.n_neighbors, threads=effort.threads, progress=lambda share: say("Sample", share)
    )
    laid = umap_layout(
        sample, options, neighbours=near, progress=lambda share: say("Layout of the sample", share)
    )
    known = cells or cells_of(unit, threads=effort.threads)
    beside = nearest_by_cells(
        unit,
        BESIDE,
        cells=known,
        among=rows,
        threads=effort.threads,
        progress=lambda share: say("Placing", share),
    )
    number = np.full(n + 1, -1, dtype=np.int64)  # the last one for what has no neighbour: -1
    number[rows] = np.arange(len(rows))
    others = np.setdiff1d(np.arange(n), rows)
    near = Neighbours(number[beside.indices[others]], beside.distances[others])
    points = np.empty((n, laid.points.shape[1]), dtype=np.float32)
    points[rows], points[others] = laid.points, placed_beside(unit, others, near, rows, laid.points)
    points *= _WIDER * np.sqrt(n / len(rows))
    points = settled(
        points, neighbours, options, epochs=effort.epochs, progress=lambda share: say("Settling", share)
    )
    return LargeLayout(points, rows)


def placed_beside(unit: Floats, asked: Rows, beside: Neighbours, known: Rows, points: Floats) -> Floats:
    """Places for the rows `asked` of unit vectors `(n, d)` from `known` rows `(m,)`, which are at `points`.

    `beside` are their nearest by place in `known`, -1 for none; a row that has none is compared with all.
    """
    places = place(beside, points)
    lost = np.flatnonzero(np.isnan(places).any(axis=1))
    if len(lost):
        best, scores = top_k(unit[asked[lost]], unit[known], BESIDE)
        places[lost] = place(Neighbours(best, (1 - scores).astype(np.float32)), points)
    return places
