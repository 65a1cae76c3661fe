"""Deleting that can be undone for a while: what was deleted is kept in a hidden table and put back.

It is deleted at once, for everybody; but before that its rows, vectors and all, are in a table of
their own, on disk. So nothing is lost if the page is reloaded or the server killed in between.
Hidden tables are named by when they were made, and go when they are too old.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from embedder.collections.catalogue import HIDDEN, Collections
from embedder.collections.collection import OnProgress
from embedder.collections.keeping import add_with_vectors
from embedder.collections.moving import put
from embedder.collections.notes import title_of
from embedder.collections.rows import Row
from embedder.collections.store import Info, Table
from embedder.collections.texts import NewText, as_rows
from embedder.errors import (
    CollectionBusy,
    CollectionExists,
    InvalidInput,
    StoreFailed,
    UnknownCollection,
)

KEPT_S = 3600
MOST_KEPT = 20
_PREFIX = f"{HIDDEN}{HIDDEN}deleted-"
"""No collection on its way to another model is called so: the second letter of those is no dot."""
_NAME = re.compile(re.escape(_PREFIX) + r"(\d{1,15})-[0-9a-f]{8}")
_NOTE = "deleted"
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Deleted:
    """What can be put back: a `whole` collection, or `count` texts of it; `left_s` until it goes for good.

    `title` is what its program calls a vector store.
    """

    id: str
    collection: str
    title: str
    whole: bool
    count: int
    left_s: float


@dataclass(frozen=True, slots=True)
class PutBack:
    """What `undo` did: so many texts are there again; so many were there anew by then, and stayed so."""

    collection: str
    put_back: int
    stayed: int


async def delete_texts(
    collections: Collections, name: str, ids: Sequence[str], *, progress: OnProgress | None = None
) -> Deleted | None:
    """Delete the texts of `ids` that there are; None where there was none.

    Raises:
        UnknownCollection, CollectionBusy, StoreFailed
    """
    await sweep(collections)
    opened = await collections.open(name)
    title = title_of((await opened.read_about()).metadata)
    hidden, table = await _made(collections, opened.table, {"of": name, "whole": False})
    kept: list[str] = []
    wanted = list(dict.fromkeys(ids))
    try:
        for start in range(0, len(wanted), _AT_ONCE):
            rows = await opened.get(wanted[start : start + _AT_ONCE], vectors=True)
            if rows:
                await asyncio.to_thread(table.upsert, _with_vectors(rows))
                kept += [row.id for row in rows]
            if progress:
                progress(min(start + _AT_ONCE, len(wanted)), len(wanted) + 1)
    except BaseException:  # nothing is deleted yet
        await asyncio.shield(asyncio.to_thread(collections.store.drop, hidden))
        raise
    try:
        count = await asyncio.to_thread(_delete_as_kept, opened.table, kept, table) if kept else 0
    except (CollectionBusy, StoreFailed):
        if len(await opened.get(kept)) == len(kept):  # nothing is deleted, so there is nothing to put back
            await asyncio.to_thread(collections.store.drop, hidden)
        raise
    if not count:
        await asyncio.to_thread(collections.store.drop, hidden)
        return None
    return Deleted(hidden, name, title, False, count, KEPT_S)


async def delete_whole(collections: Collections, name: str) -> Deleted:
    """Delete the collection `name`: its rows move to a hidden table as they are.

    Raises:
        UnknownCollection, CollectionBusy, StoreFailed
    """
    await sweep(collections)
    opened = await collections.open(name)
    count = await opened.count()
    title = title_of((await opened.read_about()).metadata)
    note = {"of": name, "whole": True}
    hidden, table = await _made(collections, opened.table, note)
    # The note moves with the rows; one that stays because this is killed here says nothing by itself.
    await asyncio.to_thread(opened.table.change_info, lambda info: {**info, _NOTE: note})
    await asyncio.to_thread(_moved, collections, hidden, table, name)
    await collections.forget_begun(name)
    return Deleted(hidden, name, title, True, count, KEPT_S)


async def deleted(collections: Collections) -> list[Deleted]:
    """What can be put back, the newest first."""
    await sweep(collections)
    found = []
    for name in await _hidden(collections):
        looked_at = await asyncio.to_thread(_looked_at, collections, name)
        if looked_at is None:
            continue
        note, count, title = looked_at
        if count or note.get("whole"):
            left_s = max(0.0, _made_s(name) + KEPT_S - time.time())
            found.append(
                Deleted(name, str(note.get("of", "")), title, bool(note.get("whole")), count, left_s)
            )
    return found


async def undo(collections: Collections, deleted_id: str, *, progress: OnProgress | None = None) -> PutBack:
    """Put back what was deleted. A text that is there anew by now stays as it is.

    Raises:
        InvalidInput: it is gone for good.
        CollectionExists: a collection of that name was made meanwhile.
        UnknownCollection: its texts' collection is not there any more.
        CollectionBusy, StoreFailed, and for another model by now, what `Engine.embed` raises.
    """
    table = None
    if isinstance(deleted_id, str) and _NAME.fullmatch(deleted_id):
        table = await asyncio.to_thread(_opened, collections, deleted_id)
    note = table.info.get(_NOTE) if table is not None else None
    if table is None or not isinstance(note, dict):
        raise InvalidInput("What was deleted there is gone for good, or was put back already.")
    name = str(note.get("of", ""))
    if note.get("whole"):
        return await _whole_back(collections, deleted_id, table, name)
    return await _texts_back(collections, deleted_id, table, name, progress)


async def sweep(collections: Collections) -> None:
    """Let go of what is older than `KEPT_S`, and of all but the newest `MOST_KEPT`."""
    for place, name in enumerate(await _hidden(collections)):
        if place >= MOST_KEPT or _made_s(name) + KEPT_S < time.time():
            with suppress(
                UnknownCollection, CollectionBusy, StoreFailed
            ):  # it goes the next time, if not now
                await asyncio.to_thread(collections.store.drop, name)
                if collections.maps is not None:  # of a whole collection that is gone for good by now
                    names = await asyncio.to_thread(collections.store.names)
                    await asyncio.to_thread(collections.maps.tidy, names)


async def _whole_back(collections: Collections, hidden: str, table: Table, name: str) -> PutBack:
    if name in await collections.names():
        there = await collections.open(name)
        if await there.count():
            raise CollectionExists(name)
        place: Table = there.table  # empty: of one who was killed while putting it back
    else:
        place = await asyncio.to_thread(collections.store.create, name, table.dimensions, dict(table.info))
    count = await asyncio.to_thread(table.count)
    await asyncio.to_thread(_moved, collections, name, place, hidden)
    back = await collections.open(name)
    await asyncio.to_thread(back.table.change_info, _without_note)
    return PutBack(name, count, 0)


def _without_note(info: Info) -> Info:
    return {key: value for key, value in info.items() if key != _NOTE}


async def _texts_back(
    collections: Collections, hidden: str, table: Table, name: str, progress: OnProgress | None
) -> PutBack:
    try:
        opened = await collections.open(name)
    except UnknownCollection:
        raise InvalidInput(
            f"The collection {name!r} itself is gone. If it was deleted here, put it back first."
        ) from None
    made_by = str(table.info.get("model", "")), str(table.info.get("fingerprint", ""))
    same = made_by[1] == opened.about.fingerprint
    total = await asyncio.to_thread(table.count)
    done = put_back = 0
    batches = table.scan(_AT_ONCE)
    while (batch := await asyncio.to_thread(next, batches, None)) is not None:
        there = {row.id for row in await opened.get(batch.ids)}
        wanted = [place for place, row_id in enumerate(batch.ids) if row_id not in there]
        if wanted:
            rows = batch.take(wanted)
            new = [
                NewText(text, row_id, document, dict(columns))
                for text, row_id, document, columns in zip(
                    rows.texts, rows.ids, rows.documents, rows.columns, strict=True
                )
            ]
            if same:
                await add_with_vectors(opened, new, rows.vectors, made_by)
            else:  # it moved to another model meanwhile
                await opened.add(new)
        put_back += len(wanted)
        done += len(batch)
        if progress:
            progress(done, max(total, done))
    await asyncio.to_thread(collections.store.drop, hidden)
    return PutBack(name, put_back, done - put_back)


async def _made(collections: Collections, like: Table, note: dict[str, Any]) -> tuple[str, Table]:
    """A hidden table for rows of `like`, and its name."""
    name = f"{_PREFIX}{int(1000 * time.time())}-{secrets.token_hex(4)}"
    info = {**like.info, _NOTE: note}
    return name, await asyncio.to_thread(collections.store.create, name, like.dimensions, info)


def _delete_as_kept(source: Table, ids: Sequence[str], kept: Table) -> int:
    """Delete `ids`; `kept`, which has copies, holds what is deleted, as others may have left it since.

    Raises:
        CollectionBusy, StoreFailed
    """
    deleted: set[str] = set()

    def keep(rows: list[Row]) -> None:
        if rows:
            put(kept, _with_vectors(rows))
        deleted.update(row.id for row in rows)

    source.delete(ids, keep)
    kept.delete([row_id for row_id in ids if row_id not in deleted])
    return len(deleted)


def _moved(collections: Collections, name: str, table: Table, source: str) -> None:
    """The rows and the info of `source` in `table`, which is new and called `name`; `source` is gone."""
    if not collections.store.replace(name, source, table.mark):
        raise CollectionBusy(name)


def _opened(collections: Collections, name: str) -> Table | None:
    try:
        return collections.store.open(name)
    except UnknownCollection:
        return None


def _looked_at(collections: Collections, name: str) -> tuple[dict[str, Any], int, str] | None:
    """What a hidden table says of itself, its rows, its title; None of one that cannot be read."""
    try:
        table = collections.store.open(name)
        note = table.info.get(_NOTE)
        title = title_of(table.info.get("metadata", {}))
        return (note, table.count(), title) if isinstance(note, dict) else None
    except (UnknownCollection, StoreFailed):
        return None


async def _hidden(collections: Collections) -> list[str]:
    """Names of hidden tables of what was deleted, the newest first."""
    names = [name for name in await asyncio.to_thread(collections.store.names) if _NAME.fullmatch(name)]
    return sorted(names, key=_made_s, reverse=True)


def _made_s(name: str) -> float:
    found = _NAME.fullmatch(name)
    return int(found[1]) / 1000 if found else 0.0


def _with_vectors(rows: Sequence[Row]) -> Any:
    import numpy as np

    return as_rows(rows, np.stack([row.vector for row in rows if row.vector is not None]))
