"""Layouts of vectors in two or three dimensions: PCA at once, UMAP or t-SNE where there is time for it.

All are deterministic: equal vectors in equal order give equal layouts. Distances in a layout
are only a hint; scores are always taken in the original space.
"""

from __future__ import annotations

import re
import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedder.analysis.neighbours import Neighbours, nearest_neighbours
from embedder.analysis.similarity import Floats, OnProgress, as_vectors, unit_rows

SEED = 42
N_NEIGHBOURS = 15
EXACT_NEIGHBOURS_LIMIT = 100_000
"""Up to so many vectors neighbours are exact, by one product; beyond, UMAP searches them itself."""
_TSNE_ITERATIONS = 500
_FFT_FROM = 10_000
MOST_TSNE_IN_SPACE = 10_000
"""Interpolation, which more vectors need, is for a plane. 3,000 take half a minute in space, by a tree."""
_FEWER_EPOCHS, _FEWER_FROM, _FEWER_TO = 300, 4000, 10_000
"""umap-learn takes 500 epochs up to 10,000 vectors and 200 above. Of 5,000 texts 300 leave a trustworthiness
of 0.90, as 350 and 500 do (umap-learn as it comes: 0.905 to 0.907), in three fifths of the time."""
SMALLEST_UMAP = 5
"""Fewer vectors have no neighbourhoods to keep: their layout is PCA's."""


Method = Literal["umap", "tsne", "pca", "axes", "file"]
"""How points came to be; "axes" and "file" are places that are given, which nothing here lays out."""


@dataclass(frozen=True, slots=True)
class LayoutOptions:
    """How to lay out: `n_neighbors` and `min_dist` are UMAP's, `perplexity` is t-SNE's.

    `dimensions` is 2 or 3; t-SNE has 3 for up to `MOST_TSNE_IN_SPACE` vectors.
    """

    method: Method = "umap"
    n_neighbors: int = N_NEIGHBOURS
    min_dist: float = 0.1
    perplexity: float = 30.0
    seed: int = SEED
    dimensions: int = 2


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """`points` float32 `(n, 2)` or `(n, 3)`.

    `explained_share` is the share of variance PCA's axes hold, else None. `clusters` int32 `(n,)` are
    the groups in the layout, where they are known.
    """

    points: NDArray[np.float32]
    method: Method
    explained_share: float | None = None
    clusters: NDArray[np.int32] | None = None


def part_of(layout: Projection, rows: NDArray[np.int64]) -> Projection:
    """The places of some `rows` as they are; clusters that lost all their points are counted no more."""
    clusters = layout.clusters
    if clusters is not None:
        left, places = np.unique(clusters[rows], return_inverse=True)
        numbers = np.cumsum(left >= 0) - 1  # what is in no cluster has a number below 0, and keeps it
        clusters = np.where(left >= 0, numbers, left)[places].astype(np.int32)
    return Projection(layout.points[rows], layout.method, layout.explained_share, clusters)


def pca_layout(vectors: ArrayLike, dimensions: int = 2) -> Projection:
    """The `dimensions` directions of largest variance of `(n, d)`, largest first.

    A missing direction (one vector, all equal, one dimension) is zeros. Signs are fixed by
    scikit-learn's convention: the largest loading of each axis is positive.

    Raises:
        ValueError: it's not two-dimensional, or not finite.
    """
    rows = as_vectors(vectors)
    n, d = rows.shape
    points = np.zeros((n, dimensions), dtype=np.float32)
    axes = min(dimensions, n, d)
    # float64: with equal rows float32 leaves a spread of rounding that would fill the picture.
    centred = rows.astype(np.float64) - (rows.mean(axis=0, dtype=np.float64) if n else 0.0)
    if axes == 0 or not _has_spread(centred, rows):
        return Projection(points, "pca", None)
    from sklearn.decomposition import PCA

    pca = PCA(n_components=axes, svd_solver="covariance_eigh" if n > d else "full")
    points[:, :axes] = pca.fit_transform(centred)
    return Projection(points, "pca", float(np.clip(pca.explained_variance_ratio_.sum(), 0.0, 1.0)))


def pca_2d(vectors: ArrayLike) -> Projection:
    """`pca_layout` in the plane."""
    return pca_layout(vectors, 2)


def umap_layout(
    vectors: ArrayLike,
    options: LayoutOptions = LayoutOptions(),  # frozen
    *,
    neighbours: Neighbours | None = None,
    progress: OnProgress | None = None,
) -> Projection:
    """UMAP (McInnes, Healy, Melville 2018) of `(n, d)` by cosine distance, with a fixed seed.

    Fewer than `SMALLEST_UMAP` vectors, or vectors all in one direction, get PCA's layout.
    `n_neighbors` is cut to n - 1. `neighbours` are taken where they are enough, else found.
    Compiles for seconds on first use: run it in a process of its own.

    Raises:
        ValueError: it's not two-dimensional, or not finite.
    """
    rows = unit_rows(vectors)
    n = len(rows)
    flat = pca_layout(rows, options.dimensions)
    if n < SMALLEST_UMAP or not flat.points.any():
        return flat
    kept = max(2, min(options.n_neighbors, n - 1))
    if n <= EXACT_NEIGHBOURS_LIMIT:
        neighbours = _enough(neighbours, vectors, kept)
    with warnings.catch_warnings():
        # Said on import and on fitting: no Tensorflow; and that without a search index later
        # points cannot be added, which nothing here asks for.
        warnings.simplefilter("ignore")
        from umap import UMAP

        keep_compiled()
        reducer = UMAP(
            n_components=options.dimensions,
            n_neighbors=kept,
            n_epochs=_FEWER_EPOCHS if _FEWER_FROM <= n <= _FEWER_TO else None,
            min_dist=options.min_dist,
            metric="cosine",
            init=_scaled(flat.points),
            precomputed_knn=_knn(neighbours, kept),
            random_state=options.seed,
            n_jobs=1,
            tqdm_kwds=drawn_bar(progress),
        )
        points = np.asarray(reducer.fit_transform(rows), dtype=np.float32)
    # A vertex cut off from the graph comes back as NaN: it keeps its first place.
    lost = ~np.isfinite(points).all(axis=1)
    points[lost] = _scaled(flat.points)[lost]
    return Projection(points - points.mean(axis=0), "umap")


