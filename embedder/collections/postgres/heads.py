"""A collection's line in the table of all: what it is, which tables hold its rows, how far they go."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedder.collections.store import Info
from embedder.errors import StoreFailed, UnknownCollection

if TYPE_CHECKING:
    from psycopg import Connection

FORMAT = 1
_FIELDS = "format, rows, dimensions, told, mark, exchanged, count, words, index"


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """The HNSW index in use: how many `rows` there were when it was measured, and how it is asked.

    `recall` is the share of the true ten nearest found, over `sample` vectors of the collection.
    """

    rows: int
    ef_search: int
    recall: float
    sample: int


@dataclass(frozen=True, slots=True)
class Head:
    """`number` names the tables, `told` the info that was written last; `words` is how many all rows have.

    `exchanged` is the mark of the last exchange.
    """

    number: int
    dimensions: int
    told: int
    mark: int
    exchanged: int
    count: int
    words: int
    index: VectorIndex | None = None

    @property
    def rows_table(self) -> str:
        """Where the rows are."""
        return f"tessera.rows_{self.number}"

    @property
    def words_table(self) -> str:
        """In how many rows each word is."""
        return f"tessera.words_{self.number}"

    @property
    def index_name(self) -> str:
        """The index of vectors, where there is one."""
        return f"vectors_{self.number}"


def read_head(connection: Connection[Any], name: str, *, lock: bool = False) -> Head:
    """The collection as it is now; with `lock`, for the only one who writes until the transaction ends.

    Raises:
        UnknownCollection
        StoreFailed: another version wrote it.
    """
    query = f"SELECT {_FIELDS} FROM tessera.collections WHERE name = %s{' FOR UPDATE' if lock else ''}"
    row = connection.execute(query, [name]).fetchone()
    if row is None:
        raise UnknownCollection(name)
    form, number, dimensions, told, mark, exchanged, count, words, index = row
    if form != FORMAT:
        raise StoreFailed(f"The collection {name!r} was written by another version of this program.")
    made = json.loads(index)
    found = VectorIndex(**made) if made else None
    return Head(number, dimensions, told, mark, exchanged, count, words, found)


def read_info(connection: Connection[Any], name: str) -> tuple[int, Info]:
    """Which info was written last, and it.

    Raises:
        UnknownCollection
    """
    row = connection.execute("SELECT told, info FROM tessera.collections WHERE name = %s", [name]).fetchone()
    if row is None:
        raise UnknownCollection(name)
    return row[0], json.loads(row[1])


def as_json(info: Info) -> str:
    """What is kept of `info`."""
    return json.dumps(dict(info), ensure_ascii=False)
