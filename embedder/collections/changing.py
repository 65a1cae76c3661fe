"""Changes of texts that are in a collection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from embedder.collections.rows import Columns, Row, check_columns, check_id, check_text
from embedder.collections.store import Table
from embedder.collections.writes import to_its_end
from embedder.errors import BackendFailed, InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Embed = Callable[[list[str]], Awaitable[NDArray[np.float32]]]
    """Makes vectors `(n, d)` of texts as a collection keeps them."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be different of the text `id`: None leaves a part as it is, `columns` replace all it had."""

    id: str
    text: str | None = None
    document: str | None = None
    columns: Columns | None = None


async def change_rows(table: Table, changes: Sequence[Change], embed: Embed) -> list[Row]:
    """Write changes, with new vectors where words change; returns the rows that there are as they are now.

    Raises:
        InvalidInput: one cannot be, or an id is named twice; nothing is written then.
        CollectionBusy, StoreFailed, and what `embed` raises.
    """
    given = {change.id: _checked(change) for change in changes}
    if len(given) < len(changes):
        raise InvalidInput("Each id may be changed once in a request.", param="id")
    vectors: dict[str, NDArray[np.float32]] = {}

    async def embed_words(of: list[str]) -> None:
        texts = [given[row_id]["text"] for row_id in of]
        try:
            made = await embed(texts) if texts else ()
        except BackendFailed as error:
            if error.index is not None:
                error.index = list(given).index(of[error.index])
            raise
        vectors.update(zip(of, made, strict=True))

    there = {row.id: row for row in await asyncio.to_thread(table.get, list(given))}
    if not there:
        return []
    await embed_words([one for one, row in there.items() if given[one].get("text", row.text) != row.text])
    written: dict[str, Row] = {}
    late: set[str] = set()

    def changed(row: Row) -> Row:
        # What somebody else wrote since stays, but for what is given here.
        wanted, vector = given[row.id], vectors.get(row.id)
        if vector is None and wanted.get("text", row.text) != row.text:
            late.add(row.id)  # its words were changed since, so a vector has to be made after all
            return row
        written[row.id] = replace(row, **wanted, vector=row.vector if vector is None else vector)
        return written[row.id]

    await to_its_end(table.revise, list(there), changed)
    if late:
        again = list(late)
        await embed_words(again)
        await to_its_end(table.revise, again, changed)
    return [replace(written[one], vector=None) for one in given if one in written]


def _checked(change: Change) -> dict[str, Any]:
    """What is given of a change."""
    given: dict[str, Any] = {}
    if change.text is not None:
        given["text"] = check_text(change.text)
    if change.document is not None:
        given["document"] = "" if change.document == "" else check_id(change.document, "document")
    if change.columns is not None:
        given["columns"] = check_columns(change.columns)
    return given
