"""Filters as Milvus' expressions, and what of a row's columns they look at.

Equality is asked of `tags`, a digest of each column with its kind and value; order of `cells`, JSON
with a field for each column and kind. So an expression holds nothing that a person wrote: quoting is
not the same in all of Milvus' versions, and parameters are not in all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from embedder.collections.filters import Comparison, Filter, Kind, kind_of
from embedder.collections.rows import Columns, Value

_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_ORDERED_BYTES = 256
"""Strings are put in order by so many bytes."""
TAG_CHARS = 32


def key_of(name: str) -> str:
    """A digest that names an id or a document."""
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def tags_of(columns: Columns) -> list[str]:
    """A digest of each column with its kind and value."""
    return [_tag(name, value) for name, value in columns.items()]


def cells_of(columns: Columns) -> dict[str, str | float]:
    """Numbers and the beginnings of strings, in fields of their kind."""
    return {
        _field(name, kind_of(value)): _orderable(value)
        for name, value in columns.items()
        if not isinstance(value, bool)
    }


def expression(wanted: Filter) -> str:
    """True of the rows that pass."""
    if not isinstance(wanted, Comparison):
        joint = f" {wanted.operator} "
        return "(" + joint.join(expression(part) for part in wanted.parts) + ")"
    if wanted.operator in _SIGNS:
        (value,) = wanted.values
        told = _orderable(value)
        literal = f'"{told}"' if isinstance(told, str) else repr(told)
        return f'(cells["{_field(wanted.key, kind_of(value))}"] {_SIGNS[wanted.operator]} {literal})'
    some = f"array_contains_any(tags, {strings(_tag(wanted.key, value) for value in wanted.values)})"
    return some if wanted.operator in ("eq", "in") else f"(not {some})"


def all_of(*parts: str) -> str:
    """Those of `parts` that say something, together."""
    return " and ".join(part for part in parts if part)


def strings(digests: Iterable[str]) -> str:
    """A list of digests."""
    return "[" + ", ".join(f'"{one}"' for one in digests) + "]"


def _tag(name: str, value: Value) -> str:
    told = value if isinstance(value, str) else repr(value if isinstance(value, bool) else _zeroed(value))
    parts = (kind_of(value), name, told)
    digest = blake2b(digest_size=TAG_CHARS // 2)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()


def _field(name: str, kind: Kind) -> str:
    return f"{kind[0]}{key_of(name)}"


def _orderable(value: Value) -> str | float:
    """Strings in hexadecimal of UTF-8, which has the order of their code points."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")[:_ORDERED_BYTES].hex()
    return _zeroed(value)


def _zeroed(value: float) -> float:
    return float(value) + 0.0
