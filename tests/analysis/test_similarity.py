from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

from embedder.analysis import cosine_similarity, nearest_neighbours, similarity, top_k, unit_rows
from embedder.analysis.neighbours import Neighbours
from embedder.analysis.similarity import are_unit, directed

ENTRIES = st.floats(-1e3, 1e3, width=32).map(lambda x: 0.0 if abs(x) < 1e-3 else x)
VECTORS = st.tuples(st.integers(1, 12), st.integers(1, 6)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=ENTRIES)
)


@given(VECTORS)
def test_cosines_are_scipys_and_zero_vectors_score_nothing(vectors: np.ndarray) -> None:
    scores = cosine_similarity(vectors)
    zero = ~vectors.any(axis=1)
    assert (scores[zero] == 0).all()
    assert (scores[:, zero] == 0).all()
    rows = vectors[~zero].astype(np.float64)
    if len(rows):
        expected = 1 - cdist(rows, rows, "cosine")
        np.testing.assert_allclose(scores[np.ix_(~zero, ~zero)], expected, atol=2e-6)
    assert np.abs(scores).max() <= 1


@given(VECTORS)
def test_rows_of_length_one_are_known_and_only_zeros_have_no_direction(vectors: np.ndarray) -> None:
    there = directed(vectors)
    assert there.tolist() == [any(row) for row in vectors.tolist()]
    rounded = unit_rows(vectors).astype(np.float16).astype(np.float32)
    assert are_unit(rounded) is bool(there.all())
    assert not are_unit(1.01 * rounded)


@given(VECTORS, st.integers(0, 15))
def test_top_k_is_a_stable_sort_of_the_scores(vectors: np.ndarray, k: int) -> None:
    indices, scores = top_k(vectors[:3], vectors, k)
    expected = np.argsort(-cosine_similarity(vectors[:3], vectors), axis=1, kind="stable")[:, :k]
    assert indices.tolist() == expected.tolist()
    np.testing.assert_array_equal(
        scores, np.take_along_axis(cosine_similarity(vectors[:3], vectors), expected, axis=1)
    )


@pytest.mark.parametrize("threads", [1, 3])
def test_neither_blocks_nor_threads_change_anything(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    whole = top_k(vectors, vectors, 5)
    monkeypatch.setattr(similarity, "BLOCK_BYTES", 4 * 50 * 7)
    parts = top_k(vectors, vectors, 5, threads=threads)
    assert whole[0].tolist() == parts[0].tolist()
    np.testing.assert_allclose(whole[1], parts[1], atol=1e-6)


def test_unit_rows_of_huge_and_tiny_vectors() -> None:
    rows = unit_rows([[3e38, 4e38 / 2], [3e-40, 4e-40], [0, 0]])
    np.testing.assert_allclose(np.linalg.norm(rows[:2], axis=1), 1, atol=1e-3)
    assert rows[2].tolist() == [0, 0]


def test_wrong_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        cosine_similarity([[np.nan, 1.0]])
    with pytest.raises(ValueError, match=r"\(n, d\)"):
        cosine_similarity([1.0, 2.0])
    with pytest.raises(ValueError, match="2 and 3 dimensions"):
        cosine_similarity(np.ones((1, 2)), np.ones((1, 3)))
    with pytest.raises(ValueError, match="0 or more"):
        top_k(np.ones((1, 2)), np.ones((1, 2)), -1)


@settings(max_examples=60)
@given(VECTORS, st.integers(1, 15))
def test_every_row_is_its_own_first_neighbour(vectors: np.ndarray, k: int) -> None:
    found = nearest_neighbours(vectors, k)
    n = len(vectors)
    assert found.indices.shape == found.distances.shape == (n, min(k, n))
    assert found.indices[:, 0].tolist() == list(range(n))
    assert (np.diff(found.distances, axis=1) >= -1e-6).all()
    assert all(len(set(row)) == len(row) for row in found.indices.tolist())
    nearest = 1 - np.take_along_axis(cosine_similarity(vectors), found.indices, axis=1)
    np.testing.assert_allclose(found.distances[:, 1:], nearest[:, 1:], atol=1e-5)


def test_a_list_is_told_with_cosines_and_without_those_that_are_not_here() -> None:
    lists = Neighbours(np.array([[0, 2, -1, 1]]), np.float32([[0, 0.25, 0.5, 1.5]]))
    rows, cosines = lists.of(0)
    assert (rows.tolist(), cosines.tolist()) == ([0, 2, 1], [1, 0.75, -0.5])


def test_no_vectors_have_no_neighbours() -> None:
    found = nearest_neighbours(np.empty((0, 4)), 3)
    assert found.indices.shape == (0, 0)


@pytest.mark.parametrize(("n", "k"), [(700, 3), (3000, 101), (257, 256), (40, 40)])
def test_the_best_of_many_are_those_of_a_stable_sort(n: int, k: int) -> None:
    """Coarse numbers: many equal scores, of both signs and both zeros."""
    scores = np.random.default_rng(n).integers(-20, 20, size=(9, n)).astype(np.float32) / 20
    scores[scores == 0] *= np.where(np.arange((scores == 0).sum()) % 2, 1, -1)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(similarity.best_columns(scores, k), expected)


@pytest.mark.parametrize("threads", [1, 2])
def test_progress_of_neighbours_rises_to_the_whole(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr(similarity, "BLOCK_BYTES", 4 * 300 * 10)
    told: list[float] = []
    vectors = np.random.default_rng(0).normal(size=(300, 8))
    found = nearest_neighbours(vectors, 7, threads=threads, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) == 30
    np.testing.assert_array_equal(found.nearest(3).indices, nearest_neighbours(vectors, 3).indices)
