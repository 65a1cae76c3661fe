from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom

from embedder.analysis.signatures import (
    BITS,
    MISSED,
    Hyperplanes,
    differing,
    first_looked_at,
    most_differing,
    near,
)
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
    assert most_differing(1.00001, BITS) == most_differing(1.0, BITS)  # as float32 has it of equal vectors
    for cosine in (0.9, 0.5, 0.1):
        share = np.arccos(cosine) / np.pi
        spread = np.sqrt(BITS * share * (1 - share))
        assert 4 * spread < most_differing(cosine, BITS) - BITS * share < 6 * spread


@pytest.mark.parametrize("bits", [1, 64, 512, BITS])
def test_the_bound_is_the_binomial_distributions_as_scipy_has_it(bits: int) -> None:
    for cosine in np.linspace(-0.999, 1, 500):
        share = np.arccos(cosine - 1e-6) / np.pi
        assert most_differing(float(cosine), bits) == binom.ppf(1 - MISSED, bits, share)


WORDS = st.integers(1, 6).flatmap(
    lambda words: st.tuples(*[arrays(np.uint64, (words, 1), elements=st.integers(0, 2**64 - 1))] * 3)
)


@given(WORDS)
def test_bits_that_differ_are_a_distance(three: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    one, other, third = three
    signatures = np.concatenate(three, axis=1)
    told = differing(signatures, one).tolist()
    counted = [
        sum((int(a) ^ int(b)).bit_count() for a, b in zip(one[:, 0], column, strict=True))
        for column in signatures.T
    ]
    assert told == counted
    assert told[0] == 0
    assert differing(one, other).tolist() == [told[1]]
    assert told[2] <= told[1] + differing(third, other)[0]


@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(-20, 20))
def test_a_signature_is_of_the_direction_not_of_the_length(seed: int, dimensions: int, power: int) -> None:
    vectors = directions(5, dimensions, seed)
    planes = Hyperplanes(dimensions)
    told = planes.signatures(vectors)
    # By a power of two no rounding comes in between.
    np.testing.assert_array_equal(planes.signatures(vectors * np.float32(2.0**power)), told)
    # One alone is multiplied in another order, and may round to the other side of a plane it lies in.
    assert differing(planes.signatures(vectors[:1]), told[:, :1])[0] <= 1


@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(1, BITS))
def test_the_nearer_the_fewer_bits_may_differ_and_more_than_the_angle_has_it(
    one: float, other: float, bits: int
) -> None:
    near_by, far = most_differing(max(one, other), bits), most_differing(min(one, other), bits)
    assert 0 <= near_by <= far <= bits
    assert most_differing(one, bits) >= bits * np.arccos(one) / np.pi - 1e-6
    assert most_differing(one, bits) <= most_differing(one, BITS)


@settings(max_examples=50)
@given(
    st.integers(0, 2**32 - 1), st.integers(300, 3000), st.integers(2, 60), st.integers(1, 60), st.booleans()
)
def test_whatever_the_crowd_the_nearest_are_among_the_near(
    seed: int, n: int, dimensions: int, k: int, within: bool
) -> None:
    random = np.random.default_rng(seed)
    # A few groups, wide or narrow, with texts that are equal: what lists of texts look like.
    centres = random.standard_normal((4, dimensions))
    spread = random.choice([0.02, 0.1, 0.3, 2.0])
    vectors = unit_rows(
        centres[random.integers(4, size=n)] + spread * random.standard_normal((n, dimensions))
    )
    vectors[random.integers(n, size=n // 4)] = vectors[0]
    some = np.sort(random.permutation(n)[: max(250, n // 2)]) if within else None
    allowed = np.arange(n) if some is None else some
    question = vectors[random.integers(n)]
    planes = Hyperplanes(dimensions)
    found = near(
        planes.signatures(vectors),
        planes.signatures(question[None]),
        k,
        lambda at: vectors[at] @ question,
        some,
    )
    assert set(found.tolist()) <= set(allowed.tolist())
    best, reached = (np.sort(vectors[rows] @ question)[::-1][:k] for rows in (allowed, found))
    np.testing.assert_allclose(reached, best, atol=1e-6)
