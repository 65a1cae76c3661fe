"""What a server does for its collections now and then, whether anybody looks at them or not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from embedder.collections.catalogue import Collections
from embedder.collections.deleted import sweep
from embedder.collections.uploads import Uploads

_LOG = logging.getLogger(__name__)

FIRST_S, EVERY_S = 60.0, 600.0
"""A server that has just begun has other things to do."""


@asynccontextmanager
async def kept_tidy(collections: Collections, uploads: Uploads) -> AsyncIterator[None]:
    """Within it, what was deleted goes when it is too old to be put back, and what killed processes left."""
    keeper = asyncio.create_task(_keep(collections, uploads))
    try:
        yield
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper


async def _keep(collections: Collections, uploads: Uploads) -> None:
    wait_s = FIRST_S
    while True:
        await asyncio.sleep(wait_s)
        wait_s = EVERY_S
        try:
            await sweep(collections)
            await asyncio.to_thread(uploads.sweep)
        except Exception as error:  # a store that is away now may be there the next time
            _LOG.warning("Collections were not tidied up: %s", type(error).__name__)
