"""What vectors say of each other: pure functions, arrays in, arrays out."""

from __future__ import annotations

from embedder.analysis.agreement import aligned, moved_most, neighbour_overlap
from embedder.analysis.clusters import clusters_of, name_clusters
from embedder.analysis.maps import map_of
from embedder.analysis.neighbours import Neighbours, nearest_neighbours
from embedder.analysis.order import leaf_order
from embedder.analysis.projection import LayoutOptions, Projection, pca_2d, pca_layout, umap_layout
from embedder.analysis.similarity import cosine_similarity, top_k, unit_rows

__all__ = [
    "LayoutOptions",
    "Neighbours",
    "Projection",
    "aligned",
    "clusters_of",
    "cosine_similarity",
    "leaf_order",
    "map_of",
    "moved_most",
    "name_clusters",
    "nearest_neighbours",
    "neighbour_overlap",
    "pca_2d",
    "pca_layout",
    "top_k",
    "umap_layout",
    "unit_rows",
]
