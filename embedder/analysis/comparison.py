"""Two vectors beside each other, and which of their numbers matter most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedder.analysis.similarity import Floats, as_vectors, cosine_similarity


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """`difference` (the first less the second) and `products`, both `(d,)`; the products' sum is `dot`.

    `distance` is Euclidean, 0 for equal vectors; `cosine` is -1 to 1, 0 if one of them is zero.
    """

    cosine: float
    dot: float
    distance: float
    difference: Floats
    products: Floats


def compare(one: Floats, other: Floats) -> Comparison:
    """Vectors `(d,)` and `(d,)` side by side.

    Raises:
        ValueError: the widths differ, or a vector isn't finite.
    """
    left, right = as_vectors(one[None]), as_vectors(other[None])
    cosine = float(cosine_similarity(left, right)[0, 0])
    first, second = left[0].astype(np.float64), right[0].astype(np.float64)
    products, difference = first * second, first - second
    return Comparison(
        cosine=cosine,
        dot=float(products.sum()),
        distance=float(np.linalg.norm(difference)),
        difference=difference.astype(np.float32),
        products=products.astype(np.float32),
    )


def norm(vector: Floats) -> float:
    """The Euclidean length of `(d,)`."""
    return float(np.linalg.norm(vector))


def largest(values: Floats, k: int) -> NDArray[np.int64]:
    """Places of the `k` numbers of `(d,)` furthest from zero, furthest first, of equal ones the first."""
    return np.argsort(-np.abs(values), kind="stable")[:k].astype(np.int64)
