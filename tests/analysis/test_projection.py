from __future__ import annotations

import subprocess
import sys
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embedder.analysis import pca_2d, pca_layout, projection, umap_layout


def clusters(n: int = 120, d: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Three directions with noise: vectors `(n, d)` and whose each is."""
    random = np.random.default_rng(1)
    whose = np.arange(n) % 3
    centres = np.linalg.qr(random.normal(size=(d, 3)))[0].T
    return (centres[whose] + random.normal(scale=0.05, size=(n, d))).astype(np.float32), whose


@settings(max_examples=60)
@given(
    st.tuples(st.integers(0, 8), st.integers(1, 6)).flatmap(
        lambda shape: arrays(np.float32, shape, elements=st.floats(-100, 100, width=32))
    )
)
def test_pca_is_finite_centred_and_repeatable(vectors: np.ndarray) -> None:
    found = pca_2d(vectors)
    assert found.points.shape == (len(vectors), 2)
    assert found.points.dtype == np.float32
    assert np.isfinite(found.points).all()
    if len(vectors):
        np.testing.assert_allclose(found.points.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_array_equal(found.points, pca_2d(vectors).points)


@pytest.mark.parametrize("shape", [(40, 9), (40, 2), (3, 9), (1, 9)])
def test_a_third_direction_stands_after_the_two_of_the_plane(shape: tuple[int, int]) -> None:
    vectors = np.random.default_rng(5).normal(size=shape).astype(np.float32)
    plane, space = pca_2d(vectors), pca_layout(vectors, 3)
    assert space.points.shape == (shape[0], 3)
    np.testing.assert_allclose(space.points[:, :2], plane.points, atol=1e-5)
    assert not space.points[:, 2].any() or shape[1] > 2
    if plane.explained_share is not None:
        assert (space.explained_share or 0) >= plane.explained_share - 1e-6


@pytest.mark.parametrize("method", ["umap", "tsne"])
def test_layouts_have_a_third_dimension(method: Literal["umap", "tsne"]) -> None:
    from sklearn.manifold import trustworthiness

    vectors, _ = clusters()
    lay_out = {"umap": umap_layout, "tsne": projection.tsne_layout}[method]
    points = lay_out(vectors, projection.LayoutOptions(method, dimensions=3)).points
    assert points.shape == (120, 3)
    assert points.std(axis=0).min() > 0.1
    assert trustworthiness(vectors, points, n_neighbors=5, metric="cosine") > 0.8


def test_tsne_has_no_third_dimension_for_very_many() -> None:
    many = np.zeros((projection.MOST_TSNE_IN_SPACE + 1, 3))
    with pytest.raises(ValueError, match="up to 10,000"):
        projection.tsne_layout(many, projection.LayoutOptions("tsne", dimensions=3))


def test_pca_keeps_distances_of_a_plane() -> None:
    plane = np.random.default_rng(3).normal(size=(20, 2))
    turned = plane @ np.linalg.qr(np.random.default_rng(4).normal(size=(9, 9)))[0][:2]
    found = pca_2d(turned)
    before = np.linalg.norm(plane[:, None] - plane[None], axis=-1)
    after = np.linalg.norm(found.points[:, None] - found.points[None], axis=-1)
    np.testing.assert_allclose(after, before, atol=1e-4)
    assert found.explained_share == pytest.approx(1.0)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_equal_vectors_fall_on_one_point(n: int) -> None:
    vectors = np.full((n, 5), 0.1, dtype=np.float32)
    assert not pca_2d(vectors).points.any()
    assert not umap_layout(vectors).points.any()


def test_too_few_for_umap_get_pca() -> None:
    assert umap_layout(np.eye(projection.SMALLEST_UMAP - 1)).method == "pca"


@pytest.mark.parametrize("n", [5, 14, 120])
def test_umap_is_finite_and_repeatable(n: int) -> None:
    vectors, _ = clusters(n)
    first = umap_layout(vectors)
    assert first.method == "umap"
    assert first.points.shape == (n, 2)
    assert np.isfinite(first.points).all()
    np.testing.assert_array_equal(first.points, umap_layout(vectors).points)


def test_what_umap_compiles_is_kept_for_the_next_process() -> None:
    program = """
import numpy as np
from umap import layouts, umap_
from embedder.analysis import umap_layout

umap_layout(np.random.default_rng(0).normal(size=(30, 8)))
kept = (umap_.smooth_knn_dist, umap_.compute_membership_strengths,
        layouts._nb_optimize_layout_euclidean_single_epoch)
print([(len(one.stats.cache_hits), len(one.stats.cache_misses)) for one in kept])
"""
    told = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert told[1].stdout.strip() == "[(1, 0), (1, 0), (1, 0)]"


def test_umap_survives_duplicates_and_zero_vectors() -> None:
    vectors, _ = clusters(30)
    vectors[:20] = vectors[0]
    vectors[20:23] = 0
    assert np.isfinite(umap_layout(vectors).points).all()


def test_umap_keeps_neighbourhoods_and_parts_clusters() -> None:
    from sklearn.manifold import trustworthiness

    vectors, whose = clusters()
    points = umap_layout(vectors).points
    assert trustworthiness(vectors, points, n_neighbors=5, metric="cosine") > 0.8
    centres = np.stack([points[whose == c].mean(axis=0) for c in range(3)])
    nearest = np.linalg.norm(points[:, None] - centres[None], axis=-1).argmin(axis=1)
    assert (nearest == whose).all()


def test_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        pca_2d([[np.inf, 0.0]])


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 30))
def test_a_part_of_a_layout_stays_where_it_was(data: st.DataObject, n: int) -> None:
    labels = np.array(data.draw(st.lists(st.integers(-1, 4), min_size=n, max_size=n)), dtype=np.int32)
    rows = np.array(sorted(data.draw(st.sets(st.integers(0, n - 1), min_size=1))), dtype=np.int64)
    whole = projection.Projection(np.arange(2 * n, dtype=np.float32).reshape(n, 2), "umap", None, labels)
    part = projection.part_of(whole, rows)
    np.testing.assert_array_equal(part.points, whole.points[rows])
    assert part.clusters is not None
    found = sorted(set(part.clusters.tolist()) - {-1})
    assert found == list(range(len(found))), "numbered without a gap"
    before, after = labels[rows], part.clusters
    assert ((before[:, None] == before) == (after[:, None] == after)).all(), "who was together still is"
    assert ((before == -1) == (after == -1)).all()
    assert projection.part_of(projection.Projection(whole.points, "pca"), rows).clusters is None
