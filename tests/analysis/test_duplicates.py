from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embedder.analysis import cosine_similarity, duplicates, nearest_neighbours
from embedder.analysis.duplicates import (
    duplicate_groups,
    equal_rows,
    find_alike,
    first_of_each,
    listed_pairs,
    neighbouring_pairs,
    similar_pairs,
)
from embedder.analysis.neighbours import KnownNeighbours, Neighbours
from embedder.analysis.outliers import most_alone, outlier_scores

# Few directions, so that ties and equal vectors are common.
VECTORS = st.integers(0, 14).flatmap(
    lambda n: arrays(np.float32, (n, 3), elements=st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0]))
)


def real_texts() -> tuple[list[str], np.ndarray]:
    """The sample that comes with the page: 3,000 sentences, and the default model's vectors of them."""
    path = Path(__file__).parents[2] / "assets" / "samples" / "python-library.npz"
    with np.load(path, allow_pickle=False) as arrays:
        return json.loads(arrays["told"].tobytes())["texts"], arrays["vectors"]


def by_hand(vectors: np.ndarray, most: int) -> tuple[list[tuple[int, int]], list[float]]:
    scores = cosine_similarity(vectors) if len(vectors) else np.empty((0, 0))
    pairs = [(i, j) for i in range(len(vectors)) for j in range(i + 1, len(vectors))]
    pairs.sort(key=lambda pair: (-scores[pair], pair))
    return pairs[:most], [float(scores[pair]) for pair in pairs]


@settings(max_examples=150)
@given(VECTORS, st.integers(1, 60), st.integers(1, 6))
def test_pairs_are_the_best_of_all_whatever_the_tiles(vectors: np.ndarray, most: int, tile: int) -> None:
    expected, scores = by_hand(vectors, most)
    with patch.object(duplicates, "_TILE", tile):
        found = similar_pairs(vectors, most=most)
    np.testing.assert_allclose(found.scores, scores[:most], atol=1e-6)
    assert (found.left < found.right).all()
    assert len({*zip(found.left.tolist(), found.right.tolist(), strict=True)}) == len(expected)
    beyond = found.complete_above
    every = sum(score > beyond + 1e-6 for score in scores)
    assert (found.scores > beyond + 1e-6).sum() == every, "above that score none is missing"
    if len(scores) <= most:
        assert beyond == -np.inf
    for least in (-1.0, 0.0, 0.5, 1.0):
        assert found.count(least) == int((found.scores >= np.float32(least)).sum())


@settings(max_examples=150)
@given(VECTORS, st.integers(1, 8), st.integers(0, 9), st.integers(1, 60), st.data())
def test_pairs_from_lists_are_all_there_above_where_they_say(
    vectors: np.ndarray, k: int, full: int, most: int, data: st.DataObject
) -> None:
    some = data.draw(st.lists(st.booleans(), min_size=len(vectors), max_size=len(vectors)))
    here = np.flatnonzero(np.array(some, dtype=bool))
    found = nearest_neighbours(vectors, k) if len(vectors) else Neighbours(*np.empty((2, 0, 0)))
    place = np.full(len(vectors), -1, dtype=np.int64)
    place[here] = np.arange(len(here))
    near = place[found.indices[here].astype(np.int64)]
    known = KnownNeighbours(near, found.distances[here], len(vectors), 1.0, True)
    rows = np.arange(0, len(here), 2)  # as if the others were equal to one before
    with patch.object(duplicates, "FULL_LISTS", full):
        pairs = listed_pairs(known, vectors[here], rows, most=most)
    expected, scores = by_hand(vectors[here][rows], len(vectors) ** 2)
    true = {
        (int(rows[one]), int(rows[two])): score for (one, two), score in zip(expected, scores, strict=True)
    }
    listed = [*zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)]
    assert len(set(listed)) == len(listed) <= most
    np.testing.assert_allclose(pairs.scores, [true[pair] for pair in listed], atol=1e-6)
    assert (np.diff(pairs.scores) <= 0).all()
    assert {pair for pair, score in true.items() if score > pairs.complete_above + 1e-6} <= set(listed)
    if full >= len(rows) and len(true) <= most:
        assert set(listed) == set(true)


@pytest.mark.parametrize("full", [0, 300, 3000])
@pytest.mark.parametrize("step", [1, 3])
def test_of_real_texts_lists_give_the_pairs_that_comparing_all_gives(full: int, step: int) -> None:
    texts, vectors = real_texts()
    found = nearest_neighbours(vectors, 31)
    here = np.arange(0, len(vectors), step)
    place = np.full(len(vectors), -1, dtype=np.int64)
    place[here] = np.arange(len(here))
    known = KnownNeighbours(place[found.indices[here]], found.distances[here], len(vectors), 1.0, True)
    some = [texts[row] for row in here]
    true = find_alike(vectors[here], some)
    with patch.object(duplicates, "FULL_LISTS", full):
        listed = find_alike(vectors[here], some, neighbours=known)
    np.testing.assert_array_equal(listed.firsts, true.firsts)
    least = listed.pairs.complete_above + 1e-6
    assert least < {0: 0.99, 300: 0.75, 3000: 0.5}[full]
    assert true.pairs.count(least) > 20
    (pairs, groups), (true_pairs, true_groups) = listed.groups(least), true.groups(least)
    assert pairs == true_pairs
    assert [group.tolist() for group in groups] == [group.tolist() for group in true_groups]
    np.testing.assert_allclose(listed.pairs.scores[:pairs], true.pairs.scores[:pairs], atol=1e-6)


