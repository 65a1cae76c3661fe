"""Semantic axes: from one meaning to its opposite, with a place on the way for every text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedder.analysis.similarity import Floats, unit_rows

_SAME = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """Rows on an axis: the place of each, `(n,)`, and their `order` from the start to the end.

    `poles` `(2,)` are the mean places of what the axis goes from and to.
    """

    places: Floats
    order: NDArray[np.int64]
    poles: Floats


def axis_between(from_pole: ArrayLike, to_pole: ArrayLike) -> Floats:
    """The direction `(d,)`, of length 1, from the rows of `from_pole` `(a, d)` to `to_pole` `(b, d)`.

    The mean of the unit vectors of one pole less that of the other (An, Kwak and Ahn 2018, SemAxis;
    Grand et al. 2022, semantic projection).

    Raises:
        ValueError: a pole is empty, both mean the same, the widths differ, or a vector isn't finite.
    """
    start, end = unit_rows(from_pole), unit_rows(to_pole)
    if not len(start) or not len(end):
        raise ValueError("A pole needs at least one vector.")
    if start.shape[1] != end.shape[1]:
        raise ValueError(f"Poles of {start.shape[1]} and {end.shape[1]} dimensions have no axis.")
    difference = end.mean(axis=0, dtype=np.float64) - start.mean(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(difference))
    if length < _SAME:
        raise ValueError("Both poles are the same vector, so nothing lies between them.")
    axis: Floats = (difference / length).astype(np.float32)
    return axis


def along(vectors: ArrayLike, axis: Floats) -> Floats:
    """How far along `axis` `(d,)` the unit vector of each row of `(n, d)` lies: `(n,)`, -1 to 1.

    It is the cosine of vector and axis. A zero vector lies at 0.
    """
    return np.asarray(np.clip(unit_rows(vectors) @ axis, -1.0, 1.0), dtype=np.float32)


def laid(vectors: ArrayLike, from_pole: ArrayLike, to_pole: ArrayLike) -> Laid:
    """The rows of `(n, d)` on the axis from one pole to the other; of equal places the lower row comes first.

    Raises:
        ValueError: as `axis_between`.
    """
    axis = axis_between(from_pole, to_pole)
    places = along(vectors, axis)
    poles = np.array([along(pole, axis).mean() for pole in (from_pole, to_pole)], dtype=np.float32)
    return Laid(places, np.argsort(places, kind="stable"), poles)
