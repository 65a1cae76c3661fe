from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embedder.analysis import cosine_similarity, leaf_order
from embedder.analysis.groups import mean_cosines, spread
from embedder.analysis.order import dendrogram

VECTORS = st.integers(1, 12).flatmap(
    lambda n: arrays(np.float32, (n, 3), elements=st.sampled_from([-1.0, 0.25, 1.0, 3.0]))
)


def test_like_stands_beside_like() -> None:
    angles = np.radians([0, 90, 2, 92, 1, 91])
    order = leaf_order(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    whose = [int(index) % 2 for index in order]
    assert whose in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0])
    assert sorted(order.tolist()) == list(range(6))


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_rows_and_equal_ones_have_an_order(n: int) -> None:
    assert sorted(leaf_order(np.ones((n, 4))).tolist()) == list(range(n))
    made = dendrogram(np.ones((n, n)))
    assert made.links.shape == (max(0, n - 1), 5)
    assert (made.links[:, 4] == 0).all(), "equal rows are joined at no distance"


@given(VECTORS)
def test_a_joint_is_as_high_as_its_sides_are_apart_on_average(vectors: np.ndarray) -> None:
    scores = cosine_similarity(vectors).astype(np.float64)
    made = dendrogram(scores)
    assert sorted(made.order.tolist()) == list(range(len(vectors)))
    leaves = {float(place): [int(row)] for place, row in enumerate(made.order)}
    for first, low, second, also_low, height in made.links:
        one, other = leaves.pop(first), leaves.pop(second)
        assert first < second
        assert max(low, also_low) <= height + 1e-9
        apart = np.maximum(1 - scores[np.ix_(one, other)], 0).mean()
        assert height == pytest.approx(apart, abs=1e-9)
        leaves[(first + second) / 2] = one + other
    assert len(leaves) == 1


def test_what_is_no_square_of_numbers_has_no_tree() -> None:
    for wrong in (np.ones((2, 3)), np.full((2, 2), np.nan), np.ones(4)):
        with pytest.raises(ValueError, match="square"):
            dendrogram(wrong)


@given(VECTORS, st.data())
def test_mean_cosines_are_means_over_pairs(vectors: np.ndarray, data: st.DataObject) -> None:
    labels = np.array(data.draw(st.lists(st.integers(-1, 2), min_size=len(vectors), max_size=len(vectors))))
    scores = cosine_similarity(vectors)
    found = mean_cosines(vectors, labels, 3)
    for one in range(3):
        for other in range(3):
            pairs = [
                scores[i, j]
                for i in np.flatnonzero(labels == one)
                for j in np.flatnonzero(labels == other)
                if i != j
            ]
            expected = float(np.mean(pairs)) if pairs else (1.0 if one == other else 0.0)
            assert found[one, other] == pytest.approx(expected, abs=1e-5)
    with pytest.raises(ValueError, match="groups"):
        mean_cosines(np.ones((2, 2)), [0, 3], 3)


@given(st.integers(0, 400), st.integers(1, 60))
def test_a_spread_is_even_and_holds_both_ends(n: int, most: int) -> None:
    rows = spread(np.arange(n), most)
    assert len(np.unique(rows)) == len(rows) == min(n, most)
    if n > most > 1:
        assert (rows[0], rows[-1]) == (0, n - 1)
        assert np.ptp(np.diff(rows)) <= 1
