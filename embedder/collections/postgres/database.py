"""The database that collections are in: its connections, its tables of all collections, its errors."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from embedder.collections.addresses import missing_package, shown
from embedder.errors import CollectionBusy, ConfigError, StoreFailed, TesseraError, UnknownCollection

if TYPE_CHECKING:
    from psycopg import Connection

_MAX_CONNECTIONS, _MAX_WRITERS = 8, 3
_CONNECT_S = 10
_LEAST_VECTOR = (0, 8)
"""The first pgvector that goes on looking where a filter leaves too few rows."""
_SETUP_LOCK = 0x7E55E2A
_SCHEMA = """
CREATE SCHEMA IF NOT EXISTS tessera;
CREATE SEQUENCE IF NOT EXISTS tessera.numbers;
CREATE TABLE IF NOT EXISTS tessera.gone (rows bigint PRIMARY KEY);
CREATE TABLE IF NOT EXISTS tessera.collections (
    name text COLLATE "C" PRIMARY KEY,
    format int NOT NULL,
    rows bigint NOT NULL,
    dimensions int NOT NULL,
    told bigint NOT NULL,
    info text NOT NULL,
    mark bigint NOT NULL,
    exchanged bigint NOT NULL,
    count bigint NOT NULL,
    words bigint NOT NULL,
    index text NOT NULL
);
"""


class Database:
    """A pool of connections, opened when first used. Safe from any thread.

    Outside of `transaction` every statement is one of its own.
    """

    def __init__(self, url: str) -> None:
        self.shown = shown(url)
        self._url = url
        self._lock = threading.Lock()
        self._pool: Any = None
        self._ready = False
        self._writers = threading.BoundedSemaphore(_MAX_WRITERS)
        self._local = threading.local()

    @contextmanager
    def connection(self, name: str = "") -> Iterator[Connection[Any]]:
        """A connection for one thread, for the collection `name`.

        Raises:
            CollectionBusy, UnknownCollection, StoreFailed, ConfigError
        """
        pool = self._opened()
        with self.translated(name), pool.connection() as connection:
            yield connection

    @contextmanager
    def transaction(self, name: str, wait_s: float) -> Iterator[Connection[Any]]:
        """A connection on which everything or nothing is done; waits for locks at most `wait_s`."""
        with self._turn(name, wait_s), self.connection(name) as connection, connection.transaction():
            connection.execute(
                "SELECT set_config('lock_timeout', %s, true)", [f"{max(1, int(wait_s * 1000))}ms"]
            )
            yield connection

    @contextmanager
    def _turn(self, name: str, wait_s: float) -> Iterator[None]:
        """So few write at once that each may have a second connection within, and readers have some left."""
        within = getattr(self._local, "writing", False)
        if not within and not self._writers.acquire(timeout=wait_s):
            raise CollectionBusy(name)
        self._local.writing = True
        try:
            yield
        finally:
            if not within:
                self._local.writing = False
                self._writers.release()

    def prepare(self) -> None:
        """Make what all collections share, unless it is there.

        Raises:
            ConfigError: the database has no pgvector, or one that is too old.
        """
        if self._ready:
            return
        with self.connection() as connection:
            row = connection.execute("SELECT to_regclass('tessera.collections') IS NOT NULL").fetchone()
            if row and row[0]:
                self._ready = True
                return
        with self.connection() as connection, connection.transaction():
            # IF NOT EXISTS is no help against another who makes the same at once.
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_SETUP_LOCK])
            self._vector(connection)
            for statement in _SCHEMA.split(";"):
                if statement.strip():
                    connection.execute(statement)
        self._ready = True

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    @contextmanager
    def translated(self, name: str) -> Iterator[None]:
        """What the database raises as our own error, without its words, which may quote a text."""
        import psycopg
        from psycopg import errors
        from psycopg_pool import PoolTimeout

        try:
            yield
        except errors.LockNotAvailable:
            raise CollectionBusy(name) from None
        except (errors.UndefinedTable, errors.InvalidSchemaName):
            raise UnknownCollection(name) from None
        except PoolTimeout:
            raise StoreFailed(f"The database {self.shown} did not answer in time. Try again later.") from None
        except psycopg.Error as error:
            full = isinstance(error, errors.DiskFull)
            why = "its disk is full" if full else f"{type(error).__name__} {error.sqlstate or ''}".strip()
            raise StoreFailed(
                f"The database {self.shown} could not read or write: {why}. "
                "What was kept before stays; try again once that is mended."
            ) from None

    def _opened(self) -> Any:
        with self._lock:
            if self._pool is None:
                self._pool = self._connected()
            return self._pool

    def _connected(self) -> Any:
        try:
            import psycopg
            from psycopg_pool import ConnectionPool
        except ImportError:
            raise missing_package("psycopg", "'psycopg[binary,pool]'") from None
        # The pool would try for ever, and tell only its log why.
        try:
            psycopg.connect(self._url, connect_timeout=_CONNECT_S).close()
        except psycopg.Error as error:
            raise _unreachable(self.shown, error) from None
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
        pool: Any = ConnectionPool(
            self._url,
            min_size=0,
            max_size=_MAX_CONNECTIONS,
            timeout=_CONNECT_S,
            check=ConnectionPool.check_connection,
            kwargs={"autocommit": True, "connect_timeout": _CONNECT_S, "application_name": "tessera"},
            open=True,
        )
        return pool

    def _vector(self, connection: Connection[Any]) -> None:
        from psycopg import Error

        (encoding,) = connection.execute("SHOW server_encoding").fetchone() or ("",)
        if encoding != "UTF8":
            raise ConfigError(f"The database {self.shown} holds {encoding}. Collections need one of UTF8.")
        try:
            with connection.transaction():
                connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except Error:
            raise ConfigError(
                f"The database {self.shown} has no pgvector. Install it there, and have whoever may do so "
                "run: CREATE EXTENSION vector;"
            ) from None
        row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
        version = row[0] if row else "0"
        if tuple(int(part) for part in version.split(".")[:2]) < _LEAST_VECTOR:
            raise ConfigError(f"pgvector {version} in {self.shown} is too old: 0.8 or later is needed.")


def _unreachable(place: str, error: Exception) -> TesseraError:
    """Why a connection was refused, in our own words: the server's may hold what was sent."""
    told = str(error).lower()
    for sign, why in (
        ("password authentication failed", "it refuses the user or the password"),
        ("no password supplied", "it asks for a password"),
        ("does not exist", "it has no such database or user"),
        ("connection refused", "nothing listens there"),
        ("could not translate host name", "there is no such host"),
        ("name or service not known", "there is no such host"),
        ("timeout", "it does not answer"),
        ("invalid", "the address is no valid one"),
    ):
        if sign in told:
            return StoreFailed(f"The database {place} cannot be used: {why}.")
    return StoreFailed(f"The database {place} cannot be used ({type(error).__name__}).")


def sweep(database: Database) -> None:
    """Delete the rows of collections that are gone, unless somebody still reads them."""
    with suppress(CollectionBusy, UnknownCollection, StoreFailed):
        with database.connection() as connection:
            numbers = [row[0] for row in connection.execute("SELECT rows FROM tessera.gone")]
        for number in numbers:
            with suppress(CollectionBusy), database.transaction("", 0.5) as connection:
                connection.execute(f"DROP TABLE IF EXISTS tessera.rows_{number}, tessera.words_{number}")
                connection.execute("DELETE FROM tessera.gone WHERE rows = %s", [number])