@settings(max_examples=200)
@given(VECTORS, st.integers(1, 8), st.integers(1, 60), st.integers(1, 3))
def test_pairs_from_exact_lists_of_all_are_the_best_of_all(
    vectors: np.ndarray, k: int, most: int, step: int
) -> None:
    rows = np.arange(0, len(vectors), step)  # as if the others were equal to one before
    lists = nearest_neighbours(vectors, k)
    found = neighbouring_pairs(lists, vectors, rows, most=most)
    expected, scores = by_hand(vectors[rows], most)
    np.testing.assert_allclose(found.scores, scores[:most], atol=1e-6)
    assert len({*zip(found.left.tolist(), found.right.tolist(), strict=True)}) == len(expected)
    assert (found.left < found.right).all()
    beyond = found.complete_above
    assert beyond == -np.inf or beyond <= scores[len(expected) - 1] + 1e-6, "as far down as comparing all"
    assert (found.scores > beyond + 1e-6).sum() == sum(score > beyond + 1e-6 for score in scores)
    if len(scores) <= most:
        assert beyond == -np.inf


def test_of_real_texts_shared_neighbours_give_all_pairs_and_few_are_compared_again() -> None:
    texts, vectors = real_texts()
    texts, vectors = texts + texts[:50], np.concatenate([vectors, vectors[:50]])
    lists = nearest_neighbours(vectors, 31)
    true = find_alike(vectors, texts, most=5000)
    with patch.object(duplicates, "similar_pairs", wraps=similar_pairs) as compared:
        found = find_alike(vectors, texts, neighbours=lists, most=5000)
    np.testing.assert_array_equal(found.firsts, true.firsts)
    np.testing.assert_allclose(found.pairs.scores, true.pairs.scores, atol=1e-6)
    assert found.pairs.complete_above == pytest.approx(true.pairs.complete_above, abs=1e-3)
    for least in (0.95, 0.8, true.pairs.complete_above + 1e-5):
        assert [group.tolist() for group in found.groups(least)[1]] == [
            group.tolist() for group in true.groups(least)[1]
        ]
    ((rows, *_), _), *others = compared.call_args_list
    assert not others
    assert len(rows) < len(texts) / 3


def test_progress_rises_to_one_and_may_end_it() -> None:
    vectors = np.random.default_rng(1).normal(size=(2500, 8)).astype(np.float32)
    shares: list[float] = []
    found = similar_pairs(vectors, most=100, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    exact = cosine_similarity(vectors)[np.triu_indices(2500, 1)]
    np.testing.assert_allclose(found.scores, np.sort(exact)[::-1][:100], atol=1e-6)

    def stop(_share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        similar_pairs(vectors, progress=stop)


@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))
    )
)
def test_groups_are_what_pairs_join(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    n, pairs = drawn
    pairs = [pair for pair in pairs if pair[0] != pair[1]]
    whose = list(range(n))
    for one, other in pairs:  # union by relabelling, slow and plain
        whose = [whose[one] if label == whose[other] else label for label in whose]
    expected = {tuple(row for row in range(n) if whose[row] == label) for label in whose}
    left, right = (
        np.array(side, dtype=np.int64) for side in (zip(*pairs, strict=True) if pairs else ((), ()))
    )
    groups = duplicate_groups(n, left, right)
    assert {tuple(group.tolist()) for group in groups} == {group for group in expected if len(group) > 1}
    assert [len(group) for group in groups] == sorted((len(group) for group in groups), reverse=True)
    keep = first_of_each(n, groups)
    assert {min(group) for group in expected} == set(np.flatnonzero(keep).tolist()), "one of each stays"


@given(st.lists(st.sampled_from(["a", "A", "b", ""])))
def test_equal_rows_point_at_the_first(texts: list[str]) -> None:
    assert equal_rows(texts).tolist() == [texts.index(text) for text in texts]


@given(VECTORS.filter(len), st.integers(1, 20))
def test_an_outlier_is_far_from_its_kth_neighbour(vectors: np.ndarray, k: int) -> None:
    scores = outlier_scores(nearest_neighbours(vectors), k)
    distances = np.maximum(1.0 - cosine_similarity(vectors), 0)
    for row, score in enumerate(scores):
        others = np.sort(np.delete(distances[row], row))
        assert score == pytest.approx(
            float(others[min(k, len(others)) - 1]) if len(others) else 0.0, abs=1e-6
        )
    order = most_alone(scores, 5)
    assert order.tolist() == sorted(range(len(scores)), key=lambda row: (-scores[row], row))[:5]


@pytest.mark.parametrize("wrong", [0, -1])
def test_there_is_no_neighbour_zero(wrong: Any) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        outlier_scores(nearest_neighbours(np.ones((3, 2))), wrong)
