"""The second level of the cache: vectors on disk, for when the process is started again.

SQLite holds them, in its write-ahead mode: a process that is killed leaves a readable file, and
several processes may share one. Texts are not in it, only hashes of them. Whatever goes wrong with
the disk costs the vectors kept, never a request.
"""

from __future__ import annotations

import hashlib
import logging
import queue
import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from embedder.types import KnownVector

_LOG = logging.getLogger(__name__)

T = TypeVar("T")

_FORMAT = 1
"""Part of the file's name: a later format begins a file of its own."""

_PAGE_BYTES = 16_384
"""Holds several vectors of any usual width."""
_LEAST_BYTES = 64 * _PAGE_BYTES
_LOCK_WAIT_S = 5.0
_KEYS_A_QUERY = 500
_WAITING_ROWS, _WRITTEN_ROWS = 20_000, 1_000
"""Rows waiting to be written, past which new ones are let go, and rows of one transaction."""
_FORGOTTEN_ROWS = 200
_LOG_PAGES = 256
"""After so many pages the write-ahead log is written into the file and cut."""
_ROOM = 1.25
"""Trees are not packed full."""
_WRITE_EVERY_S = 0.5
_FILL_SHARE = 0.9
"""How full it is left when something had to go, so that not every write has to look for room."""
_USED_EVERY_S = 3600
"""A row is noted as used at most so often."""

_DAMAGES = 3
"""A file is begun anew so many times; a disk that damages more is not to be used."""

_CHECKSUM_BYTES = 8
_HEAD = struct.Struct("<I?")
"""Prompt tokens, and whether the text was cut; the vector comes after."""

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

_TABLE = """
CREATE TABLE IF NOT EXISTS vectors (key BLOB UNIQUE NOT NULL, used INTEGER NOT NULL, row BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS vectors_by_use ON vectors (used);
"""


