"""Pieces of LanceDB queries that several calls share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from embedder.collections.filters import Filter
from embedder.collections.lance.arrow import ROW_COLUMNS, each_row
from embedder.collections.lance.manifest import Manifest
from embedder.collections.lance.sql import sql_of
from embedder.collections.rows import Found

_IDS_A_QUERY = 500


def columns(vectors: bool) -> list[str]:
    """What is read of a row."""
    return [*ROW_COLUMNS, "vector"] if vectors else ROW_COLUMNS


def condition(wanted: Filter | None, manifest: Manifest) -> str | None:
    """A filter as SQL over the slots that there are."""
    return None if wanted is None else sql_of(wanted, manifest.slot_of)


def scored(query: Any, score: str, where: str | None, vectors: bool) -> list[Found]:
    """What a search finds, with its score."""
    if where is not None:
        query = query.where(where, prefilter=True)
    found = query.select([*columns(vectors), score]).to_arrow()
    return [
        Found(row, score_of(score, number))
        for row, number in zip(each_row(found, vectors=vectors), found.column(score).to_pylist(), strict=True)
    ]


def score_of(score: str, number: float) -> float:
    """BM25 as it is, or the cosine that Lance's distance is one less."""
    return number if score != "_distance" else max(-1.0, min(1.0, 1.0 - number))


def parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Some hundreds at a time, as one condition takes them."""
    return (ids[start : start + _IDS_A_QUERY] for start in range(0, len(ids), _IDS_A_QUERY))
