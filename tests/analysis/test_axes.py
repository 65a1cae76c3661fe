from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embedder.analysis.axes import along, axis_between, laid
from embedder.analysis.comparison import compare, largest, norm
from embedder.analysis.similarity import unit_rows

ENTRIES = st.floats(-100, 100, width=32).map(lambda x: 0.0 if abs(x) < 1e-2 else x)
PAIR = st.integers(1, 12).flatmap(
    lambda d: st.tuples(arrays(np.float32, d, elements=ENTRIES), arrays(np.float32, d, elements=ENTRIES))
)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4))
def test_an_axis_has_length_one_turns_with_its_poles_and_orders_them(seed: int, a: int, b: int) -> None:
    random = np.random.default_rng(seed)
    start, end = (random.normal(size=(rows, 16)).astype(np.float32) for rows in (a, b))
    axis = axis_between(start, end)
    assert np.linalg.norm(axis) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(axis_between(end, start), -axis, atol=1e-6)
    np.testing.assert_allclose(axis_between(5 * start, end / 3), axis, atol=1e-5)
    assert along(unit_rows(start), axis).mean() < along(unit_rows(end), axis).mean()
    vectors = random.normal(size=(20, 16)).astype(np.float32)
    places = along(vectors, axis)
    np.testing.assert_allclose(places, unit_rows(vectors) @ axis, atol=1e-6)
    assert np.abs(along(np.stack([axis, -axis, 0 * axis]), axis) - [1, -1, 0]).max() < 1e-5


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4))
def test_rows_on_an_axis_are_in_the_order_of_their_places_which_turns_with_it(
    seed: int, a: int, b: int
) -> None:
    random = np.random.default_rng(seed)
    start, end = (random.normal(size=(rows, 16)).astype(np.float32) for rows in (a, b))
    vectors = np.repeat(random.normal(size=(10, 16)).astype(np.float32), 2, axis=0)  # two of each
    found, turned = laid(vectors, start, end), laid(vectors, end, start)
    np.testing.assert_array_equal(found.places, along(vectors, axis_between(start, end)))
    assert (np.diff(found.places[found.order]) >= 0).all()
    assert found.order.reshape(-1, 2).tolist() == [[row, row + 1] for row in found.order[::2]]
    np.testing.assert_allclose(turned.places, -found.places, atol=1e-6)
    np.testing.assert_allclose(turned.poles, -found.poles[::-1], atol=1e-6)
    assert found.poles[0] < found.poles[1]


def test_poles_without_a_way_between_them_are_refused() -> None:
    one = np.float32([[1, 2, 3]])
    with pytest.raises(ValueError, match="same vector"):
        axis_between(one, 2 * one)
    with pytest.raises(ValueError, match="at least one"):
        axis_between(one, np.empty((0, 3), dtype=np.float32))
    with pytest.raises(ValueError, match="no axis"):
        axis_between(one, np.float32([[1, 2]]))
    with pytest.raises(ValueError, match="finite"):
        axis_between(one, np.float32([[1, 2, np.nan]]))


@given(PAIR)
def test_two_vectors_compare_as_numpy_has_it(pair: tuple[np.ndarray, np.ndarray]) -> None:
    one, other = (vector.astype(np.float64) for vector in pair)
    found = compare(*pair)
    assert found.dot == pytest.approx(float(one @ other), rel=1e-6, abs=1e-9)
    assert found.products.sum(dtype=np.float64) == pytest.approx(found.dot, rel=1e-4, abs=1e-2)
    assert found.distance == pytest.approx(float(np.linalg.norm(one - other)), rel=1e-6)
    np.testing.assert_allclose(found.difference, one - other, rtol=1e-5, atol=1e-6)
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    assert found.cosine == pytest.approx(float(one @ other / lengths) if lengths else 0.0, abs=1e-5)
    assert norm(pair[0]) == pytest.approx(float(np.linalg.norm(one)), rel=1e-5)
    turned = compare(pair[1], pair[0])
    assert (turned.cosine, turned.distance) == pytest.approx((found.cosine, found.distance), abs=1e-6)


def test_the_largest_are_furthest_from_zero() -> None:
    assert largest(np.float32([1, -3, 3, 0.5, -2]), 3).tolist() == [1, 2, 4]
    assert largest(np.float32([1]), 12).tolist() == [0]


def test_vectors_of_two_widths_do_not_compare() -> None:
    with pytest.raises(ValueError, match="no cosine"):
        compare(np.float32([1, 2]), np.float32([1]))
