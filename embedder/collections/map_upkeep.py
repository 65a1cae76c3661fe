"""Maps that are kept follow their collections, whoever writes to these, once writing has rested."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

from embedder.collections.catalogue import Collections
from embedder.collections.mapping import MapWish, make_map
from embedder.collections.maps import KeptMaps

_LOG = logging.getLogger(__name__)

LOOK_S = 60.0
REST_S = 300.0
"""So long nobody must have written: texts that come for an hour are one change, not many."""
_SHARE = 10
"""It takes at most about a tenth of the time: after each map so many times what it took is rest."""


class MapUpkeep:
    """Brings maps up to date, one at a time, each in a process that stands behind this one.

    Where no map is kept none is made. What failed is tried again after the next write.
    """

    def __init__(self, collections: Collections, cache_dir: Path, *, rest_s: float = REST_S) -> None:
        self._collections = collections
        self._cache_dir = cache_dir
        self._rest_s = rest_s
        self._seen: dict[str, tuple[int, float]] = {}
        self._done: dict[str, int] = {}
        self._not_before_s = 0.0

    async def look(self) -> None:
        """See which collections were written to, and bring the map of the first that rests up to date.

        Raises:
            TesseraError: the store cannot be asked.
        """
        maps = self._collections.maps
        if maps is None:
            return
        names = await self._collections.names()
        for name in await asyncio.to_thread(lambda: [one for one in names if maps.has(one)]):
            try:
                mark = await self._rested(name, maps)
                if mark is not None and time.monotonic() >= self._not_before_s:
                    await self._follow(name, mark)
            except Exception as error:  # it was deleted meanwhile, say; the others are looked at all the same
                _LOG.info("The map of a collection was not looked at: %s", type(error).__name__)

    async def _rested(self, name: str, maps: KeptMaps) -> int | None:
        """How far a collection was written that has not been written to for a while, past its map."""
        opened = await self._collections.open(name)
        about = await opened.read_about()
        mark = await asyncio.to_thread(lambda: opened.table.mark)
        kept = await asyncio.to_thread(maps.load, name, about)
        if kept is None or mark in (kept.head.mark, self._done.get(name)):
            self._seen.pop(name, None)
            return None
        seen, since_s = self._seen.get(name, (-1, 0.0))
        if seen != mark:
            self._seen[name] = mark, time.monotonic()
            return None
        return mark if time.monotonic() - since_s >= self._rest_s else None

    async def _follow(self, name: str, mark: int) -> None:
        collections = self._collections
        if collections.mapping or collections.maps is None:
            return
        from filelock import Timeout

        started_s = time.monotonic()
        lock = collections.maps.keepers_lock()
        try:
            lock.acquire()
        except (Timeout, OSError):  # another process is at it; a minute later there may be nothing left to do
            return
        collections.mapping.add(name)
        try:
            about = await (await collections.open(name)).read_about()
            kept = await asyncio.to_thread(collections.maps.load, name, about)
            if kept is None:
                return
            self._done[name] = mark
            await make_map(collections, name, self._cache_dir, MapWish(kept.head.options))
        finally:
            collections.mapping.discard(name)
            lock.release()
            now_s = time.monotonic()
            self._not_before_s = now_s + _SHARE * (now_s - started_s)
