"""Trustworthiness and recall by a sample, against scikit-learn and against looking at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedder.analysis.neighbours import Neighbours, nearest_neighbours
from embedder.analysis.similarity import unit_rows
from embedder.analysis.trust import ranks_of, trust_of


@settings(max_examples=30)
@given(st.integers(3, 60), st.integers(1, 20), st.integers(2, 3))
def test_on_every_row_it_is_scikit_learns(n: int, k: int, axes: int) -> None:
    from sklearn.manifold import trustworthiness

    random = np.random.default_rng(n)
    rows = unit_rows(random.normal(size=(n, 7)))
    points = random.normal(size=(n, axes)).astype(np.float32)
    found = trust_of(rows, points, k=k)
    assert found.looked_at == n
    assert found.k == min(k, (n - 1) // 2)
    theirs = trustworthiness(rows, points, n_neighbors=found.k, metric="cosine")
    assert found.trustworthiness == pytest.approx(theirs, abs=1e-4)


def test_a_sample_says_about_what_all_rows_say() -> None:
    random = np.random.default_rng(3)
    rows = unit_rows(random.normal(size=(3000, 4)))
    points = (rows[:, :2] + 0.05 * random.normal(size=(3000, 2))).astype(np.float32)
    whole, part = trust_of(rows, points), trust_of(rows, points, looked_at=500)
    assert part.looked_at == 500
    assert part.trustworthiness == pytest.approx(whole.trustworthiness, abs=0.01)


def test_of_some_rows_it_says_how_these_stand_among_all() -> None:
    random = np.random.default_rng(4)
    rows = unit_rows(random.normal(size=(300, 3)))
    points = rows[:, :2].copy()
    badly = np.arange(0, 300, 3)
    points[badly] = random.permutation(points[badly])
    well = np.setdiff1d(np.arange(300), badly)
    one, other, whole = (
        trust_of(rows, points, among=badly),
        trust_of(rows, points, among=well),
        trust_of(rows, points),
    )
    assert (one.looked_at, other.looked_at) == (100, 200)
    assert one.trustworthiness < other.trustworthiness - 0.1
    assert (one.trustworthiness + 2 * other.trustworthiness) / 3 == pytest.approx(whole.trustworthiness)
    assert trust_of(rows, points, among=badly, looked_at=7).looked_at == 7


def test_ranks_count_what_is_nearer_and_copies_are_as_near_as_each_other() -> None:
    angles = np.radians([0, 10, 20, 30, 10])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    ranks = ranks_of(rows, np.array([0, 3]), np.array([[1, 4, 2, 3], [2, 1, 0, -1]]))
    np.testing.assert_array_equal(ranks, [[1, 1, 3, 4], [1, 2, 4, 5]])


def test_recall_is_the_share_of_true_neighbours_in_the_lists() -> None:
    rows = unit_rows(np.random.default_rng(5).normal(size=(200, 6)))
    true = nearest_neighbours(rows, 31)
    points = rows[:, :2]
    assert trust_of(rows, points, true).recall == 1
    assert trust_of(rows, points).recall is None
    # A third of the first 15 others gives way to the farthest of 30.
    worse = true.indices.copy()
    worse[:, 11:16] = true.indices[:, 26:31]
    assert trust_of(rows, points, Neighbours(worse, true.distances)).recall == pytest.approx(10 / 15)


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_rows_have_nothing_to_distrust(n: int) -> None:
    assert trust_of(np.eye(n, 3, dtype=np.float32), np.zeros((n, 2), np.float32)).trustworthiness == 1
