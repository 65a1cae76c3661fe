"""Keys that are kept in a store: every server on it takes them, and none has to be told.

What is kept of a key is its digest. They are in what a hidden table remembers of itself, which each
store changes in one step, whoever else does at the same moment.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from embedder.collections.catalogue import HIDDEN
from embedder.collections.store import Info, Store, Table
from embedder.errors import CollectionExists, InvalidInput, StoreFailed, TooLarge, UnknownCollection

MAX_KEYS = 1000
MAX_NAME_CHARS = 64
_TABLE = f"{HIDDEN}_keys"
_PREFIX = "tsr-"
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Key:
    """A key by its `digest`, SHA-256 in hex; `created` in Unix seconds; no limit where it has none."""

    id: str
    name: str
    digest: str
    created: int
    tokens_per_minute: int | None = None


class Keys:
    """Adds, lists and revokes the keys of a store. Everything here blocks."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, *, had: bool = False) -> list[Key] | None:
        """Every key, the oldest first; None where there never was one, or that is forgotten.

        Raises:
            StoreFailed: also where there were keys, as `had` says, and the store knows nothing of them.
        """
        try:
            told = self._store.open(_TABLE).info
        except UnknownCollection:
            if had:
                raise StoreFailed("The store knows nothing of the keys that it had.") from None
            return None
        if told.get("forgotten"):
            return None
        return sorted(_keys_of(told), key=lambda key: (key.created, key.id))

    def add(self, name: str, tokens_per_minute: int | None = None) -> tuple[str, Key]:
        """A new key as its owner sends it, which nobody can read again, and what is kept of it.

        Raises:
            InvalidInput: the name or the limit is wrong.
            TooLarge: there are `MAX_KEYS`.
            CollectionBusy, StoreFailed
        """
        if not (0 < len(name.strip()) <= MAX_NAME_CHARS and name.isprintable()):
            raise InvalidInput(f"A key's name has 1 to {MAX_NAME_CHARS} characters.", param="name")
        if tokens_per_minute is not None and tokens_per_minute < 1:
            raise InvalidInput("A limit is at least 1 token a minute.", param="tokens_per_minute")
        sent = _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        digest = digest_of(sent.encode())
        made = Key(secrets.token_hex(4), name.strip(), digest, int(time.time()), tokens_per_minute)

        def added(told: dict[str, Any]) -> None:
            if len(told) >= MAX_KEYS:
                raise TooLarge(f"There are {MAX_KEYS:,} keys, the most there can be. Revoke one.")
            told[made.id] = asdict(made)

        _change(hidden_table(self._store, _TABLE, {"keys": {}}), added)
        return sent, made

    def revoke(self, key_id: str) -> None:
        """Take a key away. The server stays closed to whoever has none, also without the last one.

        Raises:
            InvalidInput: there is none of that id.
            CollectionBusy, StoreFailed
        """

        def without(told: dict[str, Any]) -> None:
            if told.pop(key_id, None) is None:
                raise InvalidInput(f"There is no key {key_id[:64]!r}. `tessera key list` tells their ids.")

        try:
            _change(self._store.open(_TABLE), without)
        except UnknownCollection:
            without({})

    def forget(self) -> None:
        """Take all keys away, and that there were any: who may come is for the settings to say again.

        Raises:
            CollectionBusy, StoreFailed
        """
        with suppress(UnknownCollection):
            # Told, not dropped: a store that lost its keys must not look the same.
            self._store.open(_TABLE).write_info({"keys": {}, "forgotten": True})


def hidden_table(store: Store, name: str, info: Info) -> Table:
    """The table that holds nothing but what is remembered of it; made with `info` if it is not there.

    Raises:
        CollectionBusy, StoreFailed
    """
    with suppress(UnknownCollection):
        return store.open(name)
    with suppress(CollectionExists):  # by another, just now
        return store.create(name, 1, info)
    return store.open(name)


def digest_of(sent: bytes) -> str:
    """What is kept of a key: it is random and long, so a plain digest tells nothing of it."""
    return hashlib.sha256(sent).hexdigest()


def _change(table: Table, change: Callable[[dict[str, Any]], None]) -> None:
    """As they are told of: a key of another version is neither read nor lost."""

    def changed(info: Info) -> Info:
        told = dict(_told(info))
        change(told)
        return {**info, "keys": told, "forgotten": False}

    table.change_info(changed)


def _keys_of(info: Info) -> list[Key]:
    """Those that this version can read; others open nothing."""
    keys = []
    for one in _told(info).values():
        with suppress(TypeError, ValueError):
            key = Key(**one)
            bytes.fromhex(key.digest)
            limit = key.tokens_per_minute
            keys.append(replace(key, created=int(key.created), tokens_per_minute=limit and int(limit)))
    return keys


def _told(info: Info) -> Mapping[str, Any]:
    told = info.get("keys")
    if not isinstance(told, Mapping):
        raise StoreFailed("The keys in the store cannot be read. `tessera key forget` takes them all away.")
    return told
