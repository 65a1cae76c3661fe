"""Signatures of a matrix's rows, made as it is searched."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from embedder.analysis.signatures import (
    Hyperplanes,
    Places,
    empty_signatures,
    first_looked_at,
    near,
)
from embedder.analysis.similarity import Floats

_WORTH_IT = 32
"""Signatures are compared where rows are so many times those looked at first; fewer are read as soon."""
_SIGNED_A_SEARCH = 16_384
"""To sign a row takes ten times as long as to look at it, so the first search signs none, the next some."""
_AT_ONCE = 256
"""So many take 1 MB on the way to bits."""
_FEW = 1024
_SPARE = 1.25


class Signed:
    """Signatures of the first rows of a matrix; what comes after them is looked at as it is."""

    def __init__(self, dimensions: int) -> None:
        self._hyperplanes = Hyperplanes(dimensions)
        self._words = empty_signatures(0)
        self._count = 0
        self._seen = 0  # rows at the last search

    @property
    def held_bytes(self) -> int:
        """Memory of them all."""
        return int(self._words.nbytes)

    def put(self, places: Places, unit: Floats) -> None:
        """Take note that the rows at `places` are now `unit` `(n, d)`."""
        known = places < self._count
        if known.any():
            self._words[:, places[known]] = self._hyperplanes.signatures(unit[known])

    def keep(self, places: list[int]) -> None:
        """Only these rows, which are in order, are left."""
        self._words = self._words.take([place for place in places if place < self._count], axis=1)
        self._count = self._words.shape[1]

    def near(
        self,
        question: NDArray[np.float32],
        k: int,
        cosines: Callable[[Places], Floats],
        vectors: Floats,
        places: Places | None,
    ) -> Places:
        """Where in `vectors` `(n, d)` the `k` nearest to `question` are, and some more, in order.

        Of `places` only, if given. `cosines` gives those of some places.
        """
        everything = np.arange(len(vectors)) if places is None else places
        looked_at = _WORTH_IT * first_looked_at(k)
        if len(everything) < looked_at:
            return everything
        if self._seen:
            self._sign(vectors)
        self._seen = len(vectors)
        from_here = int(np.searchsorted(everything, self._count))
        if from_here < looked_at:
            return everything
        signed = None if places is None else places[:from_here]
        one = self._hyperplanes.signatures(question[None])
        found = near(self._words[:, : self._count], one, k, cosines, signed)
        return np.concatenate([found, everything[from_here:]])

    def _sign(self, vectors: Floats) -> None:
        coming = vectors[self._count : self._count + _SIGNED_A_SEARCH]
        # Once there is no room all signatures are copied: not while a few come with every search.
        if not len(coming) or (len(coming) < _FEW and len(vectors) != self._seen):
            return
        held, end = self._words.shape[1], self._count + len(coming)
        if end > held:
            words = empty_signatures(max(len(vectors), int(_SPARE * held)))
            words[:, : self._count] = self._words[:, : self._count]
            self._words = words
        for start in range(0, len(coming), _AT_ONCE):
            made = self._hyperplanes.signatures(coming[start : start + _AT_ONCE])
            self._words[:, self._count : self._count + made.shape[1]] = made
            self._count += made.shape[1]
