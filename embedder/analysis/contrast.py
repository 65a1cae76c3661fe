"""What sets a selection apart from the whole: words and values that it has more often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedder.analysis.terms import term_counter

LEAST_Z = 1.96
"""Below it a difference may be chance: 95 % of what chance does is nearer to none."""


@dataclass(frozen=True, slots=True)
class Special:
    """A word or value: how many rows of the selection and of the whole have it, and `z`.

    `z` is how many standard errors its log-odds in the selection stand above those in the rest.
    """

    name: str
    selected: int
    total: int
    z: float


@dataclass(frozen=True, slots=True)
class Column:
    """A column's values in a selection: the special ones, best first, and the commonest, each counted.

    `common` holds `(value, rows of the selection, rows of the whole)`, most of the selection first;
    `others` is how many more values the selection has.
    """

    special: list[Special]
    common: list[tuple[str, int, int]]
    others: int


def contrasted(values: Sequence[str], selected: NDArray[np.int64], *, count: int = 5) -> Column:
    """A column's values among rows `selected` against all; at most `count` special, `count` common ones."""
    names, codes = np.unique(np.asarray(values, dtype=object).astype(str), return_inverse=True)
    inside = np.bincount(codes[selected], minlength=len(names))
    whole = np.bincount(codes, minlength=len(names))
    held = int(np.count_nonzero(inside))
    order = np.argsort(-inside, kind="stable")[: min(count, held)]
    return Column(
        _best(names, inside, whole, len(selected), len(values), count=count),
        [(str(names[place]), int(inside[place]), int(whole[place])) for place in order],
        held - len(order),
    )


class WordCounts:
    """Which of `texts` hold which word, counted once for any number of selections."""

    def __init__(self, texts: Sequence[str]) -> None:
        from scipy.sparse import csr_matrix

        vectorizer = term_counter(texts, binary=True, max_features=50_000)
        try:
            self._held = vectorizer.fit_transform(texts).tocsr()
            self._names = vectorizer.get_feature_names_out()
        except ValueError:  # no words at all
            self._held = csr_matrix((len(texts), 0), dtype=np.int64)
            self._names = np.empty(0, dtype=object)
        self._whole = np.asarray(self._held.sum(axis=0)).ravel()

    def special(self, selected: NDArray[np.int64], *, count: int = 12) -> list[Special]:
        """The words that more of the rows `selected` hold than the others do, best first."""
        inside = np.asarray(self._held[selected].sum(axis=0)).ravel()
        total = self._held.shape[0]
        return _best(self._names, inside, self._whole, len(selected), total, count=count)


def _best(
    names: NDArray[np.object_],
    inside: NDArray[np.int64],
    whole: NDArray[np.int64],
    selected: int,
    total: int,
    *,
    count: int,
) -> list[Special]:
    """By z of the log-odds ratio with a prior of the whole's shares (Monroe, Colaresi, Quinn 2008)."""
    outside, others = whole - inside, total - selected
    if not selected or not others:
        return []
    prior = (whole + 0.5) / (total + 1) * 2
    odds_in = (inside + prior) / (selected + 2 - inside - prior + 1e-9)
    odds_out = (outside + prior) / (others + 2 - outside - prior + 1e-9)
    z = np.log(np.maximum(odds_in, 1e-9) / np.maximum(odds_out, 1e-9)) / np.sqrt(
        1 / (inside + prior) + 1 / (outside + prior)
    )
    order = [place for place in np.argsort(-z, kind="stable")[:count] if z[place] >= LEAST_Z]
    return [Special(str(names[p]), int(inside[p]), int(whole[p]), round(float(z[p]), 2)) for p in order]
