"""How many of the true nearest neighbours are still found when vectors are made smaller.

Smaller by a cut to fewer dimensions, by one byte a dimension (int8), or by one bit (binary).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedder.analysis.neighbours import Neighbours
from embedder.analysis.similarity import BLOCK_BYTES, Floats, OnProgress, best_columns, unit_rows

K = 10
SHORTLIST = 4 * K
"""So many of the nearest by bits are scored again in full: sentence-transformers' own factor of 4."""
MOST_SCORES = 16_000_000
"""So many scores are taken at most for one measurement, about a second; beyond, of a sample of rows."""
_EQUAL = 1e-6
"""Cosines nearer to each other than float32 can tell apart count as a tie."""


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The real neighbourhoods of the `rows` `(m,)` that are looked at, evenly spread over all.

    `least` `(m,)` is the cosine that each has with its `k`-th nearest other.
    """

    rows: NDArray[np.int64]
    least: Floats
    k: int


def rows_looked_at(n: int, most_scores: int = MOST_SCORES) -> int:
    """Of how many rows of `n` the sample is; all of them where there are no more than it allows."""
    return min(n, max(1, most_scores // n))


def true_neighbours(unit: Floats, *, k: int = K, most_scores: int = MOST_SCORES) -> Truth:
    """What to measure against: exact over all rows `(n, d)`, each of length 1.

    Of more rows than `most_scores` allows a sample is looked at, against all.

    Raises:
        ValueError: there are no more than `k` vectors, so each is a neighbour of each.
    """
    n = len(unit)
    if n <= k:
        raise ValueError(f"Among {n} vectors each is one of the {k} nearest of each.")
    rows = np.unique(np.linspace(0, n - 1, rows_looked_at(n, most_scores)).round().astype(np.int64))
    least = np.empty(len(rows), dtype=np.float32)
    for some in _blocks(len(rows), n):
        least[some] = _cosines(unit, rows[some], _others(unit, rows[some], k))[:, -1]
    return Truth(rows, least, k)


def whole_truth(neighbours: Neighbours, *, k: int = K) -> Truth:
    """What to measure every row against, from exact lists that are there, each row the first of its own.

    Raises:
        ValueError: the lists are too short to hold `k` others.
    """
    if neighbours.k <= k:
        raise ValueError(f"Lists of {neighbours.k}, each row its own first, do not hold {k} others.")
    least: Floats = np.float32(1) - neighbours.distances[:, k]
    return Truth(np.arange(len(neighbours.indices)), least, k)


def shares_kept(
    truth: Truth, unit: Floats, smaller: Floats, *, shortlist: int = 0, progress: OnProgress | None = None
) -> Floats:
    """Of each row looked at `(m,)` the share of true neighbours, 0 to 1, still among the `k` nearest.

    Nearest by the cosine of `smaller` `(n, any)`; with a `shortlist`, so many are taken by `smaller`, and
    the `k` best of them by the full cosine. A text as near as the `k`-th true neighbour counts as one: of
    equal texts no order is the right one.
    """
    columns, m = unit_rows(smaller), len(truth.rows)
    shares = np.empty(m, dtype=np.float32)
    for some in _blocks(m, len(columns)):
        rows = truth.rows[some]
        found = _others(columns, rows, max(truth.k, shortlist))
        near = _cosines(unit, rows, found) >= truth.least[some, None] - _EQUAL
        shares[some] = np.minimum(near.sum(axis=1), truth.k) / truth.k
        if progress:
            progress(some.stop / m)
    return shares


def margin(shares: Floats, n: int) -> float:
    """How far the mean of a sample `(m,)` of `n` may be from that of all, in 95 of 100 samples.

    By the normal approximation, with the correction for a finite population (Cochran 1977, 2.6): 0 of all.
    """
    m = len(shares)
    if m < 2 or m >= n:
        return 0.0
    return float(1.96 * shares.std(ddof=1) * np.sqrt((1 - m / n) / m))


def mean_kept(shares: Floats, n: int) -> tuple[float, float]:
    """The mean of a sample `(m,)` of `n`, and its `margin`."""
    return float(shares.mean()), margin(shares, n)


def cut_to(unit: Floats, dimensions: int) -> Floats:
    """The first `dimensions` of each row, at length 1 again.

    Raises:
        ValueError: there are not so many.
    """
    if not 1 <= dimensions <= unit.shape[1]:
        raise ValueError(f"There are 1 to {unit.shape[1]} dimensions to keep, not {dimensions}.")
    return unit_rows(unit[:, :dimensions])


def int8_codes(unit: Floats) -> tuple[NDArray[np.uint8], Floats, Floats]:
    """Each dimension of `(n, d)` on a scale of its own, from its smallest value in 255 steps to its largest.

    Returns codes `(n, d)`, where the scales start and how wide their steps are, both `(d,)`. As
    `quantize_embeddings` of sentence-transformers has it, whose import costs seconds; a test compares.
    """
    starts = unit.min(axis=0)
    steps = (unit.max(axis=0) - starts) / np.float32(255)
    steps = np.where(steps == 0, np.float32(1), steps)
    return np.clip(np.floor((unit - starts) / steps), 0, 255).astype(np.uint8), starts, steps


def as_int8(unit: Floats) -> Floats:
    """What is left of each number in `int8_codes`: the middle of its step, and never more than there was."""
    codes, starts, steps = int8_codes(unit)
    back: Floats = np.minimum(starts + (codes + np.float32(0.5)) * steps, unit.max(axis=0))
    return back


def as_bits(unit: Floats) -> Floats:
    """One bit a dimension, whether it is above zero, as 1 and -1: their cosine orders as Hamming does.

    The cosine of two such rows is 1 - 2 h / d for a Hamming distance of h.
    """
    return np.where(unit > 0, np.float32(1), np.float32(-1))


@dataclass(frozen=True, slots=True)
class Smaller:
    """A way to make vectors smaller; `bytes_of` says what one of d dimensions then takes in an index."""

    name: str
    make: Callable[[Floats], Floats]
    bytes_of: Callable[[int], int]
    shortlist: int = 0


CODINGS = {
    "int8": Smaller("int8", as_int8, lambda d: d),
    "binary": Smaller("binary", as_bits, lambda d: -(-d // 8)),
    "rescored": Smaller("binary, best 40 rescored", as_bits, lambda d: -(-d // 8), SHORTLIST),
}


def widths(d: int) -> list[int]:
    """Numbers of dimensions worth measuring for vectors of `d`: twelfths, and halves of the first."""
    parts = {
        max(1, round(d * share)) for share in (1 / 48, 1 / 24, *(twelfth / 12 for twelfth in range(1, 13)))
    }
    return sorted(parts)


def _blocks(m: int, n: int) -> Iterator[slice]:
    """Parts of `m` rows whose scores with `n` others take no more than `BLOCK_BYTES`."""
    step = max(1, BLOCK_BYTES // (4 * n))
    for start in range(0, m, step):
        yield slice(start, min(start + step, m))


def _others(rows: Floats, looked_at: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """The `k` rows nearest to each of those `looked_at`, itself left out: `(m, k)`, or all there are."""
    scores = rows[looked_at] @ rows.T
    scores[np.arange(len(looked_at)), looked_at] = -np.inf
    return best_columns(scores, min(k, len(rows) - 1))


def _cosines(unit: Floats, looked_at: NDArray[np.int64], found: NDArray[np.int64]) -> Floats:
    """Of each row looked at with each found for it: `(m, k)`."""
    scores = np.empty(found.shape, dtype=np.float32)
    for start in range(0, len(found), 256):
        some = slice(start, start + 256)
        scores[some] = np.einsum("md,mkd->mk", unit[looked_at[some]], unit[found[some]])
    return scores
