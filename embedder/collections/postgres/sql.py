"""Filters as SQL over `cells`, a row's columns as JSON whose numbers are all of float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from embedder.collections.filters import Comparison, Filter, kind_of
from embedder.collections.rows import Columns, Value

_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_FEW = 8
"""Up to so many values the index of cells is asked for each."""


def condition(wanted: Filter | None) -> tuple[str, list[Any]]:
    """A condition that is true or false of every row, never null, and its parameters."""
    if wanted is None:
        return "true", []
    if not isinstance(wanted, Comparison):
        told = [condition(part) for part in wanted.parts]
        joint = f" {wanted.operator.upper()} "
        return f"({joint.join(sql for sql, _ in told)})", [one for _, some in told for one in some]
    if wanted.operator in _SIGNS:
        return _ordered(wanted)
    sql, parameters = _equal(wanted)
    return (sql, parameters) if wanted.operator in ("eq", "in") else (f"(NOT {sql})", parameters)


def cells_of(columns: Columns) -> str:
    """What filters see of a row's columns."""
    return _json({name: _cell(value) for name, value in columns.items()})


def _equal(wanted: Comparison) -> tuple[str, list[Any]]:
    if len(wanted.values) <= _FEW:
        told: list[Any] = [_json({wanted.key: _cell(value)}) for value in wanted.values]
        return "(" + " OR ".join(["cells @> %s::jsonb"] * len(told)) + ")", told
    values = [_json(_cell(value)) for value in wanted.values]
    return "coalesce(cells -> %s::text = ANY(%s::jsonb[]), false)", [wanted.key, values]


def _ordered(wanted: Comparison) -> tuple[str, list[Any]]:
    (value,) = wanted.values
    kind, sign = kind_of(value), _SIGNS[wanted.operator]
    if kind == "number":
        compared = f"(cells -> %s::text)::float8 {sign} %s::float8"
    else:
        compared = f'(cells ->> %s::text) COLLATE "C" {sign} %s::text'
    # Without CASE the cast may come before what guards it.
    sql = f"(CASE WHEN jsonb_typeof(cells -> %s::text) = '{kind}' THEN {compared} ELSE false END)"
    return sql, [wanted.key, wanted.key, _cell(value)]


def _cell(value: Value) -> Value:
    if isinstance(value, str | bool):
        return value
    return float(value) + 0.0  # its zero positive


def _json(told: Mapping[str, Value] | Value) -> str:
    import orjson

    return str(orjson.dumps(told).decode())
