"""Two-dimensional layouts of vectors: PCA at once, UMAP where there is time for it.

Both are deterministic: equal vectors in equal order give equal layouts. Distances in a layout
are only a hint; scores are always taken in the original space.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedder.analysis.neighbours import nearest_neighbours
from embedder.analysis.similarity import Floats, as_vectors, unit_rows

SEED = 42
N_NEIGHBOURS = 15
EXACT_NEIGHBOURS_LIMIT = 20_000
"""Up to so many vectors neighbours are exact, by one product; beyond, UMAP searches them itself."""
SMALLEST_UMAP = 5
"""Fewer vectors have no neighbourhoods to keep: their layout is PCA's."""


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """`points` float32 `(n, 2)`; `explained_share` is the share of variance PCA's axes hold, else None."""

    points: NDArray[np.float32]
    method: Literal["pca", "umap"]
    explained_share: float | None = None


def pca_2d(vectors: ArrayLike) -> Projection:
    """The two directions of largest variance of `(n, d)`.

    A missing direction (one vector, all equal, one dimension) is zeros. Signs are fixed by
    scikit-learn's convention: the largest loading of each axis is positive.

    Raises:
        ValueError: it's not two-dimensional, or not finite.
    """
    rows = as_vectors(vectors)
    n, d = rows.shape
    points = np.zeros((n, 2), dtype=np.float32)
    axes = min(2, n, d)
    # float64: with equal rows float32 leaves a spread of rounding that would fill the picture.
    centred = rows.astype(np.float64) - (rows.mean(axis=0, dtype=np.float64) if n else 0.0)
    if axes == 0 or not _has_spread(centred, rows):
        return Projection(points, "pca", None)
    from sklearn.decomposition import PCA

    pca = PCA(n_components=axes, svd_solver="covariance_eigh" if n > d else "full")
    points[:, :axes] = pca.fit_transform(centred)
    return Projection(points, "pca", float(np.clip(pca.explained_variance_ratio_.sum(), 0.0, 1.0)))


def umap_2d(vectors: ArrayLike, *, n_neighbors: int = N_NEIGHBOURS, min_dist: float = 0.1) -> Projection:
    """UMAP (McInnes, Healy, Melville 2018) of `(n, d)` by cosine distance, with a fixed seed.

    Fewer than `SMALLEST_UMAP` vectors, or vectors all in one direction, get PCA's layout.
    `n_neighbors` is cut to n - 1. Compiles for seconds on first use: run it in a process of its own.

    Raises:
        ValueError: it's not two-dimensional, or not finite.
    """
    rows = unit_rows(vectors)
    n = len(rows)
    flat = pca_2d(rows)
    if n < SMALLEST_UMAP or not flat.points.any():
        return flat
    kept = max(2, min(n_neighbors, n - 1))
    known = (None, None, None)
    if n <= EXACT_NEIGHBOURS_LIMIT:
        neighbours = nearest_neighbours(rows, kept)
        known = (neighbours.indices, neighbours.distances, None)  # type: ignore[assignment]
    with warnings.catch_warnings():
        # Said on import and on fitting: no Tensorflow; and that without a search index later
        # points cannot be added, which nothing here asks for.
        warnings.simplefilter("ignore")
        from umap import UMAP

        reducer = UMAP(
            n_components=2,
            n_neighbors=kept,
            min_dist=min_dist,
            metric="cosine",
            init=_scaled(flat.points),
            precomputed_knn=known,
            random_state=SEED,
            n_jobs=1,
        )
        points = np.asarray(reducer.fit_transform(rows), dtype=np.float32)
    # A vertex cut off from the graph comes back as NaN: it keeps its first place.
    lost = ~np.isfinite(points).all(axis=1)
    points[lost] = _scaled(flat.points)[lost]
    return Projection(points - points.mean(axis=0), "umap")


def _has_spread(centred: NDArray[np.float64], rows: Floats) -> bool:
    """Whether rows differ by more than the rounding of float32."""
    return bool(np.abs(centred).max() > 1e-6 * max(float(np.abs(rows).max()), 1e-30))


def _scaled(points: Floats) -> Floats:
    """`points` with the longest side 20 wide, and a trace of fixed noise so that none coincide."""
    noise = np.random.default_rng(SEED).normal(scale=1e-4, size=points.shape)
    scaled: Floats = (points * (10.0 / np.abs(points).max()) + noise).astype(np.float32)
    return scaled
