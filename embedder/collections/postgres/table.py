"""One collection's rows in PostgreSQL: one writer at a time, any number of readers, from any machines."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from embedder.collections.filters import Filter
from embedder.collections.postgres import keyword
from embedder.collections.postgres import nearest as vectors_index
from embedder.collections.postgres.access import Access
from embedder.collections.postgres.copying import columns_sql, copy_rows, row_of, rows_of
from embedder.collections.postgres.database import Database, sweep
from embedder.collections.postgres.heads import Head, as_json, read_head, read_info
from embedder.collections.postgres.sql import condition
from embedder.collections.postgres.words import Words, delete_rows, note_more, words_in
from embedder.collections.rows import Found, Row, Rows, last_of_each, revised, storable
from embedder.collections.rows_along import RowsAlong
from embedder.collections.store import Info, Stats
from embedder.collections.upkeep import Debt, Upkeep
from embedder.errors import CollectionBusy, UnknownCollection

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from psycopg import Connection

_LOG = logging.getLogger(__name__)

_IDS_A_BATCH = 20_000
_ROWS_KEPT = 1000
_MEASURED_AGAIN = 4
"""The index is measured anew when there are so many times the rows."""


class PostgresTable(RowsAlong):
    """The contract of `Table` over the tables that a head names. Made by `PostgresStore`."""

    def __init__(self, database: Database, name: str, exact_rows: int, lock_wait_s: float) -> None:
        self._database = database
        self._name = name
        self._exact_rows = exact_rows
        self._access = Access(database, name, lock_wait_s)
        self._debt = Debt()
        self._upkeep = Upkeep(self._keep_up, name)
        self._caring = threading.Lock()

    @property
    def dimensions(self) -> int:
        """Width of the vectors."""
        return self._access.head().dimensions

    @property
    def info(self) -> Info:
        """What the owner remembers of the table; what another process wrote may show a second later."""
        return self._access.info()

    @property
    def mark(self) -> int:
        """How many writes there have been."""
        return self._access.read(lambda _, head: head.mark)

    def write_info(self, info: Info) -> None:
        """Remember `info`."""
        self.change_info(lambda _: info)

    def change_info(self, change: Callable[[Info], Info]) -> Info:
        """Remember a change of it, in one transaction."""
        with self.writing() as (connection, _):
            info = dict(change(read_info(connection, self._name)[1]))
            connection.execute(
                "UPDATE tessera.collections SET info = %s, told = nextval('tessera.numbers') WHERE name = %s",
                [as_json(info), self._name],
            )
        return info

    def upsert(self, rows: Rows) -> int:
        """Delete what has their ids and append them, in one transaction."""
        rows = last_of_each(rows)
        if not len(rows):
            return 0
        words = [words_in(text) for text in rows.texts]
        with self.writing() as (connection, head):
            new = self._write(connection, head, rows, words)
        self._owe(len(rows))
        return new

    def revise(self, ids: Sequence[str], change: Callable[[Row], Row]) -> int:
        """Read and written in one transaction."""
        with self.writing() as (connection, head):
            rows = _rows_of(connection, head, storable(ids), vectors=True)
            if rows:
                made = revised(rows, change)
                self._write(connection, head, made, [words_in(text) for text in made.texts])
        self._owe(len(rows))
        return len(rows)

    def delete(self, ids: Sequence[str], keep: Callable[[list[Row]], None] | None = None) -> int:
        """Delete by id, in one transaction."""
        wanted = storable(ids)
        with self.writing() as (connection, head):
            if keep is not None:
                for start in range(0, len(wanted), _ROWS_KEPT):
                    keep(_rows_of(connection, head, wanted[start : start + _ROWS_KEPT], vectors=True))
            deleted, fewer = delete_rows(connection, head, wanted)
            if deleted:
                self._note(connection, -deleted, -fewer)
        self._owe(deleted)
        return deleted

    def get(self, ids: Sequence[str], *, vectors: bool = False) -> list[Row]:
        """Rows by id."""
        wanted = storable(ids)

        def found(connection: Connection[Any], head: Head) -> dict[str, Row]:
            return {row.id: row for row in _rows_of(connection, head, wanted, vectors=vectors)}

        rows = self._access.read(found)
        return [rows[row_id] for row_id in wanted if row_id in rows]

    def ids_of(self, documents: Sequence[str]) -> list[str]:
        """Ids by document."""
        wanted = storable(documents)

        def found(connection: Connection[Any], head: Head) -> list[str]:
            query = f"SELECT id FROM {head.rows_table} WHERE document <> '' AND document = ANY(%s)"
            return [row[0] for row in connection.execute(query, [wanted])]

        return self._access.read(found)

    def count(self, wanted: Filter | None = None) -> int:
        """Rows, or those that pass."""
        where, parameters = condition(wanted)

        def found(connection: Connection[Any], head: Head) -> int:
            if wanted is None:
                return head.count
            query = f"SELECT count(*) FROM {head.rows_table} WHERE {where}"
            row = connection.execute(query, parameters).fetchone()
            return int(row[0]) if row else 0

        return self._access.read(found)

    def nearest(
        self, vector: NDArray[np.float32], k: int, wanted: Filter | None = None, *, vectors: bool = False
    ) -> list[Found]:
        """By looking at each row while they are few, by the index later."""
        if not vector.any():
            return []
        return self._access.read(
            lambda connection, head: vectors_index.nearest(
                connection, head, vector, k, wanted, vectors=vectors, index=self._index_of(head)
            )
        )

    def keyword(
        self, query: str, k: int, wanted: Filter | None = None, *, vectors: bool = False
    ) -> list[Found]:
        """BM25 over the rows with the rare words, and over all others only where they could still win."""
        return self._access.read(
            lambda connection, head: keyword.search(connection, head, query, k, wanted, vectors=vectors)
        )

    def scan(self, batch_rows: int = 1000, *, since: int = 0) -> Iterator[Rows]:
        """Batches of one cursor, which sees the table as it was when it began."""
        for told, head in self._batches(columns_sql(True), batch_rows, since):
            yield rows_of(told, head.dimensions)

    def ids(self) -> Iterator[list[str]]:
        """Batches of ids."""
        for told, _ in self._batches("id", _IDS_A_BATCH, 0):
            yield [row[0] for row in told]

    def stats(self) -> Stats:
        """Counts, and the index with its measured recall."""

        def found(connection: Connection[Any], head: Head) -> Stats:
            row = connection.execute(
                "SELECT pg_total_relation_size(%s) + pg_total_relation_size(%s)",
                [head.rows_table, head.words_table],
            ).fetchone()
            index = self._index_of(head)
            told = f"HNSW, ef_search {index.ef_search}" if index else "exact"
            recall, sample = (index.recall, index.sample) if index else (None, 0)
            return Stats(head.count, head.dimensions, told, recall, sample, 0, int(row[0]) if row else None)

        return self._access.read(found)

    def maintain(self) -> None:
        """Vacuum, and make the index where the table has outgrown looking at each."""
        with self._caring:
            self._access.read(self._vacuum)
            self._access.read(self._index)
        sweep(self._database)

    def close(self) -> None:
        """Wait for upkeep."""
        self._upkeep.close()

    def refresh(self) -> None:
        """See the collection as it is now.

        Raises:
            UnknownCollection, StoreFailed
        """
        self._access.refresh()

    def writing(self) -> AbstractContextManager[tuple[Connection[Any], Head]]:
        """A transaction for the only one who writes to the collection, from wherever.

        Raises:
            CollectionBusy, UnknownCollection, StoreFailed
        """
        return self._access.writing()

    def _batches(self, what: str, batch_rows: int, since: int) -> Iterator[tuple[list[Any], Head]]:
        from psycopg.rows import tuple_row

        with self._database.connection(self._name) as connection, connection.transaction():
            # One snapshot for the head and for all batches.
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            head = read_head(connection, self._name)
            changed = since if since >= head.exchanged else 0
            with connection.cursor(f"scan_{head.number}", row_factory=tuple_row) as cursor:
                cursor.execute(
                    f"SELECT {what} FROM {head.rows_table} WHERE revision > %s", [changed], binary=True
                )
                while told := cursor.fetchmany(batch_rows):
                    yield told, head

    def _write(self, connection: Connection[Any], head: Head, rows: Rows, words: Sequence[Words]) -> int:
        """To be done by the one who writes; returns how many were new."""
        replaced, fewer = delete_rows(connection, head, rows.ids)
        copy_rows(connection, head, rows, words, head.mark + 1)
        note_more(connection, head, words)
        new = len(rows) - replaced
        self._note(connection, new, sum(one.length for one in words) - fewer)
        return new

    def _note(self, connection: Connection[Any], rows: int, words: int) -> None:
        connection.execute(
            "UPDATE tessera.collections SET mark = mark + 1, count = count + %s, words = words + %s "
            "WHERE name = %s",
            [rows, words, self._name],
        )

    def _index_of(self, head: Head) -> Any:
        return head.index if head.count > self._exact_rows else None

    def _owe(self, rows: int) -> None:
        self._debt.add(rows)
        if self._debt.due:
            self._upkeep.ask()

    def _keep_up(self) -> None:
        """In a thread of its own. PostgreSQL vacuums by itself."""
        self._debt = Debt()
        try:
            with self._caring:
                self._access.read(self._index)
        except (CollectionBusy, UnknownCollection):
            pass
        except Exception as error:
            _LOG.warning("Upkeep of the collection %s failed: %s", self._name, type(error).__name__)

    def _vacuum(self, connection: Connection[Any], head: Head) -> None:
        connection.execute(f"DELETE FROM {head.words_table} WHERE rows <= 0")
        connection.execute(f"VACUUM (ANALYZE) {head.rows_table}, {head.words_table}")

    def _index(self, connection: Connection[Any], head: Head) -> None:
        grown = head.index is None or head.count > _MEASURED_AGAIN * head.index.rows
        if head.count <= self._exact_rows or not grown or head.dimensions > vectors_index.MOST_DIMENSIONS:
            return
        made = vectors_index.build(connection, head, head.count)
        if made is not None:
            import json

            connection.execute(
                "UPDATE tessera.collections SET index = %s WHERE name = %s AND rows = %s",
                [json.dumps(asdict(made)), self._name, head.number],
            )


def _rows_of(connection: Connection[Any], head: Head, ids: Sequence[str], *, vectors: bool) -> list[Row]:
    query = f"SELECT {columns_sql(vectors)} FROM {head.rows_table} WHERE id = ANY(%s)"
    return [row_of(told) for told in connection.execute(query, [list(ids)], binary=True)]
