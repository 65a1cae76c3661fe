"""Ranking texts by words, by pattern, and by several rankings at once. Meaning is `similarity.top_k`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedder.errors import InvalidInput

if TYPE_CHECKING:
    from embedder.analysis.similarity import Floats

RRF_K = 60
"""The constant of Cormack, Clarke and Büttcher's paper."""
PATTERN_LIMIT_S = 2.0
_WORD = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|[\p{L}\p{M}\p{N}_]+"


class KeywordIndex:
    """BM25 (Robertson; Lucene's form) over texts, their words folded in case and nothing else."""

    def __init__(self, texts: Sequence[str]) -> None:
        import bm25s

        self._bm25s = bm25s
        self._index: Any = None
        words = [_words(text) for text in texts]
        self._n = len(texts)
        if any(words):
            self._index = bm25s.BM25(method="lucene")
            self._index.index(words, show_progress=False)

    def scores(self, query: str) -> Floats:
        """BM25 of every text for `query`: float32 `(n,)`, 0 where no word is shared."""
        words = _words(query)
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


def fused(rankings: Sequence[NDArray[np.int64]], n: int) -> Floats:
    """Reciprocal rank fusion (Cormack, Clarke, Büttcher 2009) of rankings of rows: float32 `(n,)`.

    A row scores the sum of 1 / (60 + rank) over the rankings it is in, ranks from 1.
    """
    scores = np.zeros(n, dtype=np.float32)
    for ranking in rankings:
        scores[ranking] += 1.0 / (RRF_K + 1 + np.arange(len(ranking), dtype=np.float32))
    return scores


def _words(text: str) -> list[str]:
    import regex

    # Chinese, Japanese and Thai part no words: there every character is one.
    return [str(word) for word in regex.findall(_WORD, text.casefold())]
