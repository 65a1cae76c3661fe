"""Signatures of directions, one bit a random hyperplane: far vectors are told from near ones unread.

The bit says on which side of the hyperplane a vector lies. Two vectors at an angle of θ differ in each with
a probability of θ/π, whatever they are (Charikar 2002, "Similarity estimation techniques from rounding
algorithms").
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from embedder.analysis.similarity import Floats

Words = NDArray[np.uint64]
Places = NDArray[np.int64]

BITS = 1024
_FIRST_WORDS = 8
"""So many words of a signature are compared of all, for to read them is what it costs."""
MISSED = 1e-6
"""The probability that a vector of the wanted cosine differs in more bits than `most_differing` says."""
_WORD_BITS = 64
_ROUNDING = 1e-6
"""Cosines in float32 are that far off; near 1 it's most of an angle."""
_FIRST, _LEAST_FIRST = 4, 64
_MOST_TIES = 4


class Hyperplanes:
    """`BITS` random ones through the origin of `dimensions`, the same ones every time."""

    def __init__(self, dimensions: int) -> None:
        self._normals = _normals(dimensions)

    def signatures(self, vectors: Floats) -> Words:
        """Of `(n, d)`: `(BITS / 64, n)`, a column each."""
        # One takes longer to be handed to BLAS's threads than to be multiplied.
        sides = np.vecdot(self._normals, vectors) if len(vectors) == 1 else vectors @ self._normals.T
        bits = np.packbits(sides.reshape(len(vectors), BITS) > 0, axis=1)
        return np.ascontiguousarray(bits.view(np.uint64).T)


@cache
def _normals(dimensions: int) -> Floats:
    normals = np.random.default_rng(0).standard_normal((dimensions, BITS), dtype=np.float32)
    return np.ascontiguousarray(normals.T)


def empty_signatures(count: int) -> Words:
    """Room for `count` of them."""
    return np.zeros((BITS // _WORD_BITS, count), dtype=np.uint64)


def differing(signatures: Words, one: Words) -> NDArray[np.uint16]:
    """In how many bits each of `(w, n)` differs from `one` `(w, 1)`: `(n,)`."""
    count = signatures.shape[1]
    bits, some = np.empty(count, dtype=np.uint64), np.empty(count, dtype=np.uint8)
    told = np.zeros(count, dtype=np.uint16)
    for word, other in zip(signatures, one, strict=True):
        np.bitwise_xor(word, other, out=bits)
        np.bitwise_count(bits, out=some)
        np.add(told, some, out=told)
    return told


def most_differing(cosine: float, bits: int) -> int:
    """The most of `bits` in which vectors of at least that cosine differ, but for a share of `MISSED`.

    The binomial distribution's quantile, summed here: scipy, which has it, takes half a second and 20 MB.
    """
    share = math.acos(max(-1.0, min(1.0, cosine) - _ROUNDING)) / math.pi
    if share == 1:
        return bits
    differ = np.arange(bits + 1)
    chances = np.exp(
        _log_choices(bits) + differ * math.log(share) + differ[::-1] * math.log1p(-share), dtype=np.float64
    )
    or_more = np.cumsum(chances[::-1])[::-1]
    return int(np.count_nonzero(or_more > MISSED)) - 1


@cache
def _log_choices(n: int) -> NDArray[np.float64]:
    """Logarithms of how many ways there are to choose 0 to `n` of `n`."""
    factorials = np.array([math.lgamma(k + 1) for k in range(n + 1)])
    logs: NDArray[np.float64] = factorials[n] - factorials - factorials[::-1]
    return logs


def near(
    signatures: Words, one: Words, k: int, cosines: Callable[[Places], Floats], places: Places | None
) -> Places:
    """Where in `(w, n)` the `k` nearest to `one` `(w, 1)` are, and some more; of `places` only, if given.

    `cosines` gives those of some places. The k-th best cosine of a few that look near is one that the k
    nearest reach, so their signatures differ in no more than so many bits, but for a share of `MISSED` at
    each step: a few bits are compared of all, more and more of those that are left. There must be more than
    `first_looked_at(k)` places.
    """
    words = len(signatures)
    compared = min(_FIRST_WORDS, words)
    told = differing(signatures[:compared], one[:compared])
    left: Places = np.arange(len(told)) if places is None else places
    if places is not None:
        told = told[places]
    first = first_looked_at(k)
    best, reached = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    while True:
        if len(left) > first:  # each time those that look nearest by more bits: the bound comes nearer, too
            some = left[_lowest(told, first)]
            best, unique = np.unique(np.concatenate([best, some]), return_index=True)
            reached = np.concatenate([reached, cosines(some)])[unique]
            kept = np.argpartition(reached, -k)[-k:]
            best, reached = best[kept], reached[kept]
        close = np.flatnonzero(told <= most_differing(float(reached.min()), compared * _WORD_BITS))
        left, told = left[close], told[close]
        if compared == words:
            break
        more = slice(compared, min(2 * compared, words))
        # Word by word: of all of them, which have room between, numpy would make a copy first.
        words_left = np.stack([word.take(left) for word in signatures[more]])
        told += differing(words_left, one[more])
        compared = more.stop
    near_enough = np.zeros(signatures.shape[1], dtype=bool)
    near_enough[left] = True
    near_enough[best] = True
    return np.flatnonzero(near_enough)


def _lowest(told: NDArray[np.uint16], count: int) -> Places:
    """Where the `count` lowest are, and some that equal the last of them."""
    edge = np.searchsorted(np.cumsum(np.bincount(told)), count)  # sooner than `partition`
    return np.flatnonzero(told <= edge)[: _MOST_TIES * count]


def first_looked_at(k: int) -> int:
    """Of so many that look nearest the cosine is taken first."""
    return max(_FIRST * k, _LEAST_FIRST)
