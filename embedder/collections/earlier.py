"""What a collection had of a source and the source no longer has: deleted once the new is in.

Whoever is killed before that leaves the old where it was, and adding again comes to the same end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Set

from embedder.collections.collection import Collection
from embedder.collections.rows import Row
from embedder.collections.store import Table
from embedder.corpus.chunks import CHUNK, DOCUMENT

_ROWS_AT_ONCE = 1000


def chunk_id(source: object, number: object) -> str:
    """The id of the chunk of this number, from 1, of a text or file that has an id."""
    return f"{source}#{number}"


def _source_of(row: Row) -> str:
    """The id of the text that a row was cut from; its own where it is whole.

    Rows of earlier versions have that id as their document.
    """
    number = row.columns.get(CHUNK)
    sources = () if number is None else (str(row.columns.get(DOCUMENT, "")), row.document)
    return next((source for source in sources if row.id == chunk_id(source, number)), row.id)


async def delete_others_of_document(collection: Collection, document: str, kept: Iterable[str]) -> int:
    """Delete all texts of a document but those of the ids `kept`; returns how many there were.

    Raises:
        CollectionBusy, StoreFailed
    """
    there = await asyncio.to_thread(collection.table.ids_of, [document])
    return await _delete(collection, {*there} - {*kept})


async def delete_others_of_sources(collection: Collection, sources: Set[str], kept: Iterable[str]) -> int:
    """Delete what was cut from texts of the ids `sources`, or is one whole, but `kept`; returns how many.

    Of whichever document: a text takes the place of the one with its id, and so do its chunks.

    Raises:
        CollectionBusy, StoreFailed
    """
    if not sources:
        return 0
    gone = await asyncio.to_thread(_cut_from, collection.table, sources, frozenset(kept))
    return await _delete(collection, gone)


async def _delete(collection: Collection, ids: Iterable[str]) -> int:
    gone = list(ids)
    return await collection.delete(gone) if gone else 0


def _cut_from(table: Table, sources: Set[str], kept: Set[str]) -> list[str]:
    looked_at = [
        row_id
        for batch in table.ids()
        for row_id in batch
        if row_id not in kept and (row_id in sources or row_id.rpartition("#")[0] in sources)
    ]
    return [
        row.id
        for start in range(0, len(looked_at), _ROWS_AT_ONCE)
        for row in table.get(looked_at[start : start + _ROWS_AT_ONCE])
        # A text may have an id that only looks like a chunk's.
        if _source_of(row) in sources
    ]
