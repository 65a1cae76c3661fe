"""Searching a collection: by meaning, by words, by both; every hit says what its score is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Literal

from embedder.collections.examples import LIKE, blended, check_examples
from embedder.collections.filters import Filter
from embedder.collections.rows import Row
from embedder.collections.store import Ranked, Table
from embedder.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embedder.collections.collection import Collection

Mode = Literal["semantic", "keyword", "hybrid"]

MAX_TOP_K = 1000
_FUSED = 50
"""How far down each ranking goes that hybrid search joins, at least; further down finds no better (0036)."""
_CANDIDATES = 4
"""Of so many times the wanted hits the diverse ones are chosen, and rankings joined."""

SCORES: Mapping[str, str] = {
    "semantic": "Cosine of question and text in all dimensions: 1 is the same direction, 0 is unrelated.",
    "keyword": "BM25: rare words count more, as does a word in a short text; only the order means something.",
    "hybrid": "Reciprocal rank fusion: weight / (60 + rank) in meaning and in words, as a share of the most "
    "there can be; 1 is first in both.",
}

RERANKED = "What a cross-encoder makes of question and text read together; only the order means something."


@dataclass(frozen=True, slots=True)
class Question:
    """What is searched for: words, a `vector` `(d,)` in their place, or what is like examples.

    `like` and `unlike` are ids of texts of the collection, which are no hits themselves; with words, the hits
    are like these too.
    `min_score` is of the mode's own score. `weights` are those of meaning and of words in hybrid
    search. `diversity` 0 to 1 trades nearness for difference (maximal marginal relevance). With `rerank`
    the engine's cross-encoder orders the best ones anew.
    """

    query: str = ""
    vector: NDArray[np.float32] | None = None
    mode: Mode = "semantic"
    top_k: int = 10
    wanted: Filter | None = None
    min_score: float | None = None
    weights: tuple[float, float] = (1.0, 1.0)
    diversity: float = 0.0
    rerank: bool = False
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()

    @property
    def examples(self) -> set[str]:
        """Ids of texts that are no hits, for they are what is asked."""
        return {*self.like, *self.unlike}


@dataclass(frozen=True, slots=True)
class Hit:
    """A row with its score and the parts of it.

    `cosine`, `bm25`, `meaning_rank`, `words_rank`; after reranking `reranker`, and the score `before`.
    """

    row: Row
    score: float
    parts: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits, best first, or as `diversity` chose them; `score` says what their scores are."""

    hits: list[Hit]
    score: str


@dataclass(frozen=True, slots=True)
class _Scored:
    """A hit whose row is yet to be read."""

    ranked: Ranked
    score: float
    parts: Mapping[str, float]


async def search(collection: Collection, question: Question) -> Answer:
    """The best hits of `question` in `collection`.

    Raises:
        InvalidInput: nothing to look for, a number out of its range, or an example that is not there.
        ModelMismatch
    """
    _check(question)
    if question.examples:
        question = replace(question, vector=await blended(collection, question))
    for _ in range(2):  # once more if all rows were exchanged between ranking and reading
        meant, worded = await asyncio.gather(
            _by_meaning(collection, question), _by_words(collection, question)
        )
        hits, lost = await asyncio.to_thread(best_hits, collection.table, question, meant, worded)
        if hits or not lost:
            break
    if not question.rerank:
        return Answer(hits, _told(question))
    return Answer(await _reranked(collection, question, hits), RERANKED)


def _told(question: Question) -> str:
    """What the scores of the hits are."""
    by_example = question.mode == "semantic" and question.examples
    return LIKE if by_example else SCORES[question.mode]


async def _reranked(collection: Collection, question: Question, hits: list[Hit]) -> list[Hit]:
    """The best of `hits` as the cross-encoder has them; `before` is the score they were found by."""
    if not hits:
        return []
    scores = await collection.rerank(question.query, [hit.row.text for hit in hits])
    order = sorted(range(len(hits)), key=lambda place: -scores[place])[: question.top_k]
    return [
        Hit(
            hits[place].row,
            scores[place],
            {**hits[place].parts, "before": hits[place].score, "reranker": scores[place]},
        )
        for place in order
    ]


def _check(question: Question) -> None:
    if question.mode not in SCORES:
        raise InvalidInput(f"'mode' must be one of {', '.join(SCORES)}.", param="mode")
    if not 1 <= question.top_k <= MAX_TOP_K:
        raise InvalidInput(f"'top_k' must be 1 to {MAX_TOP_K:,}.", param="top_k")
    if not 0 <= question.diversity <= 1:
        raise InvalidInput("'diversity' must be 0 to 1.", param="diversity")
    if not (min(question.weights) >= 0 and 0 < sum(question.weights) < float("inf")):
        raise InvalidInput("'weights' must be two numbers of 0 or more, not both 0.", param="weights")
    if question.examples:
        check_examples(question)
    meant = question.vector is not None or question.examples
    words_needed = question.mode != "semantic" or not meant or question.rerank
    if words_needed and not question.query.strip():
        raise InvalidInput("There is nothing to look for: 'query' is empty.", param="query")


