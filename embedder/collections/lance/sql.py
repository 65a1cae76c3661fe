"""Filters as the SQL that Lance takes, over columns that hold one kind of value each.

A collection's own columns may hold strings in one row and numbers in another. Here each name and
kind has a `slot`, an Arrow column of that type, null where a row has no such value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from embedder.collections.filters import Comparison, Filter, Kind, kind_of
from embedder.collections.rows import Value

Slots = Mapping[tuple[str, Kind], str]
"""Arrow column of a column's name and kind."""

_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def sql_of(wanted: Filter, slots: Slots) -> str:
    """A condition that is true or false of every row, never null."""
    if not isinstance(wanted, Comparison):
        joint = f" {wanted.operator.upper()} "
        return "(" + joint.join(sql_of(part, slots) for part in wanted.parts) + ")"
    if wanted.operator in _SIGNS:
        return _ordered(wanted, slots)
    by_kind: dict[Kind, list[Value]] = {}
    for value in wanted.values:
        by_kind.setdefault(kind_of(value), []).append(value)
    equal = [
        f"({slots[wanted.key, kind]} IS NOT NULL AND {one_of(slots[wanted.key, kind], values)})"
        for kind, values in by_kind.items()
        if (wanted.key, kind) in slots
    ]
    some = "(" + " OR ".join(equal) + ")" if equal else "false"
    return some if wanted.operator in ("eq", "in") else f"(NOT {some})"


def one_of(column: str, values: Sequence[Value]) -> str:
    """`column` is one of `values`, which are of its kind."""
    if len(values) == 1:
        return f"{column} = {literal(values[0])}"
    return f"{column} IN ({', '.join(map(literal, values))})"


def literal(value: Value) -> str:
    """A value as SQL writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(number(value))


def number(value: Value) -> float:
    """A number as a slot holds it: float64, its zero positive."""
    return float(value) + 0.0


def _ordered(wanted: Comparison, slots: Slots) -> str:
    (value,) = wanted.values
    slot = slots.get((wanted.key, kind_of(value)))
    if slot is None:
        return "false"
    return f"({slot} IS NOT NULL AND {slot} {_SIGNS[wanted.operator]} {literal(value)})"
