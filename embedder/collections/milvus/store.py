"""Collections in Milvus: a head for each in one collection of its own, their rows in one each."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace

from embedder.collections.milvus.heads import Head, Heads
from embedder.collections.milvus.leases import LEASE_S, Leases
from embedder.collections.milvus.rows import create_rows
from embedder.collections.milvus.server import CALL_S, Server
from embedder.collections.milvus.table import MilvusTable
from embedder.collections.open_tables import OpenTables
from embedder.collections.store import Info
from embedder.errors import CollectionExists, StoreFailed, UnknownCollection

LOCK_WAIT_S = 60.0
_ROWS = "tessera_rows_"
_ORPHAN_S = 3600
"""Rows that no head names are those of a killed process, unless they are so new that theirs may come."""


class MilvusStore:
    """The contract of `Store` in the Milvus at `url`; its collections are made when first written to."""

    def __init__(self, url: str, *, lock_wait_s: float = LOCK_WAIT_S, lease_s: float = LEASE_S) -> None:
        self._server = Server(url)
        self._heads = Heads(self._server)
        self._leases = Leases(self._heads, lock_wait_s, lease_s)
        self._open = OpenTables(lambda name: MilvusTable(self._server, self._heads, self._leases, name))

    def names(self) -> list[str]:
        """Every head's name."""
        return list(self._heads.every())

    def create(self, name: str, dimensions: int, info: Info) -> MilvusTable:
        """Rows, then a head, which makes them a collection."""
        with self._server.client(name) as client:
            self._heads.prepare()
            with self._leases.held(name):
                with suppress(UnknownCollection):
                    self._heads.get(name)
                    raise CollectionExists(name)
                rows = f"{_ROWS}{int(time.time()):x}_{uuid.uuid4().hex[:16]}"
                create_rows(client, rows, dimensions)
                self._heads.put(name, self._heads.put_info(Head(rows, dimensions, "", 0), info))
        return self.open(name)

    def open(self, name: str) -> MilvusTable:
        """The table of that head, the same for everybody in this process."""
        table = self._open.get(name)
        try:
            table.refresh()
        except UnknownCollection:
            self._open.forget(name)
            raise UnknownCollection(name) from None
        return table

    def drop(self, name: str) -> None:
        """Take the head away, which is the end of the collection, then its rows."""
        self._open.forget(name)
        with self._held(name):
            head = self._heads.get(name)
            self._settle(name)
            self._heads.remove(name)
            self._heads.forget_info(head)
            self._drop_rows(head)
        self._sweep()

    def rename(self, name: str, new: str) -> None:
        """Hand its rows over to the new name."""
        self._open.forget(name)
        with self._held(*sorted((name, new))):
            head = self._heads.get(name)
            with suppress(UnknownCollection):
                self._heads.get(new)
                raise CollectionExists(new)
            self._settle(name)
            self._heads.hand_over(name, head, new, head)

    def replace(self, name: str, other: str, mark: int, info: Callable[[Info], Info] | None = None) -> bool:
        """Hand the rows of `other` over to `name`."""
        self._open.forget(other)
        with self._held(*sorted((name, other))):
            old, new = self._heads.get(name), self._heads.get(other)
            if old.mark != mark:
                return False
            self._settle(name, other)
            mark = max(mark, new.mark) + 1
            told = new
            if info is not None:
                told = self._heads.put_info(new, info(self._heads.info(old)))
            self._heads.hand_over(other, new, name, replace(told, mark=mark, exchanged=mark))
            self._heads.forget_info(old)
            if told != new:
                self._heads.forget_info(new)
            self._drop_rows(old)
        table = self._open.known(name)
        if table is not None:
            table.refresh()
        return True

    def close(self) -> None:
        """Let go of every lease, then of the server."""
        self._open.close()
        try:
            self._leases.close()
        finally:
            self._server.close()

    def _held(self, *names: str) -> ExitStack:
        held = ExitStack()
        try:
            for name in names:
                held.enter_context(self._leases.held(name))
        except BaseException:
            held.close()
            raise
        return held

    def _settle(self, *names: str) -> None:
        """Take away what is left of the names that these had their rows from, before those get others."""
        for left in self._heads.left_by(*names):
            with self._leases.held(left):
                if left in self._heads.left_by(*names):  # nobody made it anew meanwhile
                    self._heads.remove(left)

    def _drop_rows(self, head: Head) -> None:
        with suppress(UnknownCollection), self._server.client() as client:
            client.drop_collection(head.rows, timeout=CALL_S)

    def _sweep(self) -> None:
        """Delete rows that no head names, once they are old enough."""
        with suppress(StoreFailed, UnknownCollection), self._server.client() as client:
            there = [name for name in client.list_collections(timeout=CALL_S) if name.startswith(_ROWS)]
            named = {head.rows for head in self._heads.every().values()}
            for rows in there:
                made_s = int(rows.removeprefix(_ROWS).partition("_")[0], 16)
                if rows not in named and time.time() - made_s > _ORPHAN_S:
                    client.drop_collection(rows, timeout=CALL_S)
