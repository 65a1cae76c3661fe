"""Cells of files as values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.collections.cells import typed_rows
from embedder.collections.rows import check_columns
from embedder.errors import InvalidInput


def test_columns_of_numbers_hold_numbers_and_empty_cells_are_left_out() -> None:
    columns = {
        "year": ["2024", "", "-1"],
        "price": ["1.5", "2", "3e2"],
        "zip": ["007", "12", "1"],
        "mixed": ["1", "two", ""],
        "huge": ["1" * 400, "1", "2"],
        "empty": ["", "", ""],
    }
    assert typed_rows(columns, 3) == [
        {"year": 2024, "price": 1.5, "zip": "007", "mixed": "1", "huge": "1" * 400},
        {"price": 2, "zip": "12", "mixed": "two", "huge": "1"},
        {"year": -1, "price": 300.0, "zip": "1", "huge": "2"},
    ]


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30), max_size=5
    )
)
def test_whatever_stands_in_a_file_can_be_kept(cells: list[str]) -> None:
    for row, cell in zip(typed_rows({"c": cells}, len(cells)), cells, strict=True):
        assert check_columns(row) == row
        assert bool(row) == bool(cell)


def test_too_much_is_refused() -> None:
    for columns in ({f"c{n}": ["x"] for n in range(65)}, {"x" * 129: ["x"]}, {"c": ["x" * 10_001]}):
        with pytest.raises(InvalidInput):
            typed_rows(columns, 1)
