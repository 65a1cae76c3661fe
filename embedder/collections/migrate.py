"""A collection to another model: embedded anew beside itself, then exchanged in one step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from embedder.collections.catalogue import HIDDEN, Collections, described
from embedder.collections.collection import Collection
from embedder.collections.moving import forget_deleted
from embedder.collections.rows import Rows, same_columns
from embedder.collections.store import Info
from embedder.collections.texts import NewText
from embedder.errors import BackendFailed, UnknownCollection

_BATCH_ROWS = 1000
_ROUNDS = 20
"""So often what others wrote meanwhile is caught up with before giving up."""


async def reembed(
    collections: Collections,
    name: str,
    model: str,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Have every text of `name` embedded by `model`; returns how many had to be, now.

    The old vectors are searched until the new are whole, and others may write meanwhile. Where it
    was stopped or killed, the next call goes on: what was embedded stays. `progress` is told the
    texts done and all of them.

    Raises:
        UnknownCollection, UnknownModel, ModelUnavailable, CollectionBusy, StoreFailed
        BackendFailed: a text could not be embedded, or others write faster than this can follow.
    """
    old = await collections.open(name)
    assert collections.engine is not None, "an engine is needed to embed"
    info = await collections.engine.model_info(model)
    if info.fingerprint == old.about.fingerprint:
        return 0
    new = await _begun(collections, old, model)

    def now_by(before: Info) -> Info:
        """What others noted meanwhile stays."""
        about = described(info, before.get("metadata"))
        return {**about, "created": before.get("created", about["created"])}

    embedded, mark = 0, 0
    for _ in range(_ROUNDS):
        now = await asyncio.to_thread(_mark_of, old)
        total = await old.count()
        done = 0
        batches = old.table.scan(_BATCH_ROWS, since=mark)
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            embedded += await _follow(new, batch)
            done += len(batch)
            if progress and not mark:
                progress(min(done, total), total)
        mark = now
        await asyncio.to_thread(forget_deleted, old.table, new.table)
        if await asyncio.to_thread(collections.store.replace, name, new.name, mark, now_by):
            return embedded
    raise BackendFailed(f"Others write to {name!r} faster than it can be embedded. Try again when they rest.")


async def _begun(collections: Collections, old: Collection, model: str) -> Collection:
    """The table that is being filled, from an earlier call where that was for the same model."""
    assert collections.engine is not None
    info = await collections.engine.model_info(model)
    hidden = f"{HIDDEN}{old.name}"
    with suppress(UnknownCollection):
        table = await asyncio.to_thread(collections.store.open, hidden)
        if table.info.get("fingerprint") == info.fingerprint:
            return Collection(hidden, table, collections.engine)
        await asyncio.to_thread(collections.store.drop, hidden)
    table = await asyncio.to_thread(collections.store.create, hidden, info.dimensions, described(info))
    return Collection(hidden, table, collections.engine)


async def _follow(new: Collection, batch: Rows) -> int:
    """Have these rows in `new` as they are, and return how many texts had to be embedded."""
    known = {row.id: row for row in await new.get(batch.ids)}
    wanted = [
        place
        for place, row_id in enumerate(batch.ids)
        if (row := known.get(row_id)) is None
        or (row.text, row.document) != (batch.texts[place], batch.documents[place])
        or not same_columns(row.columns, batch.columns[place])
    ]
    if not wanted:
        return 0
    added = await new.add(
        [
            NewText(batch.texts[place], batch.ids[place], batch.documents[place], batch.columns[place])
            for place in wanted
        ]
    )
    if added.failed:
        raise BackendFailed(
            f"{len(added.failed)} of the texts could not be embedded by {new.about.model}: "
            f"{added.failed[0].message} The collection stays as it was."
        )
    return len(wanted)


def _mark_of(collection: Collection) -> int:
    return collection.table.mark
