"""Near neighbours by cells, against all there are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedder.analysis.cells import Cells, cells_of, nearest_by_cells
from embedder.analysis.neighbours import nearest_neighbours
from embedder.analysis.similarity import unit_rows


def topics(n: int, d: int = 24, groups: int = 40, seed: int = 1) -> np.ndarray:
    """Unit rows around so many directions."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(groups, d))
    return unit_rows(centres[random.integers(groups, size=n)] + 0.4 * random.normal(size=(n, d)))


@settings(max_examples=40)
@given(st.integers(1, 200), st.integers(1, 12), st.integers(1, 30), st.integers(0, 5))
def test_cells_hold_each_row_once(n: int, count: int, copies: int, seed: int) -> None:
    rows = unit_rows(np.random.default_rng(seed).normal(size=(n, 5)))
    rows[:copies] = rows[0]  # many equal rows would be one cell of any size
    cells = cells_of(rows, count=count)
    np.testing.assert_array_equal(np.sort(cells.order), np.arange(n))
    assert cells.starts[0] == 0
    assert cells.starts[-1] == n
    sizes = np.diff(cells.starts)
    assert sizes.min() >= 0
    assert sizes.max() <= max(1, 4 * n // min(count, n))
    assert cells.nearest.min() >= 0
    assert cells.nearest.max() < len(sizes)
    assert all(len(set(row.tolist())) == len(row) for row in cells.nearest)
    np.testing.assert_array_equal(cells.nearest[cells.order, 0], np.repeat(np.arange(len(sizes)), sizes))


@settings(max_examples=40)
@given(st.integers(1, 120), st.integers(1, 130), st.integers(1, 3))
def test_what_looks_everywhere_finds_what_is_exact(n: int, k: int, threads: int) -> None:
    rows = topics(n, d=6, groups=5, seed=n)
    rows[n // 2 :: 3] = rows[0]
    everywhere = Cells(np.arange(n), np.array([0, n]), np.zeros((n, 1), dtype=np.int32))
    found, exact = nearest_by_cells(rows, k, cells=everywhere, threads=threads), nearest_neighbours(rows, k)
    np.testing.assert_array_equal(found.indices[:, 0], np.arange(n))
    np.testing.assert_array_equal(found.distances[:, 0], 0)
    np.testing.assert_allclose(found.distances, exact.distances, atol=1e-6)
    for row, others in enumerate(found.indices):
        assert len(set(others.tolist())) == min(k, n), row


def test_most_true_neighbours_are_found_and_their_distances_are_true() -> None:
    rows = topics(6000)
    found, exact = nearest_by_cells(rows, 16, threads=2), nearest_neighbours(rows, 16)
    shared = np.mean(
        [len(np.intersect1d(a, b)) / 16 for a, b in zip(found.indices, exact.indices, strict=True)]
    )
    assert shared > 0.95
    true = 1 - np.einsum("nd,nkd->nk", rows, rows[found.indices])
    np.testing.assert_allclose(found.distances, true, atol=1e-5)
    again = nearest_by_cells(rows, 16)
    np.testing.assert_array_equal(found.indices, again.indices)


def test_only_those_asked_for_are_found() -> None:
    rows = topics(500)
    among = np.arange(0, 500, 7)
    found = nearest_by_cells(rows, 5, among=among)
    assert np.isin(found.indices, [-1, *among]).all()
    assert (np.isinf(found.distances) == (found.indices < 0)).all()
    exact = 1 - rows @ rows[among].T
    right = np.isclose(np.sort(exact, axis=1)[:, :5], found.distances, atol=1e-5).mean()
    assert right > 0.9


def test_progress_rises_to_one_and_no_neighbour_is_refused() -> None:
    told: list[float] = []
    nearest_by_cells(topics(400), 3, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1
    with pytest.raises(ValueError, match="1 or more"):
        nearest_by_cells(topics(9), 0)
