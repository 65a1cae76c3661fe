"""Searching the texts on the map: by meaning, by words, by both, by pattern, by example."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedder.analysis.neighbours import KnownNeighbours
from embedder.analysis.ranking import RRF_K, hybrid, matching, ranked
from embedder.analysis.similarity import Floats, blend, cosine_similarity, top_k
from embedder.engine import Engine
from embedder.errors import InvalidInput
from embedder.replica import resolve_prompt
from embedder.types import EmbedOptions
from ui.datasets import Dataset
from ui.listed import from_kept, spoken
from ui.written import embed_beside

_HITS = 1000
"""So many rows are ranked for walking through; scores are given for all."""

SCORES = {
    "semantic": "Cosine of question and text in all {d} dimensions: 1 is the same direction, 0 is unrelated.",
    "like": "Cosine with the mean of the examples in all {d} dimensions, unlike ones taken away from it.",
    "keyword": "BM25: rare words count more, as does a word in a short text; only the order means something.",
    "hybrid": f"Reciprocal rank fusion: the sum of 1 / ({RRF_K} + rank) in meaning and in words.",
    "regex": "1 for a text that holds a match, in the order of the list.",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is searched for."""

    query: str = ""
    mode: str = "semantic"
    like: list[int] | tuple[int, ...] = ()
    unlike: list[int] | tuple[int, ...] = ()
    prompt: str | None = None
    """Put before the question in place of the model's own; "" for none."""

    @property
    def way(self) -> str:
        """One of `SCORES`."""
        return "like" if self.like or self.unlike else self.mode


async def search(engine: Engine, dataset: Dataset, wanted: Wanted) -> dict[str, Any]:
    """Every text's score, the ranked rows with a score above none, and what the score is.

    Raises:
        InvalidInput: nothing to look for, or no regular expression.
    """
    query = wanted.query if wanted.way == "regex" else wanted.query.strip()
    if not query.strip() and wanted.way != "like":
        raise InvalidInput("There is nothing to look for yet. Write a few words.")
    if wanted.way == "regex":
        rows = await asyncio.to_thread(matching, dataset.texts, query)
        scores = np.zeros(len(dataset.texts), dtype=np.float32)
        scores[rows] = 1
        return _answer(dataset, wanted, scores, rows)
    if wanted.way == "keyword":
        scores = await _keyword(dataset, query)
        return _answer(dataset, wanted, scores, ranked(scores, above=0.0))
    vectors = await _meant(engine, dataset, wanted, query)
    prompt = resolve_prompt(dataset.model, "query", EmbedOptions(prompt=wanted.prompt)).text if query else ""
    scores = (await asyncio.to_thread(cosine_similarity, vectors, dataset.vectors))[0]
    if wanted.way == "hybrid":
        scores = hybrid(scores, await _keyword(dataset, query))
        return _answer(dataset, wanted, scores, ranked(scores, above=0.0), prompt)
    return _answer(dataset, wanted, scores, ranked(scores), prompt)


def neighbours(dataset: Dataset, row: int, k: int) -> dict[str, Any]:
    """The `k` texts nearest to text `row`, itself left out."""
    known, kept = dataset.known_neighbours, dataset.workings.known
    said = ""
    if known is not None and k < known.k:
        nearest, scores = known.of(row)
    elif kept is not None and len(kept.of(row)[0]) > k:
        nearest, scores = kept.of(row)
        said = from_kept(kept)
    else:  # the product with one row takes milliseconds: nobody waits for those of all rows
        (nearest,), (scores,) = top_k(dataset.vectors[row : row + 1], dataset.vectors, k + 1)
    others = nearest != row
    return {
        "row": row,
        "rows": nearest[others][:k],
        "scores": scores[others][:k],
        "score": spoken(
            f"Cosine of the two texts in all {dataset.model.dimensions} dimensions.",
            said,
            "" if kept is None or kept.whole else _drawn(kept, row, k),
        ),
    }


def _drawn(kept: KnownNeighbours, row: int, k: int) -> str:
    """How many of a text's nearest in all of its collection are on the map, as the kept lists have it."""
    near = kept.indices[row]
    near = near[near != row][:k]
    about = "" if kept.exact else "about "
    return (
        f"Of the {len(near)} nearest among all {kept.among:,} texts of the collection, "
        f"{about}{int((near >= 0).sum())} are drawn here."
    )


async def _meant(engine: Engine, dataset: Dataset, wanted: Wanted, query: str) -> Floats:
    """One vector `(1, d)` to be near to."""
    asked = np.empty((0, dataset.vectors.shape[1]), dtype=np.float32)
    if query:
        found = await embed_beside(engine, dataset, [query], kind="query", prompt=wanted.prompt)
        asked = found.vectors
    if wanted.way != "like":
        return asked
    plus = np.concatenate([asked, dataset.vectors[list(wanted.like)]])
    return blend(plus, dataset.vectors[list(wanted.unlike)])


async def _keyword(dataset: Dataset, query: str) -> Floats:
    index = await dataset.keyword_index()
    return await asyncio.to_thread(index.scores, query)


def _answer(
    dataset: Dataset, wanted: Wanted, scores: Floats, rows: NDArray[np.int64], prompt: str = ""
) -> dict[str, Any]:
    said = SCORES[wanted.way].format(d=dataset.model.dimensions)
    return {
        "way": wanted.way,
        "rows": rows[:_HITS],
        "total": len(rows),
        "scores": base64.b64encode(scores.astype("<f4").tobytes()).decode(),
        "score": f"{said} The question was read with the prompt “{prompt}”." if prompt else said,
    }
