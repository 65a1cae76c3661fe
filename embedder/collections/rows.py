"""What a collection holds: texts with an id, a document, columns and a vector."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from embedder.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

Value = str | int | float | bool
Columns = Mapping[str, Value]

MAX_ID_CHARS, MAX_TEXT_CHARS = 256, 1_000_000
MAX_COLUMNS, MAX_KEY_CHARS, MAX_VALUE_CHARS = 64, 128, 10_000
_INT64 = 2**63


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Row i of everything is text i; `vectors` is float32 `(n, d)`, `documents[i]` is "" for none."""

    ids: Sequence[str]
    texts: Sequence[str]
    documents: Sequence[str]
    columns: Sequence[Columns]
    vectors: Vectors

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, places: Sequence[int]) -> Rows:
        """The rows at `places`, in this order."""
        return Rows(
            [self.ids[place] for place in places],
            [self.texts[place] for place in places],
            [self.documents[place] for place in places],
            [self.columns[place] for place in places],
            self.vectors[list(places)],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One text of a collection; `vector` is float32 `(d,)` where it was asked for."""

    id: str
    text: str
    document: str = ""
    columns: Columns = field(default_factory=dict)
    vector: Vectors | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A row and how well it matched: its cosine with the question, or its BM25."""

    row: Row
    score: float


def content_id(text: str, document: str = "") -> str:
    """The id of a text that was given none: the same text of the same document has the same one."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (document, text):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()


def revised(rows: Sequence[Row], change: Callable[[Row], Row]) -> Rows:
    """What is to be written in the place of these rows, which come and go with their vectors."""
    return with_vectors([change(row) for row in rows])


def with_vectors(rows: Sequence[Row]) -> Rows:
    """Rows that all have theirs, of which there is one at least."""
    import numpy as np

    return Rows(
        [row.id for row in rows],
        [row.text for row in rows],
        [row.document for row in rows],
        [row.columns for row in rows],
        np.stack([row.vector for row in rows if row.vector is not None]),
    )


def last_of_each(rows: Rows) -> Rows:
    """Of rows with one id only the last."""
    places = {row_id: place for place, row_id in enumerate(rows.ids)}
    return rows if len(places) == len(rows) else rows.take(list(places.values()))


def storable(ids: Sequence[str]) -> list[str]:
    """Each of `ids` once, those left out that no row can have."""
    return [one for one in dict.fromkeys(ids) if _is_text(one)]


def same_columns(left: Columns, right: Columns) -> bool:
    """Whether two rows' columns are the same, 1 and true told apart."""
    return left == right and all(type(value) is type(right[name]) for name, value in left.items())


def check_id(value: object, param: str = "id") -> str:
    """`value` if it can be an id or the name of a document.

    Raises:
        InvalidInput
    """
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_ID_CHARS or not _is_text(value):
        raise InvalidInput(f"'{param}' must be a string of 1 to {MAX_ID_CHARS} characters.", param=param)
    return value


def check_text(value: object, param: str = "text") -> str:
    """`value` if it can be a text.

    Raises:
        InvalidInput
    """
    if not isinstance(value, str) or not value.strip() or not _is_text(value):
        raise InvalidInput(f"'{param}' must be a string with words in it.", param=param)
    if len(value) > MAX_TEXT_CHARS:
        raise InvalidInput(
            f"'{param}' is longer than {MAX_TEXT_CHARS:,} characters. Cut it into chunks.", param=param
        )
    return value


def check_columns(value: object, param: str = "columns") -> dict[str, Value]:
    """`value` if it maps names to strings, numbers or booleans; those that are null are left out.

    Raises:
        InvalidInput
    """
    if not isinstance(value, Mapping):
        raise InvalidInput(f"'{param}' must be an object of names and values.", param=param)
    kept = {name: cell for name, cell in value.items() if cell is not None}
    if len(kept) > MAX_COLUMNS:
        raise InvalidInput(f"'{param}' holds more than {MAX_COLUMNS} columns.", param=param)
    for name, cell in kept.items():
        check_key(name, param)
        check_value(cell, param)
    return kept


def check_key(name: object, param: str = "key") -> str:
    """`name` if it can name a column.

    Raises:
        InvalidInput
    """
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_KEY_CHARS or not _is_text(name):
        raise InvalidInput(
            f"'{param}': a column's name is a string of 1 to {MAX_KEY_CHARS} characters.", param=param
        )
    return name


def check_value(cell: object, param: str = "value") -> Value:
    """`cell` if it can be a column's value.

    Raises:
        InvalidInput
    """
    if isinstance(cell, bool):
        return cell
    if isinstance(cell, int) and -_INT64 <= cell < _INT64:
        return cell
    if isinstance(cell, float) and math.isfinite(cell):
        return cell
    if isinstance(cell, str) and len(cell) <= MAX_VALUE_CHARS and _is_text(cell):
        return cell
    raise InvalidInput(
        f"'{param}': a column's value is a string of at most {MAX_VALUE_CHARS:,} characters, a finite "
        "number of 64 bits, true or false.",
        param=param,
    )


def _is_text(value: str) -> bool:
    """No half of a surrogate pair, and no NUL, which databases do not take."""
    return "\x00" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
