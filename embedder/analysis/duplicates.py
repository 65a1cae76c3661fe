"""The most similar pairs of all, groups of near-duplicates, and which of them to keep."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedder.analysis.neighbours import KnownNeighbours, Neighbours
from embedder.analysis.similarity import Floats, OnProgress, unit_rows

MAX_PAIRS = 200_000
"""So many pairs are kept; of 50,000 rows there are a thousand million."""
FULL_LISTS = 2048
"""Of so many rows whose lists of neighbours end at the most alike each is compared with each."""
_TILE = 1024
_ROUNDED = 1e-6
"""A cosine from a list and the same one from a product differ by less."""


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
    ends = _ends(known, rows, known.k >= known.among)
    order = np.argsort(-ends, kind="stable")
    compared = 0 if known.k >= known.among else FULL_LISTS
    floor = float(ends[order[compared]]) if len(order) > compared else -np.inf
    lists, beyond = _listed(known, rows, floor=floor)
    return _with_early(lists, vectors, rows, (order[:compared], max(floor, beyond)), most=most)


def neighbouring_pairs(
    neighbours: Neighbours,
    vectors: ArrayLike,
    rows: NDArray[np.int64],
    *,
    most: int = MAX_PAIRS,
    progress: OnProgress | None = None,
) -> Pairs:
    """As `similar_pairs` of `rows` of `(n, d)`, rising, and as exact, from exact lists of all n rows.

    As `listed_pairs`, but of rows whose lists end early all are compared that could hold one of the
    `most` best pairs: those whose last neighbour is at least as similar as the last pair of the lists.
    """
    complete = neighbours.k >= len(neighbours.indices)
    ends = _ends(neighbours, rows, complete)
    lists, beyond = _listed(neighbours, rows, most=most)
    scores = lists[2]
    least = np.partition(scores, -most)[-most] if len(scores) >= most else -np.inf
    early = np.zeros(len(rows), dtype=np.bool_) if complete else ends >= least - _ROUNDED
    floor = float(ends[~early].max(initial=beyond))
    return _with_early(lists, vectors, rows, (np.flatnonzero(early), floor), most=most, progress=progress)


_Columns = tuple[NDArray[np.int64], NDArray[np.int64], Floats]


def _ends(lists: Neighbours, rows: NDArray[np.int64], complete: bool) -> NDArray[np.float64]:
    """The cosine at which each row's list ends; -inf where all that there are stand in it."""
    if complete:
        return np.full(len(rows), -np.inf)
    ends: NDArray[np.float64] = 1.0 - lists.distances[rows, -1].astype(np.float64)
    return ends


def _listed(
    lists: Neighbours, rows: NDArray[np.int64], *, floor: float = -np.inf, most: int = MAX_PAIRS
) -> tuple[_Columns, float]:
    """Pairs of `rows` with at least that cosine that one of the two has in its list, by place in `rows`.

    No fewer than the `most` best of them and not many more, and the highest cosine that was left out.
    """
    place = np.full(len(lists.indices) + 1, -1, dtype=np.int64)  # the last for those that are not here
    place[rows] = np.arange(len(rows))
    near, scores = place[lists.indices[rows]], 1.0 - lists.distances[rows]
    here = (near >= 0) & (near != np.arange(len(rows))[:, None]) & (scores >= floor)
    beyond = -np.inf
    if here.sum() > 2 * most:  # a pair stands in two lists at most
        best = here & (scores >= np.partition(scores[here], -2 * most)[-2 * most])
        beyond = float(scores[here & ~best].max(initial=-np.inf))
        here = best
    one, other = np.nonzero(here)
    near, scores = near[one, other], scores[one, other]
    return _once(one, near, scores, len(rows)), beyond


def _once(one: NDArray[np.int64], other: NDArray[np.int64], scores: Floats, n: int) -> _Columns:
    """Pairs of `n` rows, each once, the lower row first."""
    pairs, first = np.unique(np.minimum(one, other) * n + np.maximum(one, other), return_index=True)
    left, right = np.divmod(pairs, max(n, 1))
    return left, right, scores[first].astype(np.float32, copy=False)


def _with_early(
    lists: _Columns,
    vectors: ArrayLike,
    rows: NDArray[np.int64],
    early: tuple[NDArray[np.int64], float],
    *,
    most: int,
    progress: OnProgress | None = None,
) -> Pairs:
    """Pairs of lists, and of the `early` rows each with each; complete above the floor beside these."""
    compared, floor = early
    among = similar_pairs(np.asarray(vectors)[rows[compared]], most=most, progress=progress)
    found = _once(
        np.concatenate([lists[0], compared[among.left]]),
        np.concatenate([lists[1], compared[among.right]]),
        np.concatenate([lists[2], among.scores]),
        len(rows),
    )
    (left, right, best), left_out = _best([found], most)
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

    `known` are the lists that the pairs are from where these are known in part; None where pairs are exact.
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
    neighbours: Neighbours | None = None,
    most: int = MAX_PAIRS,
    progress: OnProgress | None = None,
) -> Alike:
    """The most similar pairs among rows with different `values`; rows of one value count once, as the first.

    From lists of `neighbours` where there are such, which saves comparing each with each: exact, where they
    are exact lists of all rows; as complete as `listed_pairs`, where they are known in part.

    Raises:
        ValueError: a vector isn't finite.
    """
    rows = np.asarray(vectors, dtype=np.float32)
    firsts = equal_rows(values)
    distinct = np.flatnonzero(firsts == np.arange(len(firsts)))
    if isinstance(neighbours, KnownNeighbours):
        return Alike(firsts, listed_pairs(neighbours, rows, distinct, most=most), neighbours)
    if neighbours is not None:
        near = neighbouring_pairs(neighbours, rows, distinct, most=most, progress=progress)
        return Alike(firsts, near)
    pairs = similar_pairs(rows[distinct], most=most, progress=progress)
    return Alike(
        firsts, Pairs(distinct[pairs.left], distinct[pairs.right], pairs.scores, pairs.complete_above)
    )
