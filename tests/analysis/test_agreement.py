from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embedder.analysis.agreement import agreement, aligned, moved_most, neighbour_overlap, overlap_by_chance
from embedder.analysis.neighbours import nearest_neighbours
from embedder.analysis.projection import pca_2d

numbers = st.floats(-100, 100, width=32)
shapes = st.tuples(st.integers(1, 30), st.integers(1, 6))
vectors_of = shapes.flatmap(lambda shape: arrays(np.float32, shape, elements=numbers))
points_of = st.integers(2, 20).flatmap(lambda n: arrays(np.float32, (n, 2), elements=numbers))


def distances(points: np.ndarray) -> np.ndarray:
    wide = points.astype(np.float64)
    return np.linalg.norm(wide[:, None] - wide[None], axis=-1)


@settings(max_examples=80)
@given(vectors_of, st.integers(1, 12))
def test_a_model_agrees_with_itself(vectors: np.ndarray, k: int) -> None:
    found = nearest_neighbours(vectors)
    np.testing.assert_array_equal(neighbour_overlap(found, found, k), np.ones(len(vectors)))


@settings(max_examples=80)
@given(st.integers(2, 40), st.integers(1, 12), st.integers(0, 1000))
def test_overlap_is_a_share_the_same_from_either_side(n: int, k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    one, other = (nearest_neighbours(random.normal(size=(n, 5))) for _ in range(2))
    shares = neighbour_overlap(one, other, k)
    np.testing.assert_array_equal(shares, neighbour_overlap(other, one, k))
    assert ((shares >= 0) & (shares <= 1)).all()
    kept = min(k, n - 1)
    for row in range(n):
        expected = set(one.indices[row, 1 : kept + 1]) & set(other.indices[row, 1 : kept + 1])
        assert shares[row] == pytest.approx(len(expected) / kept)


@given(st.integers(1, 30), st.integers(0, 1000), st.data())
def test_a_text_without_a_vector_neither_agrees_nor_moves(n: int, seed: int, data: st.DataObject) -> None:
    random = np.random.default_rng(seed)
    one, other = (nearest_neighbours(random.normal(size=(n, 5))) for _ in range(2))
    known = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    found, shares = agreement(one, other, known), neighbour_overlap(one, other)
    np.testing.assert_array_equal(np.isnan(found.shares), ~known)
    np.testing.assert_array_equal(found.shares[known], shares[known])
    assert found.moved.tolist() == [row for row in moved_most(one, other) if known[row]]
    assert found.mean == (pytest.approx(shares[known].mean()) if known.any() else None)


def test_unrelated_models_agree_as_chance_has_it() -> None:
    random = np.random.default_rng(0)
    one, other = (nearest_neighbours(random.normal(size=(600, 20))) for _ in range(2))
    mean = float(neighbour_overlap(one, other).mean())
    assert mean == pytest.approx(overlap_by_chance(600), rel=0.25)


def test_the_text_that_was_exchanged_moved_most() -> None:
    random = np.random.default_rng(3)
    vectors = np.repeat(np.eye(4), 12, axis=0) + random.normal(scale=0.05, size=(48, 4))
    changed = vectors.copy()
    changed[5] = np.eye(4)[2]
    order = moved_most(nearest_neighbours(vectors), nearest_neighbours(changed))
    assert order[0] == 5
    assert sorted(order) == list(range(48))


def test_different_numbers_of_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="same"):
        neighbour_overlap(nearest_neighbours(np.eye(3)), nearest_neighbours(np.eye(4)))
    with pytest.raises(ValueError, match="over"):
        aligned(np.eye(2), np.zeros((3, 2)))


@settings(max_examples=100)
@given(points_of, st.integers(0, 100))
def test_distances_all_change_by_one_factor(points: np.ndarray, seed: int) -> None:
    goal = np.random.default_rng(seed).normal(size=points.shape)
    before, after = distances(points), distances(aligned(points, goal))
    assume(before.max() > 1e-2)
    factor = after.max() / before.max()
    np.testing.assert_allclose(after, before * factor, atol=1e-3 * after.max() + 1e-6)


@settings(max_examples=60)
@given(
    st.integers(0, 1000),
    st.floats(0, 6.28),
    st.booleans(),
    st.floats(0.05, 20),
    st.floats(-50, 50),
    st.integers(3, 30),
)
def test_a_turned_mirrored_scaled_copy_falls_on_the_original(
    seed: int, angle: float, mirrored: bool, scale: float, shift: float, n: int
) -> None:
    points = np.random.default_rng(seed).normal(size=(n, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    copy = points @ turn * scale * ([1, -1] if mirrored else [1, 1]) + shift
    np.testing.assert_allclose(aligned(copy, points), points, atol=1e-3)


def test_alignment_is_as_near_as_turning_can_bring_it() -> None:
    """Against every angle tried, with and without a mirror."""
    random = np.random.default_rng(5)
    points, goal = random.normal(size=(2, 25, 2))
    left = np.linalg.norm(aligned(points, goal) - goal)
    moved, target = points - points.mean(0), goal - goal.mean(0)
    for mirror in ([1, 1], [1, -1]):
        for angle in np.linspace(0, 2 * np.pi, 400):
            turned = (
                moved * mirror @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            )
            scale = (turned * target).sum() / (turned**2).sum()
            assert left <= np.linalg.norm(turned * scale - target) + 1e-3


@pytest.mark.parametrize("points", [np.zeros((4, 2)), np.full((1, 2), 7.0), np.zeros((0, 2))])
def test_what_has_no_spread_is_only_moved(points: np.ndarray) -> None:
    goal = pca_2d(np.eye(len(points), 3)).points if len(points) else points
    found = aligned(points, goal)
    assert np.isfinite(found).all()
    assert not len(points) or np.allclose(found, goal.mean(axis=0), atol=1e-6)
