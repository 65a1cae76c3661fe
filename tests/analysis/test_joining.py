"""Neighbours brought up to date are those found anew."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from embedder.analysis.joining import carried, carried_places, joined
from embedder.analysis.neighbours import Neighbours, nearest_neighbours
from embedder.analysis.similarity import unit_rows

from .test_cells import topics


@settings(max_examples=60)
@given(st.integers(2, 40), st.integers(0, 15), st.integers(0, 12), st.integers(1, 9), st.integers(0, 99))
def test_after_texts_came_and_went_the_lists_are_exact(
    n: int, gone: int, new: int, k: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    before = unit_rows(random.normal(size=(n, 3)))
    k = min(k, n)
    known = nearest_neighbours(before, k)
    staying = np.sort(random.choice(n, max(1, n - gone), replace=False))
    after = np.concatenate([before[staying], unit_rows(random.normal(size=(new, 3)))])
    order = random.permutation(len(after))
    after = after[order]
    k = min(k, len(after))
    number = np.full(n, -1, dtype=np.int64)
    number[staying] = np.argsort(order)[: len(staying)]
    lists, anew = carried(known.nearest(k), number, len(after))
    assert set(np.argsort(order)[len(staying) :]) <= set(anew.tolist())
    found, exact = joined(after, lists, anew), nearest_neighbours(after, k)
    np.testing.assert_allclose(found.distances, exact.distances, atol=1e-5)
    true = 1 - np.einsum("nd,nkd->nk", after, after[found.indices])
    np.testing.assert_allclose(found.distances, true, atol=1e-5)
    np.testing.assert_array_equal(found.indices[:, 0], np.arange(len(after)))
    assert all(len(set(row.tolist())) == k for row in found.indices)


def test_copies_are_listed_once_each() -> None:
    rows = np.repeat(unit_rows(np.random.default_rng(1).normal(size=(5, 4))), 6, axis=0)
    known = nearest_neighbours(rows[:-2], 5)
    lists, anew = carried(known, np.arange(28), 30)
    np.testing.assert_array_equal(anew, [28, 29])
    found = joined(rows, lists, anew)
    assert all(len(set(row.tolist())) == 5 for row in found.indices)
    np.testing.assert_allclose(found.distances, 0, atol=1e-6)


def test_who_had_a_place_stays_there_and_who_had_none_stands_beside_the_nearest() -> None:
    rows = topics(300, groups=4)
    places = (10 * rows[:250, :2]).astype(np.float32)
    number = np.arange(250)
    number[7] = -1  # gone, or changed: row 7 is another text
    near = nearest_neighbours(rows, 31)
    found, had = carried_places(rows, near, places, number)
    np.testing.assert_array_equal(np.flatnonzero(~had), [7, *range(250, 300)])
    np.testing.assert_array_equal(found[had], places[number >= 0])
    whose = np.argmax(np.where(had[None], rows @ rows.T, -2), axis=1)
    away = np.linalg.norm(found - found[whose], axis=1)[~had]
    assert np.median(away) < np.median(np.linalg.norm(places - places.mean(axis=0), axis=1)) / 2


def test_new_ones_of_their_own_kind_are_placed_too() -> None:
    rows = np.concatenate([topics(60, groups=2), -topics(40, groups=1)])
    near = nearest_neighbours(rows, 9)
    found, had = carried_places(rows, near, (5 * rows[:60, :2]).astype(np.float32), np.arange(60))
    assert had.sum() == 60
    assert np.isfinite(found).all()
    assert isinstance(near, Neighbours)
