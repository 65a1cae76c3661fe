"""A whole map: a layout, and the clusters in it."""

from __future__ import annotations

from dataclasses import replace

from numpy.typing import ArrayLike

from embedder.analysis.clusters import clusters_of
from embedder.analysis.neighbours import Neighbours
from embedder.analysis.projection import LayoutOptions, Projection, pca_layout, tsne_layout, umap_layout
from embedder.analysis.similarity import OnProgress


def map_of(
    vectors: ArrayLike,
    options: LayoutOptions,
    progress: OnProgress | None = None,
    neighbours: Neighbours | None = None,
) -> Projection:
    """The layout of `(n, d)` that `options` ask for, with its clusters, from `neighbours` if they are known.

    Raises:
        ValueError: it's not two-dimensional, not finite, or t-SNE in three dimensions.
    """
    if options.method == "pca":
        made = pca_layout(vectors, options.dimensions)
    elif options.method == "tsne":
        made = tsne_layout(vectors, options, neighbours=neighbours, progress=progress)
    else:
        made = umap_layout(vectors, options, neighbours=neighbours, progress=progress)
    return replace(made, clusters=clusters_of(made.points))
