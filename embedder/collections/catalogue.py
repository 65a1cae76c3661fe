"""All collections of one store, by name."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from embedder.collections.collection import Collection
from embedder.collections.maps import KeptMaps
from embedder.collections.store import Store
from embedder.engine import Engine
from embedder.errors import CollectionBusy, InvalidInput, StoreFailed, TooLarge, UnknownCollection
from embedder.types import ModelInfo

MAX_DIMENSIONS = 16_384
MAX_COLLECTIONS = 1000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
HIDDEN = "."
"""Tables whose names begin so are not collections yet: one that is being made anew."""
MOVED_FROM = "moved_from"
"""Whose info says so is on its way from another store."""


class Collections:
    """Makes, opens and deletes collections. Used from one event loop; `engine` None embeds nothing.

    `maps` are those that are kept with them, if any are.
    """

    def __init__(self, store: Store, engine: Engine | None, maps: KeptMaps | None = None) -> None:
        self.store = store
        self.engine = engine
        self.maps = maps
        self.mapping: set[str] = set()
        """Collections whose maps are being made by this process: one at a time."""
        self._held: dict[str, Collection] = {}

    async def names(self) -> list[str]:
        """Every collection's name, sorted."""
        names = await asyncio.to_thread(self.store.names)
        return [name for name in names if not name.startswith(HIDDEN)]

    async def create(
        self, name: str, *, model: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> Collection:
        """A new empty collection for the vectors of `model`, the default one if None.

        Raises:
            InvalidInput, CollectionExists, UnknownModel, ModelUnavailable, StoreFailed
            TooLarge: there are `MAX_COLLECTIONS`.
        """
        check_name(name)
        if self.engine is None:
            raise InvalidInput("There is no model here. Say which vectors the collection is for.")
        info = await self.engine.model_info(model)
        return await self._create(name, info.dimensions, described(info, metadata))

    async def create_for_vectors(
        self, name: str, dimensions: int, *, model: str = "", fingerprint: str = ""
    ) -> Collection:
        """A new empty collection for vectors that come from outside, of the named model if it is known.

        Raises:
            InvalidInput, CollectionExists, StoreFailed
            TooLarge: there are `MAX_COLLECTIONS`.
        """
        check_name(name)
        if not 1 <= dimensions <= MAX_DIMENSIONS:
            raise InvalidInput(f"'dimensions' must be 1 to {MAX_DIMENSIONS:,}.", param="dimensions")
        info = {"model": model, "fingerprint": fingerprint, "created": int(time.time()), "metadata": {}}
        return await self._create(name, dimensions, info)

    async def open(self, name: str) -> Collection:
        """The collection `name`.

        Raises:
            UnknownCollection, StoreFailed
        """
        if not is_name(name):
            raise UnknownCollection(name)
        table = await asyncio.to_thread(self.store.open, name)
        held = self._held.get(name)
        if held is None or held.table is not table:
            held = self._held[name] = Collection(name, table, self.engine)
        return held

    async def delete(self, name: str) -> None:
        """Delete the collection and everything in it, also what was begun of it for another model.

        Raises:
            UnknownCollection, CollectionBusy, StoreFailed
        """
        if not is_name(name):
            raise UnknownCollection(name)
        await asyncio.to_thread(self.store.drop, name)
        self._held.pop(name, None)
        await self.forget_begun(name)
        if self.maps is not None:
            await asyncio.to_thread(self.maps.forget, name)

    async def forget_begun(self, name: str) -> None:
        """Let go of what `reembed` was filling for `name`, which is gone; what is moved here stays."""

        def forgotten() -> None:
            # If it can't go now, the collection is gone all the same, which is what was asked for.
            with suppress(UnknownCollection, CollectionBusy, StoreFailed):
                if MOVED_FROM not in self.store.open(hidden).info:
                    self.store.drop(hidden)

        hidden = f"{HIDDEN}{name}"
        await asyncio.to_thread(forgotten)

    async def close(self) -> None:
        """Close everything that was opened."""
        self._held.clear()
        await asyncio.to_thread(self.store.close)

    async def __aenter__(self) -> Collections:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def _create(self, name: str, dimensions: int, info: Mapping[str, Any]) -> Collection:
        if len(await self.names()) >= MAX_COLLECTIONS:
            raise TooLarge(f"There are {MAX_COLLECTIONS:,} collections, the most there can be. Delete one.")
        table = await asyncio.to_thread(self.store.create, name, dimensions, info)
        made = self._held[name] = Collection(name, table, self.engine)
        return made


def is_name(name: str) -> bool:
    """Whether `name` can name a collection."""
    return _NAME.fullmatch(name) is not None


def check_name(name: object) -> str:
    """`name` if it can name a collection.

    Raises:
        InvalidInput
    """
    if not isinstance(name, str) or not is_name(name):
        raise InvalidInput(
            "A collection's name has 1 to 64 letters, digits, dots, dashes or underscores, and begins with a "
            "letter or a digit.",
            param="name",
        )
    return name


def described(info: ModelInfo, metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a table remembers of the collection that it holds."""
    return {
        "model": info.id,
        "fingerprint": info.fingerprint,
        "created": int(time.time()),
        "metadata": dict(metadata or {}),
    }
