"""Filters on columns, in the shape that OpenAI's clients send, and what they mean.

`matches` is the meaning; each store has a translation of its own, which tests hold to it. Values
are of three kinds, string, number and boolean, and only values of one kind compare. Numbers
compare as float64, strings by code points. A column that is not there equals nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from embedder.collections.rows import Columns, Value, check_key, check_value
from embedder.errors import InvalidInput

Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
Kind = Literal["string", "number", "boolean"]

MAX_DEPTH, MAX_CONDITIONS, MAX_VALUES = 8, 100, 1000
_PARAM = "filters"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A column against one value, or against several for `in` and `nin`."""

    key: str
    operator: Operator
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Compound:
    """All of its parts, or any of them; there is at least one."""

    operator: Literal["and", "or"]
    parts: tuple[Filter, ...]


Filter = Comparison | Compound


def kind_of(value: Value) -> Kind:
    """The kind within which a value compares."""
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "number"


def matches(wanted: Filter, columns: Columns) -> bool:
    """Whether a row with `columns` passes."""
    if isinstance(wanted, Compound):
        together = all if wanted.operator == "and" else any
        return together(matches(part, columns) for part in wanted.parts)
    cell = columns.get(wanted.key)
    if wanted.operator in ("ne", "nin"):
        return not any(_equal(cell, value) for value in wanted.values)
    if wanted.operator in ("eq", "in"):
        return any(_equal(cell, value) for value in wanted.values)
    (value,) = wanted.values
    if cell is None or kind_of(cell) != kind_of(value):
        return False
    left, right = _comparable(cell), _comparable(value)
    return bool(
        {
            "gt": left > right,
            "gte": left >= right,
            "lt": left < right,
            "lte": left <= right,
        }[wanted.operator]
    )


def parse_filter(told: object) -> Filter:
    """A filter from parsed JSON: `{"type", "key", "value"}` or `{"type": "and" | "or", "filters"}`.

    Raises:
        InvalidInput: it is none; `param` is `filters`.
    """
    made = _parsed(told, 1)
    if sum(1 for _ in comparisons(made)) > MAX_CONDITIONS:
        raise InvalidInput(f"'{_PARAM}' holds more than {MAX_CONDITIONS} comparisons.", param=_PARAM)
    return made


def comparisons(wanted: Filter) -> Iterator[Comparison]:
    """Every comparison in a filter."""
    if isinstance(wanted, Comparison):
        yield wanted
    else:
        for part in wanted.parts:
            yield from comparisons(part)


def _parsed(told: object, depth: int) -> Filter:
    if not isinstance(told, dict):
        raise InvalidInput(
            f"'{_PARAM}' must be an object such as "
            '{"type": "eq", "key": "year", "value": 2024}, or {"type": "and", "filters": […]}.',
            param=_PARAM,
        )
    if depth > MAX_DEPTH:
        raise InvalidInput(f"'{_PARAM}' is nested deeper than {MAX_DEPTH}.", param=_PARAM)
    operator = told.get("type", "eq")
    if operator in ("and", "or"):
        parts = told.get("filters")
        if not isinstance(parts, list) or not 1 <= len(parts) <= MAX_CONDITIONS:
            raise InvalidInput(
                f"'{_PARAM}': \"{operator}\" takes a list 'filters' of 1 to {MAX_CONDITIONS}.", param=_PARAM
            )
        return Compound(operator, tuple(_parsed(part, depth + 1) for part in parts))
    if not isinstance(operator, str) or operator not in get_args(Operator):
        known = ", ".join((*get_args(Operator), "and", "or"))
        raise InvalidInput(f"'{_PARAM}': 'type' must be one of {known}.", param=_PARAM)
    key = check_key(told.get("key"), _PARAM)
    return Comparison(key, cast("Operator", operator), _values(operator, told.get("value")))


def _values(operator: str, value: Any) -> tuple[Value, ...]:
    if operator in ("in", "nin"):
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_VALUES:
            raise InvalidInput(
                f"'{_PARAM}': \"{operator}\" takes a list 'value' of 1 to {MAX_VALUES:,}.", param=_PARAM
            )
        return tuple(check_value(one, _PARAM) for one in value)
    one = check_value(value, _PARAM)
    if isinstance(one, bool) and operator not in ("eq", "ne"):
        raise InvalidInput(f"'{_PARAM}': true and false have no order; take eq or ne.", param=_PARAM)
    return (one,)


def _equal(cell: Value | None, value: Value) -> bool:
    if cell is None or kind_of(cell) != kind_of(value):
        return False
    return bool(_comparable(cell) == _comparable(value))


def _comparable(value: Value) -> Any:
    return value if isinstance(value, str | bool) else float(value)