class DiskCache:
    """Vectors by content address in `folder`, about `max_bytes` of them, the least recently used going first.

    Reading blocks and belongs in a thread; writing is left to a thread of its own. Safe to call
    from any thread.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._path = folder / f"vectors-{_FORMAT}.sqlite3"
        self._max_pages = max(max_bytes, _LEAST_BYTES) // _PAGE_BYTES
        self._waiting: queue.Queue[tuple[bytes, bytes | None] | None] = queue.Queue(_WAITING_ROWS)
        self._lock = threading.Lock()
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._damages = 0
        self._on = True
        self._writer = threading.Thread(target=self._write_all, name="disk-cache", daemon=True)
        self._writer.start()

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, KnownVector]:
        """The vectors known of `keys`, read-only; one that is damaged is not known."""
        found: dict[bytes, KnownVector] = {}
        not_noted = time.time() - _USED_EVERY_S
        for key, used, row in self._try(lambda: self._read(keys)) or ():
            known = _unpack(key, row)
            if known is not None:
                found[key] = known
                if used < not_noted:
                    self._offer(key, None)
        return found

    def put(self, key: bytes, known: KnownVector) -> None:
        """Have a copy of `known` written soon; let go if more comes than the disk can take."""
        if self._on:
            self._offer(key, _pack(key, known))

    def close(self, timeout_s: float) -> None:
        """Write what waits, for `timeout_s` at most; blocking. Nothing is called after."""
        with suppress(queue.Full):
            self._waiting.put(None, timeout=timeout_s)
            self._writer.join(timeout_s)
        self._on = False
        if not self._writer.is_alive():
            for connection in self._connections:
                connection.close()

    def _offer(self, key: bytes, row: bytes | None) -> None:
        with suppress(queue.Full):
            self._waiting.put_nowait((key, row))

    def _connection(self) -> sqlite3.Connection:
        """This thread's connection to the file that is there now: another process may have begun it anew."""
        now = _inode_of(self._path)
        held: tuple[int | None, sqlite3.Connection | None] = getattr(self._local, "held", (None, None))
        inode, connection = held
        if connection is not None and inode == now:
            return connection
        self._local.held = now, None
        if connection is not None:
            self._let_go(connection)
        made = self._connect()
        self._local.held = _inode_of(self._path), made
        return made

    def _let_go(self, connection: sqlite3.Connection) -> None:
        with self._lock, suppress(sqlite3.Error):
            self._connections.remove(connection)
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        """Open the file, made if need be and private to this user: vectors tell much of their texts."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.parent.chmod(0o700)
        connection = sqlite3.connect(
            self._path, timeout=_LOCK_WAIT_S, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = WAL")
            # The last rows may be lost with the power; the file is whole either way.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
            connection.executescript(_TABLE)
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._connections.append(connection)
        return connection

    def _read(self, keys: Sequence[bytes]) -> list[tuple[bytes, int, bytes]]:
        connection = self._connection()
        rows: list[tuple[bytes, int, bytes]] = []
        for start in range(0, len(keys), _KEYS_A_QUERY):
            some = keys[start : start + _KEYS_A_QUERY]
            marks = ",".join("?" * len(some))
            query = f"SELECT key, used, row FROM vectors WHERE key IN ({marks})"
            rows += connection.execute(query, some)
        return rows

    def _write_all(self) -> None:
        """The writer's thread."""
        self._try(self._shrink)
        ended = False
        while not ended:
            rows, ended = self._gather()
            if rows:
                self._try(partial(self._write, rows))

    def _gather(self) -> tuple[dict[bytes, bytes | None], bool]:
        """What is to be written within one transaction, and whether it is the last."""
        rows: dict[bytes, bytes | None] = {}
        item = self._waiting.get()
        until_s = time.monotonic() + _WRITE_EVERY_S
        while item is not None:
            rows[item[0]] = item[1] or rows.get(item[0])
            if len(rows) >= _WRITTEN_ROWS:
                return rows, False
            try:
                item = self._waiting.get(timeout=max(0.0, until_s - time.monotonic()))
            except queue.Empty:
                return rows, False
        return rows, True

    def _write(self, rows: Mapping[bytes, bytes | None]) -> None:
        now = int(time.time())
        written = [(key, now, row) for key, row in rows.items() if row]
        used = [(now, key) for key, row in rows.items() if not row]
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._make_room(connection, sum(len(row) for _, _, row in written))
            connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", written)
            connection.executemany("UPDATE vectors SET used = ? WHERE key = ?", used)
            connection.execute("COMMIT")
            self._fold(connection)
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def _fold(self, connection: sqlite3.Connection) -> None:
        """Empty the log if it is long: on its own it is not cut while anybody reads."""
        log = self._path.with_name(self._path.name + "-wal")
        with suppress(FileNotFoundError):  # another process has begun the file anew
            if log.stat().st_size <= _LOG_PAGES * _PAGE_BYTES:
                return
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _shrink(self) -> None:
        """Give back what the file holds past its bound, which was higher when it was written.

        Rows go some at a time, so that other processes write in between.
        """
        if not self._path.is_file() or self._path.stat().st_size <= self._max_pages * _PAGE_BYTES:
            return
        connection = self._connection()
        while _held_pages(connection) > _FILL_SHARE * self._max_pages and _forget_oldest(connection):
            pass
        try:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            # It needs the room of a copy; without, what is free in the file is used all the same.
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
                raise
            _LOG.info("The cache of vectors on disk keeps its size for now: %s.", error)

    def _make_room(self, connection: sqlite3.Connection, new_bytes: int) -> None:
        """Forget what was not used for longest until `new_bytes` more fit."""
        new_pages = int(_ROOM * new_bytes) // _PAGE_BYTES + 1
        if _held_pages(connection) + new_pages <= self._max_pages:
            return
        while _held_pages(connection) + new_pages > _FILL_SHARE * self._max_pages:
            if not _forget_oldest(connection):
                return

    def _try(self, work: Callable[[], T]) -> T | None:
        """`work()`, or None where the disk fails.

        A damaged file is begun anew, a few times. A file that others hold too long costs this work alone;
        anything else, a full disk for one, ends this level of the cache.
        """
        if not self._on:
            return None
        try:
            return work()
        except (sqlite3.Error, OSError) as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _DAMAGED:
                self._begin_anew()
            elif code != sqlite3.SQLITE_BUSY:
                self._on = False
                _LOG.error("The cache of vectors on disk is off: %s (%s).", error, self._path)
        return None

    def _begin_anew(self) -> None:
        """Delete the file that this thread found damaged, unless another thread or process has done so."""
        from filelock import FileLock, Timeout

        damaged, _ = getattr(self._local, "held", (None, None))
        with suppress(OSError, Timeout), FileLock(f"{self._path}.lock", _LOCK_WAIT_S, mode=0o600):
            if _inode_of(self._path) != damaged:
                return
            with self._lock:
                self._damages += 1
                self._on = self._damages <= _DAMAGES
            _LOG.error("The cache of vectors on disk was damaged and is begun anew (%s).", self._path)
            for suffix in ("", "-wal", "-shm"):
                with suppress(OSError):
                    self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


def _inode_of(path: Path) -> int | None:
    """Which file is there, if one is; a number that no other file has while somebody has that one open."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _forget_oldest(connection: sqlite3.Connection) -> int:
    """Delete some of those not used for longest; how many there were."""
    oldest = "SELECT key FROM vectors ORDER BY used LIMIT ?"
    return connection.execute(f"DELETE FROM vectors WHERE key IN ({oldest})", (_FORGOTTEN_ROWS,)).rowcount


def _held_pages(connection: sqlite3.Connection) -> int:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    return int(pages) - int(free)


def _pack(key: bytes, known: KnownVector) -> bytes:
    rest = _HEAD.pack(known.prompt_tokens, known.truncated) + known.vector.astype("<f4", copy=False).tobytes()
    return _checksum(key, rest) + rest


def _unpack(key: bytes, row: object) -> KnownVector | None:
    """What `_pack` made, or None if it is something else by now."""
    if not isinstance(row, bytes) or len(row) < _CHECKSUM_BYTES + _HEAD.size:
        return None
    rest = row[_CHECKSUM_BYTES:]
    if row[:_CHECKSUM_BYTES] != _checksum(key, rest):
        return None
    prompt_tokens, truncated = _HEAD.unpack_from(rest)
    vector = np.frombuffer(rest, "<f4", offset=_HEAD.size).astype(np.float32, copy=False)
    return KnownVector(vector, prompt_tokens, truncated)


def _checksum(key: bytes, rest: bytes) -> bytes:
    return hashlib.blake2b(rest, key=key, digest_size=_CHECKSUM_BYTES).digest()
