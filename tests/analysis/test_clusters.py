from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.analysis.clusters import NOISE, class_keywords, clusters_of, name_clusters
from embedder.analysis.density import density_grid, local_density


def blobs(sizes: list[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points in as many far groups, shuffled, and the group of each."""
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = np.stack([np.cos(np.arange(len(sizes))), np.sin(np.arange(len(sizes)))], axis=1) * 40
    return (centres[groups] + rng.normal(size=(len(groups), 2))).astype(np.float32), groups


def test_groups_far_apart_are_found_largest_first() -> None:
    points, groups = blobs([30, 120, 60])
    labels = clusters_of(points, min_cluster_size=20)
    assert labels.dtype == np.int32
    sizes = [int((labels == label).sum()) for label in range(labels.max() + 1)]
    assert sizes == sorted(sizes, reverse=True)
    for label in range(labels.max() + 1):
        assert len(set(groups[labels == label])) == 1, "no cluster mixes two groups"
    np.testing.assert_array_equal(labels, clusters_of(points, min_cluster_size=20))


@pytest.mark.parametrize("n", [0, 1, 5, 19])
def test_too_few_points_are_noise(n: int) -> None:
    assert (clusters_of(np.random.default_rng(n).normal(size=(n, 2))) == NOISE).all()


def test_points_in_one_place_are_noise() -> None:
    assert (clusters_of(np.ones((100, 2))) == NOISE).all()


def test_names_are_words_of_their_cluster_that_others_lack() -> None:
    texts = ["the red apple pie"] * 8 + ["the blue engine oil"] * 6 + ["noise of no cluster"]
    labels = np.array([0] * 8 + [1] * 6 + [NOISE], dtype=np.int32)
    vectors = np.array([[1, 0]] * 8 + [[0, 1]] * 6 + [[1, 1]], dtype=np.float32)
    first, second = name_clusters(labels, texts, vectors)
    assert set(first.keywords) == {"red", "apple", "pie"}
    assert set(second.keywords) == {"blue", "engine", "oil"}
    assert (first.size, second.size) == (8, 6)
    assert labels[first.row] == 0
    assert labels[second.row] == 1


@pytest.mark.parametrize("texts", [["", " "], ["1 2 3", "..."], ["the of", "and is"], ["🍕", "！"]])
def test_texts_without_words_have_no_keywords(texts: list[str]) -> None:
    labels = np.array([0, 0], dtype=np.int32)
    assert class_keywords(labels, texts, 3) == {}
    (name,) = name_clusters(labels, texts, np.eye(2))
    assert name.keywords == ()


@given(st.integers(0, 60), st.integers(0, 5))
def test_density_is_a_share_of_the_densest(n: int, seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(n, 2))
    density = local_density(points)
    assert density.shape == (n,)
    assert density.dtype == np.float32
    assert ((density > 0) & (density <= 1)).all()


def test_a_crowd_is_denser_than_a_hermit() -> None:
    points = np.concatenate([np.random.default_rng(0).normal(size=(200, 2)), [[50.0, 50.0]]])
    density = local_density(points)
    assert density[-1] < density[:-1].mean()


@given(st.integers(1, 60), st.integers(0, 5), st.sampled_from([1.0, 1e-4, 1e4]))
def test_a_density_grid_lies_around_all_points(n: int, seed: int, scale: float) -> None:
    points = np.random.default_rng(seed).normal(size=(n, 2)) * scale
    grid = density_grid(points)
    assert grid.shares.shape == (128, 128)
    assert grid.shares.dtype == np.float32
    assert (grid.shares >= 0).all()
    assert grid.shares.max() == 1
    assert (grid.low < points.min(axis=0)).all()
    assert (grid.high > points.max(axis=0)).all()
    # Contours close: nearly nothing is left at the edges.
    edges = np.concatenate([grid.shares[0], grid.shares[-1], grid.shares[:, 0], grid.shares[:, -1]])
    assert edges.max() < 0.2


def test_the_densest_cell_lies_where_the_crowd_is() -> None:
    rng = np.random.default_rng(1)
    points = np.concatenate([rng.normal((9, -3), 0.1, (400, 2)), rng.normal((0, 4), 0.1, (40, 2))])
    grid = density_grid(points)
    row, column = np.unravel_index(grid.shares.argmax(), grid.shares.shape)
    cell = (grid.high - grid.low) / 127
    np.testing.assert_allclose(grid.low + cell * (column, row), (9, -3), atol=0.3)


def test_a_density_grid_is_of_planes_only() -> None:
    for points in (np.zeros((4, 3)), np.empty((0, 2))):
        with pytest.raises(ValueError, match="density grid"):
            density_grid(points)
