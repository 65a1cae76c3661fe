"""A collection from one store to another: copied out of sight, compared, and only then given its name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from embedder.collections.carrying import copy_map, map_of_now
from embedder.collections.catalogue import HIDDEN, MOVED_FROM, Collections, check_name
from embedder.collections.collection import Collection
from embedder.collections.rows import Rows, same_columns
from embedder.collections.store import Table
from embedder.errors import BackendFailed, CollectionExists, StoreFailed, UnknownCollection

_BATCH_ROWS = 2000
_IDS_AT_ONCE = 10_000
_ROUNDS = 20
"""So often what others write meanwhile is caught up with before giving up."""
_SUM_BYTES = 16

OnProgress = Callable[[str, int, int], None]
"""Told what is being done ("copying" or "comparing"), and how many of how many texts are."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved: `count` texts, and the `checksum` that both stores have of them, in hexadecimal."""

    count: int
    checksum: str


@dataclass(slots=True)
class Checksum:
    """Of rows in any order: of each id, text, document, columns with their kinds, and vector bit by bit."""

    count: int = 0
    _sum: int = field(default=0)

    def add(self, rows: Rows) -> None:
        """Take rows in."""
        import numpy as np
        import orjson

        vectors = np.ascontiguousarray(rows.vectors, dtype="<f4")
        for place, row_id in enumerate(rows.ids):
            columns = orjson.dumps(dict(rows.columns[place]), option=orjson.OPT_SORT_KEYS)
            digest = blake2b(digest_size=_SUM_BYTES)
            parts = (row_id.encode(), rows.texts[place].encode(), rows.documents[place].encode(), columns)
            for part in (*parts, vectors[place].tobytes()):
                digest.update(len(part).to_bytes(8, "little") + part)
            self._sum = (self._sum + int.from_bytes(digest.digest(), "little")) % 2 ** (8 * _SUM_BYTES)
        self.count += len(rows)

    @property
    def hexadecimal(self) -> str:
        """The sum as it is shown."""
        return f"{self._sum:0{2 * _SUM_BYTES}x}"


async def move(
    source: Collections,
    name: str,
    target: Collections,
    new_name: str = "",
    *,
    delete: bool = False,
    progress: OnProgress | None = None,
) -> Moved:
    """Copy the collection `name` of `source` into `target`, under the same name or `new_name`.

    It appears there when all of it is there and has been read back and compared, with the map that is kept
    with it. Until then others may
    write to `source`, which stays unless `delete` is set. Where it was stopped or killed, the next call
    goes on.

    Raises:
        UnknownCollection, CollectionExists, CollectionBusy, InvalidInput
        StoreFailed: a store failed, or gave back other than was put in.
        BackendFailed: others write faster than this can follow, or wrote when it was done, so that
            nothing was deleted.
    """
    new_name = check_name(new_name or name)
    old = await source.open(name)
    if new_name in await target.names():
        raise CollectionExists(new_name)
    hidden = f"{HIDDEN}{new_name}"
    new = await asyncio.to_thread(_begun, target, hidden, old)
    mark = 0
    for _ in range(_ROUNDS):
        now = await asyncio.to_thread(_mark_of, old.table)
        await _copy(old, new, mark, progress)
        mark = now
        await asyncio.to_thread(forget_deleted, old.table, new)
        if await asyncio.to_thread(_mark_of, old.table) != mark:
            continue
        moved = await _compared(old, new, progress)
        if await asyncio.to_thread(_mark_of, old.table) != mark:
            continue
        if moved is None:
            raise StoreFailed(
                f"What came back from the new store is not what the collection {name!r} holds. Nothing was "
                "moved; the old one is as it was."
            )
        info = await asyncio.to_thread(lambda: dict(old.table.info))
        await asyncio.to_thread(new.write_info, info)
        until = await asyncio.to_thread(_mark_of, new)
        await asyncio.to_thread(target.store.rename, hidden, new_name)
        await _carry_map(source, old, await target.open(new_name), target, until)
        if delete:
            if await asyncio.to_thread(_mark_of, old.table) != mark:
                raise BackendFailed(
                    f"{new_name!r} is moved, but {name!r} was written to meanwhile, so it is not deleted."
                )
            await source.delete(name)
        return moved
    raise BackendFailed(f"Others write to {name!r} faster than it can be moved. Try again when they rest.")


async def _carry_map(
    source: Collections, old: Collection, new: Collection, target: Collections, mark: int
) -> None:
    """Its map goes along where it has one of now; without it what was moved is whole, too."""
    with suppress(StoreFailed):
        kept = await asyncio.to_thread(map_of_now, source, old)
        if kept is not None:
            await copy_map(kept, target, new, mark)


def forget_deleted(old: Table, new: Table) -> None:
    """Delete from `new` what is not in `old`."""
    if new.count() != old.count():
        kept = {row_id for some in old.ids() for row_id in some}
        gone = [row_id for some in new.ids() for row_id in some if row_id not in kept]
        for start in range(0, len(gone), _IDS_AT_ONCE):
            new.delete(gone[start : start + _IDS_AT_ONCE])


def _begun(target: Collections, hidden: str, old: Collection) -> Table:
    """The table that is being filled, from an earlier call where that was of the same collection."""
    about: dict[str, Any] = {**old.table.info, "metadata": {}, MOVED_FROM: old.name}
    with suppress(UnknownCollection):
        table = target.store.open(hidden)
        if dict(table.info) == about and table.dimensions == old.table.dimensions:
            return table
        target.store.drop(hidden)
    return target.store.create(hidden, old.table.dimensions, about)


async def _copy(old: Collection, new: Table, since: int, progress: OnProgress | None) -> None:
    total, done = await old.count(), 0
    batches = old.table.scan(_BATCH_ROWS, since=since)
    while (batch := await asyncio.to_thread(next, batches, None)) is not None:
        await asyncio.to_thread(put, new, batch)
        done += len(batch)
        if progress and not since:
            progress("copying", min(done, total), total)


def put(new: Table, batch: Rows) -> None:
    """Have these rows in `new` as they are, writing only what is not so."""
    there = {row.id: row for row in new.get(batch.ids, vectors=True)}
    wanted = [
        place
        for place, row_id in enumerate(batch.ids)
        if (row := there.get(row_id)) is None
        or (row.text, row.document) != (batch.texts[place], batch.documents[place])
        or not same_columns(row.columns, batch.columns[place])
        or row.vector is None
        or row.vector.tobytes() != batch.vectors[place].tobytes()
    ]
    if wanted:
        new.upsert(batch if len(wanted) == len(batch) else batch.take(wanted))


async def _compared(old: Collection, new: Table, progress: OnProgress | None) -> Moved | None:
    """Both read once more, from where they are kept; None where they differ."""
    total = 2 * await old.count()
    sums = Checksum(), Checksum()
    for table, made in zip((old.table, new), sums, strict=True):
        batches = table.scan(_BATCH_ROWS)
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            await asyncio.to_thread(made.add, batch)
            if progress:
                done = sums[0].count + sums[1].count
                progress("comparing", min(done, total), total)
    left, right = sums
    if (left.count, left.hexadecimal) != (right.count, right.hexadecimal):
        return None
    return Moved(left.count, left.hexadecimal)


def _mark_of(table: Table) -> int:
    return table.mark
