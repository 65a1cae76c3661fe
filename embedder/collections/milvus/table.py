"""One collection's rows in Milvus: one writer at a time, any number of readers, from any machines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from embedder.collections.filters import Filter
from embedder.collections.milvus import queries, recall
from embedder.collections.milvus.expressions import all_of, expression, strings
from embedder.collections.milvus.heads import MAX_QUERY_ROWS, Head, Heads
from embedder.collections.milvus.leases import Leases
from embedder.collections.milvus.rows import columns_of, requests, row_of, rows_of, words_told
from embedder.collections.milvus.server import CALL_S, Server
from embedder.collections.rows import Found, Row, Rows, last_of_each, revised, storable
from embedder.collections.rows_along import RowsAlong
from embedder.collections.store import Info, Stats
from embedder.errors import StoreFailed, UnknownCollection

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

_FRESH_S = 1.0
"""So long what was seen of a collection with the last call is taken for what it is."""


class MilvusTable(RowsAlong):
    """The contract of `Table` over the collection that a head names. Made by `MilvusStore`."""

    def __init__(self, server: Server, heads: Heads, leases: Leases, name: str) -> None:
        self._server = server
        self._heads = heads
        self._leases = leases
        self._name = name
        self._seen: tuple[float, Head] | None = None
        self._info: tuple[str, Info] | None = None

    @property
    def dimensions(self) -> int:
        """Width of the vectors."""
        return self._head().dimensions

    @property
    def info(self) -> Info:
        """What the owner remembers of the table; what another process wrote may show a second later."""
        return self._info_of(self._head())

    @property
    def mark(self) -> int:
        """How many writes there have been."""
        return self._read(lambda _, head: head.mark)

    def write_info(self, info: Info) -> None:
        """Remember `info`."""
        self.change_info(lambda _: info)

    def change_info(self, change: Callable[[Info], Info]) -> Info:
        """Remember a change of it."""
        with self.writing() as (_, head):
            info = dict(change(self._heads.info(head)))
            self._heads.put(self._name, self._heads.put_info(head, info))
            self._heads.forget_info(head)
        return info

    def upsert(self, rows: Rows) -> int:
        """One request writes all of it, or none; what is larger than a request may stay in part."""
        rows = last_of_each(rows)
        if not len(rows):
            return 0
        with self.writing() as (client, head):
            there = queries.there(client, head, rows.ids)
            self._write(client, head, rows)
        return len(rows) - there

    def revise(self, ids: Sequence[str], change: Callable[[Row], Row]) -> int:
        """Read and written under the writer's lock, some hundreds at a time."""
        there = 0
        with self.writing() as (client, before):
            head = before
            for keys in queries.parts(storable(ids)):
                if rows := _rows_of(client, head, keys, vectors=True):
                    head = self._write(client, head, revised(rows, change))
                    there += len(rows)
        return there

    def delete(self, ids: Sequence[str], keep: Callable[[list[Row]], None] | None = None) -> int:
        """Delete by id, some hundreds at a time."""
        wanted = storable(ids)
        with self.writing() as (client, head):
            if keep is not None:
                for keys in queries.parts(wanted):
                    keep(_rows_of(client, head, keys, vectors=True))
            deleted = queries.there(client, head, wanted)
            if deleted:
                for keys in queries.parts(wanted):
                    client.delete(head.rows, ids=keys, timeout=CALL_S)
                self._heads.put(self._name, replace(head, mark=head.mark + 1))
        return deleted

    def get(self, ids: Sequence[str], *, vectors: bool = False) -> list[Row]:
        """Rows by id."""
        wanted = storable(ids)

        def found(client: Any, head: Head) -> dict[str, Row]:
            rows = {}
            for keys in queries.parts(wanted):
                rows.update({row.id: row for row in _rows_of(client, head, keys, vectors=vectors)})
            return rows

        rows = self._read(found)
        return [rows[row_id] for row_id in wanted if row_id in rows]

    def ids_of(self, documents: Sequence[str]) -> list[str]:
        """Ids by document."""
        wanted = [document for document in storable(documents) if document]

        def found(client: Any, head: Head) -> list[str]:
            ids: list[str] = []
            for keys in queries.parts(wanted):
                for told in queries.pages(
                    client, head, f"document_key in {strings(keys)}", ["row_id"], MAX_QUERY_ROWS
                ):
                    ids += [one["row_id"] for one in told]
            return ids

        return self._read(found)

    def count(self, wanted: Filter | None = None) -> int:
        """Rows, or those that pass."""
        where = "" if wanted is None else expression(wanted)
        return self._read(lambda client, head: queries.count(client, head, where))

    def nearest(
        self, vector: NDArray[np.float32], k: int, wanted: Filter | None = None, *, vectors: bool = False
    ) -> list[Found]:
        """By Milvus' own index, which it chooses and makes by itself."""
        if not vector.any():
            return []

        def found(client: Any, head: Head) -> list[Found]:
            where = all_of(
                "" if wanted is None else expression(wanted), "directed == true" if head.zeros else ""
            )
            options = {"limit": k, "filter": where, "output_fields": columns_of(vectors)}
            return queries.nearest(client, head, vector, options)

        return self._read(found)

    def keyword(
        self, query: str, k: int, wanted: Filter | None = None, *, vectors: bool = False
    ) -> list[Found]:
        """BM25 by Milvus' own function over words as they are cut here."""
        words = words_told(query)
        if not words:
            return []

        def found(client: Any, head: Head) -> list[Found]:
            where = "" if wanted is None else expression(wanted)
            options = {"limit": k, "filter": where, "output_fields": columns_of(vectors)}
            hits = queries.search(client, head, "bm25", words, options)
            # Milvus Lite gives distances, below 0.
            return [Found(row, abs(score)) for row, score in hits if score]

        return self._read(found)

    def scan(self, batch_rows: int = 1000, *, since: int = 0) -> Iterator[Rows]:
        """Batches in the order of keys. A cluster gives all of them as they were at the first."""
        for told in self._pages(columns_of(True), batch_rows, since):
            yield rows_of(told)

    def ids(self) -> Iterator[list[str]]:
        """Batches of ids."""
        for told in self._pages(["row_id"], MAX_QUERY_ROWS, 0):
            yield [one["row_id"] for one in told]

    def stats(self) -> Stats:
        """Counts; what Milvus' index finds once `maintain` has measured it."""

        def found(client: Any, head: Head) -> Stats:
            measured = head.recall
            recalled, sample = (measured.recall, measured.sample) if measured else (None, 0)
            return Stats(
                queries.count(client, head, ""), head.dimensions, "Milvus AUTOINDEX", recalled, sample
            )

        return self._read(found)

    def maintain(self) -> None:
        """Have Milvus seal and index what is new, which it else does in its own time; measure its recall."""

        def done(client: Any, head: Head) -> Any:
            client.flush(head.rows, timeout=CALL_S)
            return head.rows, recall.measured(self)

        rows, made = self._read(done)
        with self.writing() as (_, head):
            if head.rows == rows:
                self._heads.put(self._name, replace(head, recall=made))

    def close(self) -> None:
        """Nothing is held here."""

    @contextmanager
    def writing(self) -> Iterator[tuple[Any, Head]]:
        """For the only one who writes to the collection, from wherever.

        Raises:
            CollectionBusy, UnknownCollection, StoreFailed
        """
        try:
            with self._leases.held(self._name), self._server.client(self._name) as client:
                head = self._heads.get(self._name)
                self._server.load(client, head.rows)
                yield client, head
        finally:
            self._seen = None

    def refresh(self) -> None:
        """See the collection as it is now.

        Raises:
            UnknownCollection, StoreFailed
        """
        self._info_of(self._read(lambda _, head: head))

    def _info_of(self, head: Head) -> Info:
        held = self._info
        if held is None or held[0] != head.told:
            held = self._info = head.told, self._heads.info(head)
        return held[1]

    def _head(self) -> Head:
        seen = self._seen
        if seen is not None and time.monotonic() - seen[0] < _FRESH_S:
            return seen[1]
        return self._read(lambda _, head: head)

    def _write(self, client: Any, head: Head, rows: Rows) -> Head:
        """To be done by the one who writes; what is known of the table then."""
        told = replace(head, zeros=head.zeros or not rows.vectors.any(axis=1).all())
        if told != head:  # said before it is so: a search must not be led astray in between
            self._heads.put(self._name, told)
        for request in requests(rows, head.mark + 1):
            client.upsert(head.rows, request, timeout=CALL_S)
        told = replace(told, mark=head.mark + 1)
        self._heads.put(self._name, told)
        return told

    def _read(self, work: Callable[[Any, Head], T]) -> T:
        """`work(client, head)`, twice where rows were exchanged or a connection broke under it."""
        try:
            return self._attempt(work)
        except (StoreFailed, UnknownCollection):
            return self._attempt(work)

    def _pages(self, columns: list[str], rows: int, since: int) -> Iterator[list[Any]]:
        head = self._read(lambda _, head: head)
        changed = since if since >= head.exchanged else 0
        with self._server.client(self._name) as client:
            yield from queries.pages(client, head, f"revision > {changed}", columns, rows)

    def _attempt(self, work: Callable[[Any, Head], T]) -> T:
        head = self._heads.get(self._name)
        self._seen = time.monotonic(), head
        with self._server.client(self._name) as client:
            self._server.load(client, head.rows)
            return work(client, head)


def _rows_of(client: Any, head: Head, keys: list[str], *, vectors: bool) -> list[Row]:
    told = queries.query(client, head, f"key in {strings(keys)}", columns_of(vectors))
    return [row_of(one) for one in told]
