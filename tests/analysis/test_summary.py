from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embedder.analysis.summary import extent_of, middle, scale_ends

NUMBERS = st.floats(-1e3, 1e3, width=32)
AMOUNTS = arrays(np.float32, st.integers(1, 300), elements=NUMBERS)
POINTS = st.tuples(st.integers(1, 60), st.integers(2, 3)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=NUMBERS)
)


@given(AMOUNTS, st.integers(0, 2**32 - 1))
def test_the_ends_of_a_scale_leave_the_outermost_hundredths_out_in_any_order(
    amounts: np.ndarray, seed: int
) -> None:
    low, high = scale_ends(amounts)
    assert amounts.min() <= low <= high <= amounts.max()
    assert (amounts < low).sum() <= len(amounts) / 100 + 1 >= (amounts > high).sum()
    mixed = np.random.default_rng(seed).permutation([*amounts, np.nan, np.inf, -np.inf])
    assert scale_ends(mixed.astype(np.float32)) == (low, high)


def test_one_amount_far_off_does_not_stretch_a_scale() -> None:
    low, high = scale_ends(np.float32([*range(1000), 1e9]))
    assert (low, high) == (10, 990)
    assert scale_ends(np.float32([np.nan] * 3)) == (0, 1)


@given(AMOUNTS)
def test_half_are_at_least_the_middle_and_half_at_most(amounts: np.ndarray) -> None:
    found = middle(amounts)
    assert min((amounts >= found).sum(), (amounts <= found).sum()) >= len(amounts) / 2
    assert middle(amounts[:0]) == 0


@given(POINTS)
def test_nine_tenths_of_a_group_are_between_two_of_its_own_places_on_each_side(points: np.ndarray) -> None:
    found = extent_of(points)
    for side in range(points.shape[1]):
        places = points[:, side]
        low, high = found.low[side], found.high[side]
        assert {low, high} <= set(places)
        assert low <= found.middle[side] == middle(places) <= high
        inside = (places >= low) & (places <= high)
        assert inside.sum() >= 0.9 * len(places)
        beyond = max((places < low).sum(), (places > high).sum())
        assert beyond <= 0.05 * len(places)
