"""What a server does for its collections now and then, whether anybody looks at them or not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from embedder.collections.catalogue import Collections
from embedder.collections.deleted import sweep
from embedder.collections.map_upkeep import LOOK_S, MapUpkeep
from embedder.collections.uploads import Uploads

_LOG = logging.getLogger(__name__)

FIRST_S, EVERY_S = 60.0, 600.0
"""A server that has just begun has other things to do."""


@asynccontextmanager
async def kept_tidy(collections: Collections, uploads: Uploads, cache_dir: Path) -> AsyncIterator[None]:
    """Within it, what was deleted goes when it is too old to be put back, and what killed processes left.

    Maps that are kept with collections follow what is written to these.
    """

    async def tidy() -> None:
        await sweep(collections)
        await asyncio.to_thread(uploads.sweep)

    maps = MapUpkeep(collections, cache_dir)
    keepers = [
        asyncio.create_task(keep(work, every_s)) for work, every_s in ((tidy, EVERY_S), (maps.look, LOOK_S))
    ]
    try:
        yield
    finally:
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)


async def keep(work: Callable[[], Awaitable[None]], every_s: float) -> None:
    """Do `work` ever again; where it fails that is logged, and the next time comes."""
    wait_s = FIRST_S
    while True:
        await asyncio.sleep(wait_s)
        wait_s = every_s
        try:
            await work()
        except Exception as error:  # a store that is away now may be there the next time
            _LOG.warning("Collections were not looked after: %s", type(error).__name__)
