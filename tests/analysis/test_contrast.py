"""What sets a selection apart, whatever is selected of whatever values."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from embedder.analysis.contrast import LEAST_Z, WordCounts, contrasted

FRUIT = ["apple", "banana", "cherry", "grape", "lemon", "peach"]
CHOSEN = st.lists(st.tuples(st.sampled_from(FRUIT), st.booleans()), min_size=1, max_size=60).map(
    lambda rows: ([value for value, _ in rows], np.flatnonzero([inside for _, inside in rows]))
)
UNEVEN = st.builds(
    lambda inside, outside: (
        [
            value
            for side in (inside, outside)
            for value, count in zip(FRUIT, side, strict=True)
            for _ in range(count)
        ],
        np.arange(sum(inside)),
    ),
    *[st.lists(st.integers(0, 30), min_size=len(FRUIT), max_size=len(FRUIT))] * 2,
).filter(lambda given: bool(given[0]))
"""A selection and the rest with as many of each value as it happens: something is often special."""


@given(CHOSEN | UNEVEN, st.integers(1, 6))
def test_what_is_counted_are_rows_of_the_selection_and_of_all(
    given: tuple[list[str], np.ndarray], count: int
) -> None:
    values, selected = given
    found = contrasted(values, selected, count=count)
    inside, whole = Counter(values[row] for row in selected), Counter(values)
    assert all((held, total) == (inside[name], whole[name]) for name, held, total in found.common)
    numbers = [held for _, held, _ in found.common]
    assert numbers == sorted(inside.values(), reverse=True)[:count]
    assert found.others == len(inside) - len(found.common)
    assert all((one.selected, one.total) == (inside[one.name], whole[one.name]) for one in found.special)


@given(CHOSEN | UNEVEN)
def test_what_is_special_has_the_larger_share_and_is_not_special_of_the_rest(
    given: tuple[list[str], np.ndarray],
) -> None:
    values, selected = given
    found = contrasted(values, selected, count=len(FRUIT)).special
    rest = np.setdiff1d(np.arange(len(values)), selected)
    assert [one.z for one in found] == sorted((one.z for one in found), reverse=True)
    for one in found:
        assert one.z >= LEAST_Z - 0.005, "told with two decimals"
        assert one.selected / len(selected) > (one.total - one.selected) / len(rest)
    others = {one.name for one in contrasted(values, rest, count=len(FRUIT)).special}
    assert not others & {one.name for one in found}


@given(CHOSEN | UNEVEN, st.integers(0, 2**32 - 1))
def test_it_does_not_matter_in_which_order_rows_are(given: tuple[list[str], np.ndarray], seed: int) -> None:
    values, selected = given
    order = np.random.default_rng(seed).permutation(len(values))
    mixed, places = [values[row] for row in order], np.flatnonzero(np.isin(order, selected))
    assert contrasted(mixed, places[::-1]) == contrasted(values, selected)
    assert WordCounts(mixed).special(places) == WordCounts(values).special(selected)


@given(CHOSEN | UNEVEN, st.integers(1, 3))
def test_words_of_texts_are_told_as_values_of_a_column_are(
    given: tuple[list[str], np.ndarray], times: int
) -> None:
    values, selected = given
    expected = contrasted(values, selected, count=12).special
    # Said twice in one text a word is still held by one text.
    assert WordCounts([f"{value} " * times for value in values]).special(selected) == expected
