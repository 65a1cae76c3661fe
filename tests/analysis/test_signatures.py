from __future__ import annotations

import numpy as np
import pytest

from embedder.analysis.signatures import BITS, Hyperplanes, differing, first_looked_at, most_differing, near
from embedder.analysis.similarity import unit_rows


def directions(count: int, dimensions: int, seed: int = 1) -> np.ndarray:
    return unit_rows(np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32))


def test_bits_differ_by_the_angle() -> None:
    left, right = directions(2, 64)
    turned = np.stack([np.cos(angle) * left + np.sin(angle) * _upright(left, right) for angle in ANGLES])
    told = Hyperplanes(64).signatures(turned.astype(np.float32))
    bits = differing(told, told[:, :1])
    assert bits[0] == 0
    for angle, count in zip(ANGLES, bits, strict=True):
        share = angle / np.pi
        assert abs(count - BITS * share) <= 4 * np.sqrt(BITS * share * (1 - share)) + 1e-9
    opposite = Hyperplanes(64).signatures(-turned.astype(np.float32)[:1])
    assert differing(opposite, told[:, :1]).tolist() == [BITS]


ANGLES = np.linspace(0, np.pi, 9)


def _upright(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    rest = other - (one @ other) * one
    return rest / np.linalg.norm(rest)


@pytest.mark.parametrize("dimensions", [3, 32, 384])
@pytest.mark.parametrize("k", [1, 10, 50])
def test_the_nearest_are_among_the_near(dimensions: int, k: int) -> None:
    centres = directions(40, dimensions, seed=2)
    vectors = unit_rows(np.repeat(centres, 100, axis=0) + 0.3 * directions(4000, dimensions))
    planes = Hyperplanes(dimensions)
    told = planes.signatures(vectors)
    some = np.flatnonzero(np.arange(4000) % 3)
    for question in vectors[::500]:
        one = planes.signatures(question[None])
        for places in (None, some):
            found = near(told, one, k, lambda at, question=question: vectors[at] @ question, places)
            allowed = np.arange(4000) if places is None else places
            best = allowed[np.argsort(-(vectors[allowed] @ question), kind="stable")[:k]]
            assert set(best) <= set(found.tolist())
            assert np.isin(found, allowed).all()
            assert len(found) < len(allowed)


def test_equal_and_opposite_vectors_are_found() -> None:
    (one,) = directions(1, 16)
    vectors = np.stack([one, -one] * 1500)
    planes = Hyperplanes(16)
    assert first_looked_at(5) == 64
    near_it = near(
        planes.signatures(vectors), planes.signatures(one[None]), 5, lambda at: vectors[at] @ one, None
    )
    assert near_it.tolist() == list(range(0, 3000, 2))


def test_hardly_any_that_is_near_enough_differs_in_more() -> None:
    assert most_differing(1.0, BITS) < 10
    assert most_differing(0.0, BITS) > BITS / 2
    assert most_differing(-1.0, BITS) == BITS
    for cosine in (0.9, 0.5, 0.1):
        share = np.arccos(cosine) / np.pi
        spread = np.sqrt(BITS * share * (1 - share))
        assert 4 * spread < most_differing(cosine, BITS) - BITS * share < 6 * spread
