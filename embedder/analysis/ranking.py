"""Ranking texts by words, by pattern, and by several rankings at once. Meaning is `similarity.top_k`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedder.analysis.similarity import unit_rows
from embedder.errors import InvalidInput

if TYPE_CHECKING:
    from embedder.analysis.similarity import Floats

RRF_K = 60
"""The constant of Cormack, Clarke and Büttcher's paper."""
FUSED = 500
"""How far down each ranking goes that hybrid search joins."""
PATTERN_LIMIT_S = 2.0
_WORD = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|[\p{L}\p{M}\p{N}_]+"


class KeywordIndex:
    """BM25 (Robertson; Lucene's form) over texts, their words folded in case and nothing else."""

    def __init__(self, texts: Sequence[str]) -> None:
        import bm25s

        self._bm25s = bm25s
        self._index: Any = None
        words = [words_of(text) for text in texts]
        self._n = len(texts)
        if any(words):
            self._index = bm25s.BM25(method="lucene")
            self._index.index(words, show_progress=False)

    def scores(self, query: str) -> Floats:
        """BM25 of every text for `query`: float32 `(n,)`, 0 where no word is shared."""
        words = words_of(query)
        if self._index is None or not words:
            return np.zeros(self._n, dtype=np.float32)
        known = [word for word in words if word in self._index.vocab_dict]
        if not known:
            return np.zeros(self._n, dtype=np.float32)
        return np.asarray(self._index.get_scores(known), dtype=np.float32)


def matching(texts: Sequence[str], pattern: str, *, limit_s: float = PATTERN_LIMIT_S) -> NDArray[np.int64]:
    """Rows whose text holds a match of the regular expression `pattern`, in order; case is ignored.

    Raises:
        InvalidInput: it's no regular expression, or it takes longer than `limit_s` in all.
    """
    import time

    import regex

    try:
        compiled = regex.compile(pattern, regex.IGNORECASE)
    except regex.error as error:
        raise InvalidInput(f"This is no regular expression: {error}.") from None
    end_s = time.monotonic() + limit_s
    rows = []
    try:
        for row, text in enumerate(texts):
            if compiled.search(text, timeout=max(end_s - time.monotonic(), 0.001)):
                rows.append(row)
    except TimeoutError:
        raise InvalidInput(f"This expression takes longer than {limit_s:.0f} s. Make it simpler.") from None
    return np.array(rows, dtype=np.int64)


def fused(rankings: Sequence[NDArray[np.int64]], n: int, weights: Sequence[float] | None = None) -> Floats:
    """Reciprocal rank fusion (Cormack, Clarke, Büttcher 2009) of rankings of rows: float32 `(n,)`.

    A row scores the sum of weight / (60 + rank) over the rankings it is in, ranks from 1; every
    weight is 1 where none are given.
    """
    scores = np.zeros(n, dtype=np.float32)
    for ranking, weight in zip(rankings, weights or [1.0] * len(rankings), strict=True):
        scores[ranking] += weight / (RRF_K + 1 + np.arange(len(ranking), dtype=np.float32))
    return scores


def ranked(scores: Floats, *, above: float = -np.inf) -> NDArray[np.int64]:
    """Rows by score `(n,)`, best first, of equal ones the first; only those with more than `above`."""
    order = np.argsort(-scores, kind="stable")
    best: NDArray[np.int64] = order[scores[order] > above]
    return best


def hybrid(meaning: Floats, words: Floats, *, most: int = FUSED) -> Floats:
    """Scores by meaning and by words, both `(n,)`, as one: the fusion of the `most` best rows of each.

    A row that shares no word, which scores 0 by them, has no rank there.
    """
    return fused([ranked(meaning)[:most], ranked(words, above=0.0)[:most]], len(meaning))


def diversified(relevance: ArrayLike, vectors: ArrayLike, k: int, diversity: float) -> NDArray[np.int64]:
    """Maximal marginal relevance (Carbonell, Goldstein 1998): `k` of n rows, in the order they are chosen.

    Each next row has the most of (1 - diversity) x its `relevance` `(n,)` less diversity x its
    largest cosine with those chosen before; `diversity` is 0 to 1, and of equal rows the first wins.

    Raises:
        ValueError: `diversity` is out of its range, the lengths differ, or a vector isn't finite.
    """
    worth, rows = np.asarray(relevance, dtype=np.float32), unit_rows(vectors)
    if not 0 <= diversity <= 1:
        raise ValueError(f"Diversity is 0 to 1, not {diversity}.")
    if worth.shape != (len(rows),):
        raise ValueError(f"{len(rows)} vectors want as many relevances, not {worth.shape}.")
    chosen = np.empty(min(max(k, 0), len(rows)), dtype=np.int64)
    nearest = np.zeros(len(rows), dtype=np.float32)  # nothing is chosen yet
    left = np.ones(len(rows), dtype=bool)
    for place in range(len(chosen)):
        marginal = np.where(left, (1 - diversity) * worth - diversity * nearest, -np.inf)
        row = chosen[place] = int(np.argmax(marginal))
        left[row] = False
        likeness = rows @ rows[row]
        nearest = likeness if place == 0 else np.maximum(nearest, likeness)
    return chosen


def words_of(text: str) -> list[str]:
    """Words of a text, folded in case. Chinese, Japanese and Thai part none: there every character is one."""
    import regex

    return [str(word) for word in regex.findall(_WORD, text.casefold())]


def places(values: NDArray[Any] | Sequence[str]) -> NDArray[np.int32]:
    """Of each value its place in rising order, from 0: `(n,)`; equal ones share a place.

    Words without regard to case. What is empty, or a number that is none, has no place: -1.
    """
    if isinstance(values, np.ndarray):
        _, found = np.unique(values, return_inverse=True)
        none = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), dtype=np.bool_)
        return np.where(none, -1, found).astype(np.int32)
    words = [value.casefold().strip() for value in values]
    rising = {word: place for place, word in enumerate(sorted({*words} - {""}))}
    return np.array([rising.get(word, -1) for word in words], dtype=np.int32)