def tsne_layout(
    vectors: ArrayLike,
    options: LayoutOptions = LayoutOptions(method="tsne"),  # frozen
    *,
    neighbours: Neighbours | None = None,
    progress: OnProgress | None = None,
) -> Projection:
    """t-SNE (van der Maaten, Hinton 2008; FIt-SNE where n is large) of `(n, d)` by cosine distance.

    Fewer than `SMALLEST_UMAP` vectors, or vectors all in one direction, get PCA's layout.
    `perplexity` is cut to (n - 1) / 3. `neighbours` are taken where they are enough, else found.

    Raises:
        ValueError: it's not two-dimensional, not finite, or too many vectors for three dimensions.
    """
    rows = unit_rows(vectors)
    n = len(rows)
    if options.dimensions == 3 and n > MOST_TSNE_IN_SPACE:
        raise ValueError(f"t-SNE has three dimensions for up to {MOST_TSNE_IN_SPACE:,} vectors.")
    flat = pca_layout(rows, options.dimensions)
    if n < SMALLEST_UMAP or not flat.points.any():
        return flat
    from openTSNE import TSNE, affinity
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    perplexity = max(1.0, min(options.perplexity, (n - 1) / 3))
    kept = min(n - 1, int(3 * perplexity)) + 1
    near = _enough(neighbours, vectors, kept).nearest(kept)
    affinities = affinity.PerplexityBasedNN(
        perplexity=perplexity,
        knn_index=PrecomputedNeighbors(near.indices[:, 1:], near.distances[:, 1:]),
    )
    told = progress or (lambda share: None)
    start = flat.points / max(float(flat.points[:, 0].std()), 1e-12) * 1e-4
    model = TSNE(
        n_components=options.dimensions,
        initialization=start,
        random_state=options.seed,
        negative_gradient_method="bh" if n < _FFT_FROM or options.dimensions == 3 else "fft",
        callbacks=lambda iteration, *_: told(iteration / _TSNE_ITERATIONS),
        callbacks_every_iters=25,
    )
    points = np.asarray(model.fit(affinities=affinities), dtype=np.float32)
    return Projection(points - points.mean(axis=0), "tsne")


def _enough(known: Neighbours | None, vectors: ArrayLike, kept: int) -> Neighbours:
    """`known`, if it has `kept` of each row, else those found now: the same to the last digit."""
    rows = as_vectors(vectors)
    if known is not None and len(known.indices) == len(rows) and known.k >= min(kept, len(rows)):
        return known
    return nearest_neighbours(rows, kept)


def drawn_bar(progress: OnProgress | None) -> dict[str, Any]:
    """What tqdm is told, so that the share its bar shows is told on."""
    return {"disable": progress is None, "file": _Bar(progress), "mininterval": 0.2}


class _Bar:
    """Where tqdm writes its bar: the share it has drawn is told on."""

    def __init__(self, progress: OnProgress | None) -> None:
        self._progress = progress

    def write(self, drawn: str) -> None:
        """One redrawing of the bar."""
        share = re.search(r"(\d+)%", drawn)
        if share and self._progress:
            self._progress(int(share[1]) / 100)

    def flush(self) -> None:
        """Nothing is kept back."""


@cache
def keep_compiled() -> None:
    """Have numba keep, where it keeps other things, what umap-learn otherwise compiles in each process."""
    from umap import layouts, umap_

    for module, name in (
        (umap_, "smooth_knn_dist"),
        (umap_, "compute_membership_strengths"),
        (layouts, "_nb_optimize_layout_euclidean_single_epoch"),
    ):
        # Where no folder can be written to, or another version has no such function, it compiles as before.
        with suppress(RuntimeError, AttributeError):
            getattr(module, name).enable_caching()


def _knn(neighbours: Neighbours | None, kept: int) -> tuple[Any, Any, Any]:
    """As UMAP takes them: indices, distances, no search index. It writes into them, so they are copies."""
    if neighbours is None:
        return None, None, None
    near = neighbours.nearest(kept)
    return near.indices.copy(), near.distances.copy(), None


def _has_spread(centred: NDArray[np.float64], rows: Floats) -> bool:
    """Whether rows differ by more than the rounding of float32."""
    return bool(np.abs(centred).max() > 1e-6 * max(float(np.abs(rows).max()), 1e-30))


def _scaled(points: Floats) -> Floats:
    """`points` with the longest side 20 wide, and a trace of fixed noise so that none coincide."""
    noise = np.random.default_rng(SEED).normal(scale=1e-4, size=points.shape)
    scaled: Floats = (points * (10.0 / np.abs(points).max()) + noise).astype(np.float32)
    return scaled
