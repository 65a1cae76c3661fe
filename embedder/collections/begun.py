"""What is filled out of sight until it is whole: a collection for another model, or from another store."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from embedder.collections.catalogue import HIDDEN, MOVED_FROM, Collections, is_name
from embedder.errors import StoreFailed, UnknownCollection


@dataclass(frozen=True, slots=True)
class Begun:
    """So many texts of the collection `name` are `done`, by whichever process; it may have been stopped.

    `total` is how many there are to be, None of those that come from another store, which `moved` says.
    """

    name: str
    model: str
    done: int
    total: int | None
    moved: bool


async def begun(collections: Collections) -> list[Begun]:
    """Every collection that `reembed` or `move` has begun to fill.

    Raises:
        StoreFailed
    """
    return await asyncio.to_thread(_begun, collections)


def _begun(collections: Collections) -> list[Begun]:
    store, found = collections.store, []
    for hidden in store.names():
        name = hidden.removeprefix(HIDDEN)
        if name == hidden or not is_name(name):
            continue
        with suppress(UnknownCollection, StoreFailed):  # it has become whole meanwhile, or cannot be read
            table = store.open(hidden)
            moved = MOVED_FROM in table.info
            total = None if moved else store.open(name).count()
            found.append(Begun(name, str(table.info.get("model", "")), table.count(), total, moved))
    return found
