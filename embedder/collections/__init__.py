"""Collections: texts that last, with their columns and vectors, searched by meaning and by words."""

from __future__ import annotations

from embedder.collections.catalogue import Collections
from embedder.collections.changing import Change
from embedder.collections.collection import Collection
from embedder.collections.filters import Filter, parse_filter
from embedder.collections.opening import open_collections
from embedder.collections.search import Answer, Hit, Question
from embedder.collections.texts import About, Added, NewText

__all__ = [
    "About",
    "Added",
    "Answer",
    "Change",
    "Collection",
    "Collections",
    "Filter",
    "Hit",
    "NewText",
    "Question",
    "open_collections",
    "parse_filter",
]
