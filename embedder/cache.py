"""Vectors by content address: one key for cache and scheduler, one bounded memory."""

from __future__ import annotations

import array
import asyncio
import hashlib
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial

from cachetools import LRUCache

from embedder.daemon_thread import DaemonThread
from embedder.disk_cache import DiskCache
from embedder.types import KnownVector, Prompt, Text

_LOG = logging.getLogger(__name__)

DISK_WAIT_S = 2.0
"""By then a few hundred texts are computed."""
_ENTRY_OVERHEAD_BYTES = 400
"""Key, array header, record and links of one entry, measured with `tracemalloc`."""


def cache_keys(fingerprint: str, prompt: Prompt, texts: Sequence[Text]) -> list[bytes]:
    """The content address of each text: 32 bytes of BLAKE2b over space, prompt and text.

    Every part goes in with its length and the kind of text with a tag, so that no two
    different triples can be spelled alike.
    """
    space = hashlib.blake2b(digest_size=32)
    for part in (fingerprint, prompt.text, prompt.task or ""):
        encoded = part.encode()
        space.update(len(encoded).to_bytes(8, "little"))
        space.update(encoded)
    keys = []
    for text in texts:
        digest = space.copy()
        if isinstance(text, str):
            digest.update(b"text")
            digest.update(text.encode())
        else:
            digest.update(b"ids")
            digest.update(array.array("q", text).tobytes())
        keys.append(digest.digest())
    return keys


class MemoryCache:
    """The least recently used vectors go first once `max_bytes` are held."""

    def __init__(self, max_bytes: int) -> None:
        self._entries: LRUCache[bytes, KnownVector] = LRUCache(max_bytes, getsizeof=_entry_bytes)
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """Memory held now."""
        return int(self._entries.currsize)

    def get(self, key: bytes) -> KnownVector | None:
        """The vector of `key`, or None; the vector is read-only."""
        with self._lock:
            return self._entries.get(key)

    def put(self, key: bytes, known: KnownVector) -> None:
        """Keep a copy under `key`, at the price of what was not asked for longest."""
        vector = known.vector.copy()
        vector.flags.writeable = False
        entry = KnownVector(vector, known.prompt_tokens, known.truncated)
        with self._lock:
            if _entry_bytes(entry) <= self._entries.maxsize:
                self._entries[key] = entry


class TwoLevelCache:
    """Memory before disk: what is put goes to both, `get` asks memory alone.

    The disk is asked for many keys at once, and in a thread of its own: one that hangs holds nobody up.
    """

    def __init__(self, memory: MemoryCache, disk: DiskCache) -> None:
        self._memory = memory
        self._disk = disk
        self._reader = DaemonThread("disk-cache-reads")
        self._late: Future[dict[bytes, KnownVector]] | None = None

    def get(self, key: bytes) -> KnownVector | None:
        """The vector of `key` if memory holds it, or None; the vector is read-only."""
        return self._memory.get(key)

    def put(self, key: bytes, known: KnownVector) -> None:
        """Keep a copy in memory, and have one written to disk soon."""
        self._memory.put(key, known)
        self._disk.put(key, known)

    async def fetch(self, keys: Sequence[bytes], within_s: float = DISK_WAIT_S) -> dict[bytes, KnownVector]:
        """What the disk knows of `keys`, which memory holds from now on; nothing if that takes longer.

        While it is busy with what somebody waited for in vain, it is not asked.
        """
        if self._late is not None and not self._late.done():
            return {}
        reading = self._reader.submit(partial(self._fetch, keys))
        try:
            await asyncio.wait({asyncio.wrap_future(reading)}, timeout=within_s)
        finally:
            if not reading.done():
                self._late = reading
        if not reading.done():
            _LOG.warning("The cache of vectors on disk took over %g s to answer; going on without.", within_s)
            return {}
        return reading.result()

    def _fetch(self, keys: Sequence[bytes]) -> dict[bytes, KnownVector]:
        found = self._disk.get_many(keys)
        for key, known in found.items():
            self._memory.put(key, known)
        return found

    def close(self, timeout_s: float) -> None:
        """Write what waits to be written, for `timeout_s` at most; blocking."""
        self._reader.close()
        self._disk.close(timeout_s)


def _entry_bytes(entry: KnownVector) -> int:
    return entry.vector.nbytes + _ENTRY_OVERHEAD_BYTES
