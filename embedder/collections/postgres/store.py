"""Collections in a PostgreSQL database: a line for each in one table, their rows in tables of their own."""

from __future__ import annotations

from collections.abc import Callable

from embedder.collections.open_tables import OpenTables
from embedder.collections.postgres.database import Database, sweep
from embedder.collections.postgres.heads import FORMAT, as_json, read_head, read_info
from embedder.collections.postgres.table import PostgresTable
from embedder.collections.store import Info
from embedder.errors import CollectionExists, InvalidInput, UnknownCollection

EXACT_ROWS = 20_000
"""Up to so many rows each is looked at, which finds all."""
LOCK_WAIT_S = 60.0
_MOST_DIMENSIONS = 16_000
_PLAIN_DIMENSIONS = 1900
"""Vectors of up to so many dimensions fit a page, and are read faster from there."""


class PostgresStore:
    """The contract of `Store` in the database at `url`; its tables are made when first written to."""

    def __init__(self, url: str, *, exact_rows: int = EXACT_ROWS, lock_wait_s: float = LOCK_WAIT_S) -> None:
        self._database = Database(url)
        self._lock_wait_s = lock_wait_s
        self._open = OpenTables(lambda name: PostgresTable(self._database, name, exact_rows, lock_wait_s))

    def names(self) -> list[str]:
        """Every line's name."""
        try:
            with self._database.connection() as connection:
                rows = connection.execute("SELECT name FROM tessera.collections ORDER BY name").fetchall()
        except UnknownCollection:  # nothing was ever made here
            return []
        return [row[0] for row in rows]

    def create(self, name: str, dimensions: int, info: Info) -> PostgresTable:
        """A line and its tables, in one transaction."""
        if dimensions > _MOST_DIMENSIONS:
            raise InvalidInput(
                f"PostgreSQL takes at most {_MOST_DIMENSIONS:,} dimensions.", param="dimensions"
            )
        self._database.prepare()
        from psycopg.errors import UniqueViolation

        with self._database.transaction(name, self._lock_wait_s) as connection:
            row = connection.execute("SELECT nextval('tessera.numbers')").fetchone()
            number = int(row[0]) if row else 0
            try:
                connection.execute(
                    "INSERT INTO tessera.collections VALUES (%s, %s, %s, %s, %s, %s, 1, 0, 0, 0, 'null')",
                    [name, FORMAT, number, dimensions, number, as_json(info)],
                )
            except UniqueViolation:
                raise CollectionExists(name) from None
            for statement in _tables(number, dimensions):
                connection.execute(statement)
        return self.open(name)

    def open(self, name: str) -> PostgresTable:
        """The table of that line, the same for everybody in this process."""
        table = self._open.get(name)
        try:
            table.refresh()
        except UnknownCollection:
            self._open.forget(name)
            raise UnknownCollection(name) from None
        return table

    def drop(self, name: str) -> None:
        """Take the line away, which is the end of the collection, then its rows once nobody reads them."""
        self._open.forget(name)
        with self._database.transaction(name, self._lock_wait_s) as connection:
            head = read_head(connection, name, lock=True)
            connection.execute("DELETE FROM tessera.collections WHERE name = %s", [name])
            connection.execute("INSERT INTO tessera.gone VALUES (%s)", [head.number])
        sweep(self._database)

    def rename(self, name: str, new: str) -> None:
        """Change the line's name."""
        from psycopg.errors import UniqueViolation

        self._open.forget(name)
        with self._database.transaction(name, self._lock_wait_s) as connection:
            read_head(connection, name, lock=True)
            try:
                connection.execute("UPDATE tessera.collections SET name = %s WHERE name = %s", [new, name])
            except UniqueViolation:
                raise CollectionExists(new) from None

    def replace(self, name: str, other: str, mark: int, info: Callable[[Info], Info] | None = None) -> bool:
        """Have the line `name` say what `other` says, and take `other` away, in one transaction."""
        self._open.forget(other)
        with self._database.transaction(name, self._lock_wait_s) as connection:
            heads = {one: read_head(connection, one, lock=True) for one in sorted((name, other))}
            if heads[name].mark != mark:
                return False
            # Revisions are marks of their own table; from here on all rows are as new as this.
            mark = max(mark, heads[other].mark) + 1
            if info is not None:
                connection.execute(
                    "UPDATE tessera.collections SET info = %s, told = nextval('tessera.numbers') "
                    "WHERE name = %s",
                    [as_json(info(read_info(connection, name)[1])), other],
                )
            connection.execute(
                "UPDATE tessera.collections AS c SET (rows, dimensions, told, info, count, words, index) = "
                "(o.rows, o.dimensions, o.told, o.info, o.count, o.words, o.index), "
                "mark = %s, exchanged = %s FROM tessera.collections AS o WHERE c.name = %s AND o.name = %s",
                [mark, mark, name, other],
            )
            connection.execute("DELETE FROM tessera.collections WHERE name = %s", [other])
            connection.execute("INSERT INTO tessera.gone VALUES (%s)", [heads[name].number])
        table = self._open.known(name)
        if table is not None:
            table.refresh()
        sweep(self._database)
        return True

    def close(self) -> None:
        """Wait for upkeep everywhere, and close every connection."""
        try:
            self._open.close()
        finally:
            self._database.close()


def _tables(number: int, dimensions: int) -> list[str]:
    rows, words = f"tessera.rows_{number}", f"tessera.words_{number}"
    return [
        f"""CREATE TABLE {rows} (
            id text COLLATE "C" PRIMARY KEY,
            text text NOT NULL,
            document text NOT NULL,
            columns text NOT NULL,
            cells jsonb NOT NULL,
            words bigint[] NOT NULL,
            counts int[] NOT NULL,
            length int NOT NULL,
            revision bigint NOT NULL,
            vector vector({dimensions}) NOT NULL
        )""",
        f"CREATE INDEX ON {rows} USING gin (words)",
        f"CREATE INDEX ON {rows} USING gin (cells jsonb_path_ops)",
        f"CREATE INDEX ON {rows} (document) WHERE document <> ''",
        f"ALTER TABLE {rows} ALTER vector SET STORAGE "
        + ("MAIN" if dimensions <= _PLAIN_DIMENSIONS else "EXTERNAL"),
        f"CREATE TABLE {words} (word bigint PRIMARY KEY, rows bigint NOT NULL)",
    ]
