"""Filters: what they mean, what is refused, and that a store's translation means the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedder.collections.filters import MAX_DEPTH, matches, parse_filter
from embedder.collections.store import Table
from embedder.errors import InvalidInput
from tests.collections.conftest import DIMENSIONS, rows_of
from tests.collections.stores import new_place, opened

NAMES = ["plain", "it's", 'a "b".c', "東京", "-- x", "s0"]
VALUES: list[Any] = [
    "", "a", "b", "B", "it's", '"', "\\", "\n", "%_", "null", "true", "1", "é", "e\u0301", "💥", "\uffff",
    0, 1, -1, 2, 0.5, -0.0, 1.0, 2**53, 2**62, -(2**62), 1e300, -1e-300, 5e-324, True, False,
]  # fmt: skip

values = st.sampled_from(VALUES)
columns = st.dictionaries(st.sampled_from(NAMES), values, max_size=4)
ordered = st.builds(
    lambda operator, key, value: {"type": operator, "key": key, "value": value},
    st.sampled_from(["gt", "gte", "lt", "lte"]),
    st.sampled_from([*NAMES, "missing"]),
    values.filter(lambda value: not isinstance(value, bool)),
)
equal = st.builds(
    lambda operator, key, value: {"type": operator, "key": key, "value": value},
    st.sampled_from(["eq", "ne"]),
    st.sampled_from([*NAMES, "missing"]),
    values,
)
several = st.builds(
    lambda operator, key, some: {"type": operator, "key": key, "value": some},
    st.sampled_from(["in", "nin"]),
    st.sampled_from([*NAMES, "missing"]),
    st.lists(values, min_size=1, max_size=5),
)
filters = st.recursive(
    st.one_of(ordered, equal, several),
    lambda parts: st.builds(
        lambda operator, some: {"type": operator, "filters": some},
        st.sampled_from(["and", "or"]),
        st.lists(parts, min_size=1, max_size=3),
    ),
    max_leaves=6,
)

COLUMNS = [{name: value} for name in NAMES for value in VALUES] + [{}, {NAMES[0]: 1, NAMES[1]: "a"}]


@pytest.fixture(scope="module", params=["lance", "postgres", "milvus"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    """A table that has every value in every column."""
    store = opened(request.param, new_place(request.param, request, tmp_path_factory.mktemp("filters")))
    table = store.create("all", DIMENSIONS, {})
    table.upsert(rows_of([f"row {n}" for n in range(len(COLUMNS))], columns=COLUMNS))
    yield table
    store.close()


@given(filters)
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_store_lets_pass_what_the_meaning_lets_pass(filled: Table, told: dict[str, Any]) -> None:
    wanted = parse_filter(told)
    passing = [place for place, row in enumerate(COLUMNS) if matches(wanted, row)]
    assert filled.count(wanted) == len(passing)
    if passing and len(passing) <= 20:
        hits = filled.keyword("row", 1000, wanted)
        assert {hit.row.id for hit in hits} == {f"row {place}" for place in passing}


@given(filters, columns)
def test_a_negation_is_the_opposite(told: dict[str, Any], row: dict[str, Any]) -> None:
    opposite = {"eq": "ne", "ne": "eq", "in": "nin", "nin": "in"}
    if told["type"] in opposite:
        other = parse_filter(told | {"type": opposite[told["type"]]})
        assert matches(parse_filter(told), row) != matches(other, row)


def test_values_of_different_kinds_never_compare() -> None:
    def passes(operator: str, value: Any, cell: Any) -> bool:
        return matches(parse_filter({"type": operator, "key": "k", "value": value}), {"k": cell})

    assert passes("eq", 1, 1.0)
    assert not passes("eq", 1, True)
    assert not passes("eq", "1", 1)
    assert not passes("gt", 1, "2")
    assert not passes("lt", "a", 1)
    assert passes("lt", "b", "a")
    assert passes("gte", 2, 2)
    assert passes("nin", ["1", True], 1)
    assert matches(parse_filter({"key": "k", "value": "x"}), {"k": "x"}), "eq is the default"


def nested(depth: int) -> dict[str, Any]:
    told: dict[str, Any] = {"type": "eq", "key": "k", "value": 1}
    for _ in range(depth):
        told = {"type": "and", "filters": [told]}
    return told


@pytest.mark.parametrize(
    "told",
    [
        None, [], "eq", 1, {},
        {"type": "eq", "key": "k"},
        {"type": "eq", "value": 1},
        {"type": "eq", "key": "", "value": 1},
        {"type": "eq", "key": "k" * 129, "value": 1},
        {"type": "eq", "key": 1, "value": 1},
        {"type": "like", "key": "k", "value": 1},
        {"type": ["eq"], "key": "k", "value": 1},
        {"type": "eq", "key": "k", "value": None},
        {"type": "eq", "key": "k", "value": [1]},
        {"type": "eq", "key": "k", "value": {"a": 1}},
        {"type": "eq", "key": "k", "value": float("nan")},
        {"type": "eq", "key": "k", "value": float("inf")},
        {"type": "eq", "key": "k", "value": 2**63},
        {"type": "eq", "key": "k", "value": "\ud800"},
        {"type": "eq", "key": "k", "value": "x" * 10_001},
        {"type": "gt", "key": "k", "value": True},
        {"type": "in", "key": "k", "value": 1},
        {"type": "in", "key": "k", "value": []},
        {"type": "in", "key": "k", "value": [None]},
        {"type": "in", "key": "k", "value": [1] * 1001},
        {"type": "and"},
        {"type": "and", "filters": []},
        {"type": "or", "filters": {}},
        {"type": "or", "filters": [1]},
        {"type": "or", "filters": [{"key": "k", "value": 1}] * 101},
        {"type": "and", "filters": [{"type": "or", "filters": [{"key": "k", "value": 1}] * 51}] * 2},
        nested(MAX_DEPTH),
        nested(5000),
    ],
)  # fmt: skip
def test_what_is_no_filter_is_refused_with_its_field(told: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_filter(told)
    assert refused.value.param == "filters"


def test_the_deepest_and_largest_are_taken(filled: Table) -> None:
    assert filled.count(parse_filter(nested(MAX_DEPTH - 1))) == 0
    many = {"type": "in", "key": "plain", "value": [f"value {n}" for n in range(999)] + ["a"]}
    assert filled.count(parse_filter(many)) == 1
    wide = {"type": "or", "filters": [{"type": "eq", "key": f"k{n}", "value": n} for n in range(100)]}
    assert filled.count(parse_filter(wide)) == 0
