"""What vectors say of each other: pure functions, arrays in, arrays out."""

from __future__ import annotations

from embedder.analysis.neighbours import Neighbours, nearest_neighbours
from embedder.analysis.order import leaf_order
from embedder.analysis.projection import Projection, pca_2d, pca_layout, umap_layout
from embedder.analysis.similarity import cosine_similarity, top_k, unit_rows

__all__ = [
    "Neighbours",
    "Projection",
    "cosine_similarity",
    "leaf_order",
    "nearest_neighbours",
    "pca_2d",
    "pca_layout",
    "top_k",
    "umap_layout",
    "unit_rows",
]
