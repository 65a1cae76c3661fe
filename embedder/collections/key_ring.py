"""What a running server knows of the keys in its store, read anew every second."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from embedder.collections.key_limits import KeyBudget, KeyLimits
from embedder.collections.keys import Key, Keys
from embedder.collections.store import Store
from embedder.errors import KeysUnavailable
from embedder.spending import Budget

LOOK_S = 1.0
"""A store may show what was written a second later: keys change within two."""
_FIRST_S = 10.0
"""A server that starts waits so long for its store."""
_LAST_S = 5.0
"""And one that stops, to tell it what keys have spent."""
_TRUSTED_S = 300.0
"""So long after they could last be read, keys are taken as they were."""

_LOG = logging.getLogger(__name__)


class KeyRing:
    """The keys of a store, by their digests, and what they may spend. Used from one event loop."""

    def __init__(self, store: Store) -> None:
        self._limits = KeyLimits(store)
        self._kept = Keys(store)
        self._keys: dict[bytes, Key] | None = None
        self._read_at_s: float | None = None

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Within it keys are as they are in the store; they have been read once when it is entered."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._look(), _FIRST_S)
        # Two tasks: who waits for the store's writer keeps nobody from reading.
        followers = [asyncio.create_task(_ever(step)) for step in (self._look, self._share)]
        try:
            yield
        finally:
            for follower in followers:
                follower.cancel()
            await asyncio.gather(*followers, return_exceptions=True)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._share(), _LAST_S)

    @property
    def closed(self) -> bool:
        """Whether only those may come who have a key: there are keys, or were.

        Raises:
            KeysUnavailable
        """
        self._check()
        return self._keys is not None

    def find(self, sent: bytes) -> Key | None:
        """The key that was sent, if it is one.

        Raises:
            KeysUnavailable
        """
        self._check()
        # By its digest, which nobody can choose: how long a look takes tells nothing of any key.
        return self._keys.get(hashlib.sha256(sent).digest()) if self._keys else None

    def budget_of(self, sent: bytes) -> Budget | None:
        """What the key that was sent may spend; None where it has no limit.

        Raises:
            KeysUnavailable
        """
        key = self.find(sent)
        if key is None or key.tokens_per_minute is None:
            return None
        return KeyBudget(self._limits, key.id, key.tokens_per_minute)

    def _check(self) -> None:
        if self._read_at_s is None or time.monotonic() - self._read_at_s > _TRUSTED_S:
            raise KeysUnavailable(retry_after_s=2 * LOOK_S)

    async def _look(self) -> None:
        try:
            kept = await asyncio.to_thread(self._kept.read, had=self._keys is not None)
            keys = None if kept is None else {bytes.fromhex(key.digest): key for key in kept}
        except Exception as error:  # whatever it is, the next look may find it mended
            _LOG.warning("The keys in the store could not be read: %s", type(error).__name__)
            return
        self._keys = keys
        self._read_at_s = time.monotonic()

    async def _share(self) -> None:
        try:
            await asyncio.to_thread(self._limits.share)
        except Exception as error:  # what was spent is told the next time
            _LOG.warning("What keys have spent could not be shared: %s", type(error).__name__)


async def _ever(step: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        await step()
