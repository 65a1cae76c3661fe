"""A whole map: a layout, the neighbours it was made from, and the clusters in it."""

from __future__ import annotations

from dataclasses import replace

from numpy.typing import ArrayLike

from embedder.analysis.clusters import clusters_of
from embedder.analysis.projection import LayoutOptions, Projection, pca_2d, tsne_2d, umap_2d
from embedder.analysis.similarity import OnProgress


def map_of(vectors: ArrayLike, options: LayoutOptions, progress: OnProgress | None = None) -> Projection:
    """The layout of `(n, d)` that `options` ask for, with its clusters.

    Raises:
        ValueError: it's not two-dimensional, or not finite.
    """
    if options.method == "pca":
        made = pca_2d(vectors)
    elif options.method == "tsne":
        made = tsne_2d(vectors, options, progress=progress)
    else:
        made = umap_2d(vectors, options, progress=progress)
    return replace(made, clusters=clusters_of(made.points))
