"""The most similar pairs of all, groups of near-duplicates, and which of them to keep."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedder.analysis.neighbours import KnownNeighbours
from embedder.analysis.similarity import Floats, OnProgress, unit_rows

MAX_PAIRS = 200_000
"""So many pairs are kept; of 50,000 rows there are a thousand million."""
FULL_LISTS = 2048
"""Of so many rows whose lists of neighbours end at the most alike each is compared with each."""
_TILE = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs `(p,)` of rows with their cosine, most similar first; `left` is the lower row of each.

    All pairs with a score above `complete_above` are there; -inf where no pair was left out.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    scores: Floats
    complete_above: float

    def count(self, least: float) -> int:
        """How many have at least that score."""
        return int(np.searchsorted(-self.scores, -np.float32(least), side="right"))


def similar_pairs(vectors: ArrayLike, *, most: int = MAX_PAIRS, progress: OnProgress | None = None) -> Pairs:
    """The `most` pairs of different rows of `(n, d)` with the highest cosine; exact, in tiles of a product.

    Of equal scores the lower rows come first. What `progress` raises ends it.

    Raises:
        ValueError: a vector isn't finite.
    """
    rows = unit_rows(vectors)
    n = len(rows)
    kept, floor = _none(), -np.inf
    waiting: list[tuple[NDArray[np.int64], NDArray[np.int64], Floats]] = []
    held, total, done = 0, n * (n - 1) / 2, 0.0
    for top in range(0, n, _TILE):
        for start in range(top, n, _TILE):
            block = rows[top : top + _TILE] @ rows[start : start + _TILE].T
            np.clip(block, -1.0, 1.0, out=block)
            found = block >= floor
            if start == top:
                found = np.triu(found, 1)
            lefts, rights = np.nonzero(found)
            waiting.append((lefts + top, rights + start, block[lefts, rights]))
            held += len(lefts)
            if held > most:
                kept, left_out = _best([kept, *waiting], most)
                waiting, held = [], 0
                floor = max(floor, left_out)
            done += block.size / (2 if start == top else 1)
        if progress:
            progress(min(1.0, done / total) if total else 1.0)
    kept, left_out = _best([kept, *waiting], most)
    return Pairs(*kept, max(floor, left_out))


def listed_pairs(
    known: KnownNeighbours,
    vectors: ArrayLike,
    rows: NDArray[np.int64],
    *,
    most: int = MAX_PAIRS,
) -> Pairs:
    """As `similar_pairs` of `rows` of `(n, d)`, rising, from lists of neighbours; as complete as these are.

    A pair that is in neither list is at most as similar as the last of each of the two. So what is
    missing is missing among rows whose lists end early: of these the `FULL_LISTS` that end at the highest
    cosine are compared each with each, and the pairs are complete above where the others' lists end.
    """
    lists = known.distances[rows]
    complete = known.k >= known.among
    ends = np.full(len(rows), -np.inf) if complete else 1.0 - lists[:, -1]
    order, compared = np.argsort(-ends, kind="stable"), 0 if complete else FULL_LISTS
    early, later = order[:compared], order[compared:]
    floor = float(ends[later[0]]) if len(later) else -np.inf
    place = np.full(len(known.indices) + 1, -1, dtype=np.int64)  # the last for those that are not here
    place[rows] = np.arange(len(rows))
    near, scores = place[known.indices[rows]], 1.0 - lists
    one, other = np.nonzero((near >= 0) & (near != np.arange(len(rows))[:, None]) & (scores >= floor))
    near, scores = near[one, other], scores[one, other]
    among = similar_pairs(np.asarray(vectors)[rows[early]], most=most)
    lefts = np.concatenate([one, early[among.left]])
    rights = np.concatenate([near, early[among.right]])
    pairs, first = np.unique(
        np.minimum(lefts, rights) * len(rows) + np.maximum(lefts, rights), return_index=True
    )
    found = np.concatenate([scores, among.scores]).astype(np.float32)[first]
    (left, right, best), left_out = _best([(*np.divmod(pairs, max(len(rows), 1)), found)], most)
    return Pairs(rows[left], rows[right], best, max(floor, among.complete_above, left_out))


def _none() -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)


def _best(
    parts: Sequence[tuple[NDArray[np.int64], NDArray[np.int64], Floats]], most: int
) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64], Floats], float]:
    """The best `most` in order, and the highest score left out."""
    left, right, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
    if len(scores) > most:
        # Ties at the bound are settled by rows, so all of them are sorted.
        bound = np.partition(scores, len(scores) - most)[len(scores) - most]
        near = np.flatnonzero(scores >= bound)
        below = scores[scores < bound]
        left_out = float(below.max()) if len(near) <= most else float(bound)
        left, right, scores = left[near], right[near], scores[near]
    else:
        left_out = -np.inf
    order = np.lexsort((right, left, -scores))[:most]
    return (left[order], right[order], scores[order]), left_out


def equal_rows(values: Sequence[Hashable]) -> NDArray[np.int64]:
    """Of each row the first one with the same value: `(n,)`; a row without an equal before is its own."""
    first: dict[Hashable, int] = {}
    return np.array([first.setdefault(value, row) for row, value in enumerate(values)], dtype=np.int64)


def duplicate_groups(n: int, left: NDArray[np.int64], right: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Rows that pairs join, directly or through others (connected components), largest group first.

    Each group's rows rise; of groups of one size the one with the lowest row comes first.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    if not len(left):
        return []
    joined = coo_matrix((np.ones(len(left), dtype=np.int8), (left, right)), (n, n))
    _, labels = connected_components(joined, directed=False)
    sizes = np.bincount(labels)
    members = np.flatnonzero(sizes[labels] > 1)
    order = members[np.lexsort((members, labels[members]))]
    cuts = np.flatnonzero(np.diff(labels[order])) + 1
    return sorted(np.split(order, cuts), key=lambda group: (-len(group), int(group[0])))


def first_of_each(n: int, groups: Sequence[NDArray[np.int64]]) -> NDArray[np.bool_]:
    """Which of `n` rows stay if of every group only its first row does: `(n,)`."""
    keep = np.ones(n, dtype=np.bool_)
    for group in groups:
        keep[group[1:]] = False
    return keep


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """What is alike among rows: `firsts` as of `equal_rows`, and `pairs` of rows that are not equal.

    `known` are the lists of neighbours that the pairs are from, None where each was compared with each.
    """

    firsts: NDArray[np.int64]
    pairs: Pairs
    known: KnownNeighbours | None = None

    @property
    def distinct(self) -> int:
        """How many rows are left if equal ones count once."""
        return int((self.firsts == np.arange(len(self.firsts))).sum())

    def groups(self, least: float) -> tuple[int, list[NDArray[np.int64]]]:
        """How many pairs have at least that score, and the groups that they and equal rows make."""
        count = self.pairs.count(least)
        equal = np.flatnonzero(self.firsts != np.arange(len(self.firsts)))
        left = np.concatenate([self.pairs.left[:count], self.firsts[equal]])
        right = np.concatenate([self.pairs.right[:count], equal])
        return count, duplicate_groups(len(self.firsts), left, right)


def find_alike(
    vectors: ArrayLike,
    values: Sequence[Hashable],
    *,
    known: KnownNeighbours | None = None,
    most: int = MAX_PAIRS,
    progress: OnProgress | None = None,
) -> Alike:
    """The most similar pairs among rows with different `values`; rows of one value count once, as the first.

    From lists of neighbours where they are `known`, which saves comparing each with each.

    Raises:
        ValueError: a vector isn't finite.
    """
    rows = np.asarray(vectors, dtype=np.float32)
    firsts = equal_rows(values)
    distinct = np.flatnonzero(firsts == np.arange(len(firsts)))
    if known is not None:
        return Alike(firsts, listed_pairs(known, rows, distinct, most=most), known)
    pairs = similar_pairs(rows[distinct], most=most, progress=progress)
    return Alike(
        firsts, Pairs(distinct[pairs.left], distinct[pairs.right], pairs.scores, pairs.complete_above)
    )
