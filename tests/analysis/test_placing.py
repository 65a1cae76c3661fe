"""A sample laid out and the others placed: against umap-learn's weights, and against the whole laid out."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedder.analysis.neighbours import Neighbours, nearest_neighbours
from embedder.analysis.placing import Effort, large_layout, place, settled, weights_of
from embedder.analysis.projection import LayoutOptions, umap_layout
from embedder.analysis.trust import trust_of

from .test_cells import topics


@settings(max_examples=30)
@given(st.integers(2, 20), st.integers(0, 9), st.floats(0.01, 1))
def test_weights_are_umaps(k: int, seed: int, width: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no Tensorflow
        from umap.umap_ import smooth_knn_dist

    random = np.random.default_rng(seed)
    distances = np.sort(0.02 + width * random.random((30, k)), axis=1).astype(np.float32)
    sigmas, rhos = smooth_knn_dist(distances, float(k))
    theirs = np.exp(-np.maximum(distances - rhos[:, None], 0) / sigmas[:, None])
    np.testing.assert_allclose(weights_of(distances), theirs, atol=0.02)


def test_weights_fall_and_what_is_not_there_has_none() -> None:
    weights = weights_of(np.array([[0, 0.1, 0.3, np.inf], [np.inf] * 4, [0.2] * 4], dtype=np.float32))
    assert weights[0, 0] == 1
    assert 1 > weights[0, 1] > weights[0, 2] > 0
    assert weights[0, 3] == 0
    assert not weights[1].any()
    np.testing.assert_allclose(weights[2], 1)


def test_a_point_stands_where_its_neighbours_are() -> None:
    points = np.array([[0, 0], [0, 1], [9, 9]], dtype=np.float32)
    beside = Neighbours(
        np.array([[0, 1], [2, -1], [-1, -1]]),
        np.array([[0.1, 0.1], [0.3, np.inf], [np.inf, np.inf]], np.float32),
    )
    found = place(beside, points)
    np.testing.assert_allclose(found[0], [0, 0.5], atol=0.01)
    np.testing.assert_allclose(found[1], [9, 9], atol=0.01)
    assert np.isnan(found[2]).all()


def test_placed_texts_are_trusted_nearly_as_much_as_laid_out_ones_and_again_the_same() -> None:
    rows = topics(3000, groups=60)
    near = nearest_neighbours(rows, 31)
    options = LayoutOptions()
    stages: list[str] = []
    made = large_layout(
        rows, options, near, effort=Effort(sample=600), told=lambda stage, _: stages.append(stage)
    )
    assert len(made.laid_out) == 600
    assert made.points.shape == (3000, 2)
    assert np.isfinite(made.points).all()
    assert list(dict.fromkeys(stages)) == ["Sample", "Layout of the sample", "Placing", "Settling"]
    whole = umap_layout(rows, options, neighbours=near)
    trusted = [trust_of(rows, points).trustworthiness for points in (made.points, whole.points)]
    assert trusted[0] > trusted[1] - 0.02
    again = large_layout(rows, options, near, effort=Effort(sample=600))
    np.testing.assert_array_equal(made.points, again.points)


def test_few_are_all_laid_out() -> None:
    rows = topics(100)
    made = large_layout(rows, LayoutOptions(), nearest_neighbours(rows, 31), effort=Effort(sample=100))
    np.testing.assert_array_equal(made.laid_out, np.arange(100))
    np.testing.assert_array_equal(made.points, umap_layout(rows).points)


def test_settling_brings_neighbours_together_and_takes_lists_that_end_early() -> None:
    rows = topics(600, groups=12)
    near = nearest_neighbours(rows, 16)
    start = np.random.default_rng(2).normal(scale=5, size=(600, 2)).astype(np.float32)
    before = trust_of(rows, start).trustworthiness
    cut = near.indices.copy()
    cut[:100, 10:] = -1
    found = settled(start, Neighbours(cut, near.distances), LayoutOptions(), epochs=60)
    assert np.isfinite(found).all()
    assert trust_of(rows, found).trustworthiness > before + 0.2
    np.testing.assert_array_equal(settled(start, near, LayoutOptions(), epochs=0), start)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_in_space_too(dimensions: int) -> None:
    rows = topics(900)
    options = LayoutOptions(dimensions=dimensions)
    made = large_layout(rows, options, nearest_neighbours(rows, 16), effort=Effort(sample=300, epochs=3))
    assert made.points.shape == (900, dimensions)