async def _by_meaning(collection: Collection, question: Question) -> list[Ranked]:
    import numpy as np

    if question.mode == "keyword":
        return []
    vector = question.vector
    if vector is None:
        vector = (await collection.embed([question.query]))[0]
    vector = np.asarray(vector, dtype=np.float32)
    if vector.shape != (collection.table.dimensions,) or not np.isfinite(vector).all():
        raise InvalidInput(f"'vector' must be {collection.table.dimensions} finite numbers.", param="vector")
    depth, vectors = depth_of(question), _looks_at_vectors(question)
    return await asyncio.to_thread(collection.table.ranked, vector, depth, question.wanted, vectors=vectors)


async def _by_words(collection: Collection, question: Question) -> list[Ranked]:
    if question.mode == "semantic":
        return []
    return await asyncio.to_thread(
        collection.table.ranked,
        question.query,
        depth_of(question),
        question.wanted,
        vectors=_looks_at_vectors(question),
    )


def depth_of(question: Question) -> int:
    """How far down each ranking has to go."""
    if question.mode == "hybrid":
        return max(_FUSED, _CANDIDATES * question.top_k) + len(question.examples)
    hits = question.top_k * (_CANDIDATES if question.diversity or question.rerank else 1)
    return hits + len(question.examples)


def _looks_at_vectors(question: Question) -> bool:
    return question.diversity > 0


def best_hits(
    table: Table, question: Question, meant: Sequence[Ranked], worded: Sequence[Ranked]
) -> tuple[list[Hit], int]:
    """The best of two rankings, each `depth_of(question)` long, and how many were lost.

    Only the rows of those that count are read. In the place of one that was deleted since comes the next.
    """
    scored = _scored(question, meant, worded)
    if question.min_score is not None:
        least = question.min_score
        scored = (one for one in scored if one.score >= least)
    most = question.top_k * (_CANDIDATES if question.rerank else 1)
    vectors = _looks_at_vectors(question)
    wanted = len(meant) + len(worded) if vectors else most
    hits: list[Hit] = []
    lost = 0
    while some := list(islice(scored, wanted - len(hits))):
        rows = table.read([one.ranked for one in some], vectors=vectors)
        found = [Hit(rows[one.ranked.key], one.score, one.parts) for one in some if one.ranked.key in rows]
        lost += len(some) - len(found)
        hits += [hit for hit in found if hit.row.id not in question.examples]
    if question.diversity and hits:
        hits = _diverse(hits, question)
    return hits[:most], lost


def _scored(question: Question, meant: Sequence[Ranked], worded: Sequence[Ranked]) -> Iterator[_Scored]:
    """What was found, best first, in the mode's own score."""
    if question.mode == "hybrid":
        return _fused(question, meant, worded)
    part, ranking = ("cosine", meant) if question.mode == "semantic" else ("bm25", worded)
    return (_Scored(one, one.score, {part: one.score}) for one in ranking)


def _fused(question: Question, meant: Sequence[Ranked], worded: Sequence[Ranked]) -> Iterator[_Scored]:
    """Both rankings joined, a hit in only one of them too."""
    import numpy as np

    from embedder.analysis.ranking import RRF_K, fused

    in_meaning = {one.key: rank for rank, one in enumerate(meant, start=1)}
    in_words = {one.key: rank for rank, one in enumerate(worded, start=1)}
    keys = list(in_meaning | in_words)
    places = {key: place for place, key in enumerate(keys)}
    rankings = [np.array([places[one.key] for one in ranking], dtype=np.int64) for ranking in (meant, worded)]
    scores = fused(rankings, len(keys), question.weights)
    scores *= (RRF_K + 1) / sum(question.weights)
    for place in np.argsort(-scores, kind="stable").tolist():
        if scores[place] <= 0:
            return
        key, found = keys[place], []
        parts: dict[str, float] = {}
        for ranking, ranks, score, rank in (
            (meant, in_meaning, "cosine", "meaning_rank"),
            (worded, in_words, "bm25", "words_rank"),
        ):
            if key in ranks:
                found.append(ranking[ranks[key] - 1])
                parts |= {score: found[-1].score, rank: ranks[key]}
        yield _Scored(found[0], float(scores[place]), parts)


def _diverse(hits: list[Hit], question: Question) -> list[Hit]:
    import numpy as np

    from embedder.analysis.ranking import diversified

    worth = np.array([hit.score for hit in hits], dtype=np.float32)
    if question.mode == "keyword":  # BM25 has no upper end; beside cosines it needs one
        worth = worth / max(float(worth.max()), 1e-9)
    vectors = np.stack([hit.row.vector for hit in hits if hit.row.vector is not None])
    chosen = diversified(worth, vectors, question.top_k, question.diversity)
    return [hits[place] for place in chosen]
