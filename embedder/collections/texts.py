"""Texts on their way into a collection, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedder.collections.rows import (
    Columns,
    Row,
    Rows,
    check_columns,
    check_id,
    check_text,
    content_id,
    same_columns,
)
from embedder.collections.store import Table
from embedder.corpus.jobs import FailedText

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_IDS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class About:
    """What a collection is: `created` in Unix seconds; `model` is "" where vectors came without one."""

    name: str
    model: str
    fingerprint: str
    dimensions: int
    created: int
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NewText:
    """A text to be added; without an `id` it gets that of its content."""

    text: str
    id: str = ""
    document: str = ""
    columns: Columns | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """What has become of texts that were added: their ids in order, and those that could not be embedded.

    `unchanged` ones were there already as they are.
    """

    ids: list[str]
    new: int
    replaced: int
    unchanged: int = 0
    failed: tuple[FailedText, ...] = ()


@dataclass(frozen=True, slots=True)
class Sorted:
    """Places of rows that must be embedded, rows whose words are known with their vectors, and the rest."""

    to_embed: list[int]
    known: Rows | None
    unchanged: int


def sort_out(table: Table, rows: Sequence[Row]) -> Sorted:
    """What must be done to have `rows` in `table`, of one id the last."""
    import numpy as np

    places = {row.id: place for place, row in enumerate(rows)}
    last = sorted(places.values())
    to_embed: list[int] = []
    moved: list[Row] = []
    vectors: list[NDArray[np.float32]] = []
    unchanged = len(rows) - len(last)
    for start in range(0, len(last), _IDS_AT_ONCE):
        some = last[start : start + _IDS_AT_ONCE]
        there = {row.id: row for row in table.get([rows[place].id for place in some], vectors=True)}
        for place in some:
            row, old = rows[place], there.get(rows[place].id)
            if old is None or old.text != row.text or old.vector is None:
                to_embed.append(place)
            elif old.document == row.document and same_columns(old.columns, row.columns):
                unchanged += 1
            else:
                moved.append(row)
                vectors.append(old.vector)
    return Sorted(to_embed, as_rows(moved, np.stack(vectors)) if moved else None, unchanged)


def checked(text: NewText) -> Row:
    """The row that a text becomes, without its vector.

    Raises:
        InvalidInput
    """
    words = check_text(text.text)
    document = "" if text.document == "" else check_id(text.document, "document")
    row_id = content_id(words, document) if text.id == "" else check_id(text.id)
    return Row(row_id, words, document, check_columns(text.columns or {}))


def as_rows(rows: Sequence[Row], vectors: NDArray[np.float32]) -> Rows:
    """Rows with their vectors `(n, d)`, those they may have left aside."""
    return Rows(
        [row.id for row in rows],
        [row.text for row in rows],
        [row.document for row in rows],
        [row.columns for row in rows],
        vectors,
    )
