"""What vectors say of each other: pure functions, arrays in, arrays out."""

from __future__ import annotations

from embedder.analysis.agreement import aligned, moved_most, neighbour_overlap
from embedder.analysis.axes import along, axis_between
from embedder.analysis.clusters import clusters_of, name_clusters
from embedder.analysis.duplicates import find_alike
from embedder.analysis.maps import map_of
from embedder.analysis.neighbours import Neighbours, nearest_neighbours
from embedder.analysis.order import leaf_order
from embedder.analysis.outliers import most_alone, outlier_scores
from embedder.analysis.projection import LayoutOptions, Projection, pca_2d, pca_layout, umap_layout
from embedder.analysis.ranking import KeywordIndex, fused, matching
from embedder.analysis.similarity import blend, cosine_similarity, top_k, unit_rows

__all__ = [
    "KeywordIndex",
    "LayoutOptions",
    "Neighbours",
    "Projection",
    "aligned",
    "along",
    "axis_between",
    "blend",
    "clusters_of",
    "cosine_similarity",
    "find_alike",
    "fused",
    "leaf_order",
    "map_of",
    "matching",
    "most_alone",
    "moved_most",
    "name_clusters",
    "nearest_neighbours",
    "neighbour_overlap",
    "outlier_scores",
    "pca_2d",
    "pca_layout",
    "top_k",
    "umap_layout",
    "unit_rows",
]
