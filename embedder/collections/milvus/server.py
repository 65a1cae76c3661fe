"""The server that collections are in: its client, opened when first used, and its errors as ours."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from embedder.collections.addresses import missing_package, shown, user_and_password
from embedder.errors import StoreFailed, UnknownCollection

CALL_S = 30.0
_CONNECT_S = 10.0
_NO_COLLECTION, _NOT_LOADED = 100, 101
CHANNEL = {
    # pymilvus asks every ten seconds whether the server lives, which Milvus Lite takes for an attack.
    "grpc.keepalive_time_ms": 300_000,
    "grpc.keepalive_permit_without_calls": False,
    # Else a server that was started again is not looked for again for up to two minutes.
    "grpc.initial_reconnect_backoff_ms": 200,
    "grpc.max_reconnect_backoff_ms": 1000,
    "grpc.use_local_subchannel_pool": 1,
}
STRONG = "Strong"
"""Reads see whatever was acknowledged before, to whomever: Milvus' default may lag by seconds."""


class Server:
    """One client for all threads of a store."""

    def __init__(self, url: str) -> None:
        self.shown = shown(url)
        self._url = url
        self._lock = threading.Lock()
        self._client: Any = None
        self._loaded: set[str] = set()

    @contextmanager
    def client(self, name: str = "") -> Iterator[Any]:
        """The client, for the collection `name`.

        Raises:
            UnknownCollection, StoreFailed, ConfigError
        """
        with self._lock:
            if self._client is None:
                self._client = self._connected()
            client = self._client
        with self.translated(name):
            yield client

    def load(self, client: Any, rows: str) -> None:
        """Have Milvus hold a table in memory, which it does not by itself after some restarts."""
        if rows not in self._loaded:
            client.load_collection(rows, timeout=CALL_S)
            self._loaded.add(rows)

    def close(self) -> None:
        """Let go of the server."""
        with self._lock:
            client, self._client = self._client, None
            self._loaded.clear()
        if client is not None:
            client.close()

    @contextmanager
    def translated(self, name: str) -> Iterator[None]:
        """What Milvus raises as our own error, without its words, which may quote a text."""
        import grpc
        from pymilvus import MilvusException

        try:
            yield
        except MilvusException as error:
            if error.code in (_NO_COLLECTION, _NOT_LOADED):
                self._loaded.clear()
                if error.code == _NO_COLLECTION:
                    raise UnknownCollection(name) from None
            raise self._failed(f"{type(error).__name__} {error.code}") from None
        except grpc.RpcError as error:
            raise self._failed(type(error).__name__) from None

    def _failed(self, why: str) -> StoreFailed:
        return StoreFailed(
            f"The store {self.shown} could not read or write: {why}. What was kept before stays; try again "
            "once that is mended."
        )

    def _connected(self) -> Any:
        try:
            from pymilvus import MilvusClient, MilvusException
        except ImportError:
            raise missing_package("pymilvus", "pymilvus") from None
        # It logs what it was sent, texts in filters too.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
        parts = urlsplit(self._url)
        scheme = "https" if parts.scheme == "https" else "http"
        user, password = user_and_password(self._url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        try:
            return MilvusClient(
                uri=f"{scheme}://{host}:{parts.port or 19530}",
                token=f"{user}:{password}" if user else password,
                db_name=parts.path.strip("/"),
                timeout=_CONNECT_S,
                dedicated=True,
                grpc_options=CHANNEL,
            )
        except MilvusException as error:
            raise StoreFailed(f"The store {self.shown} cannot be used: {_why(error)}.") from None


def create(client: Any, name: str, schema: Any, indexes: Any, **options: Any) -> None:
    """Make a collection of Milvus and load it.

    Left to itself pymilvus waits half a second for each index, even of nothing.
    """
    client.create_collection(name, schema=schema, consistency_level=STRONG, timeout=CALL_S, **options)
    client.create_index(name, indexes, timeout=CALL_S, sync=False)
    client.load_collection(name, timeout=CALL_S)


def _why(error: Exception) -> str:
    told = str(error).lower()
    if "auth" in told:
        return "it refuses the user or the password"
    if "database not found" in told:
        return "it has no such database"
    return "nothing answers there"
