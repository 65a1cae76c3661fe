"""Rows on their way into a table, in the binary form of COPY, and what queries give back."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from embedder.collections.postgres.sql import cells_of
from embedder.collections.postgres.words import Words
from embedder.collections.rows import Row, Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from psycopg import Connection

    from embedder.collections.postgres.heads import Head

_COLUMNS = "id, text, document, columns, cells, words, counts, length, revision, vector"
_INT8_OID, _INT4_OID = 20, 23
_INT8, _INT4 = np.dtype([("size", ">i4"), ("value", ">i8")]), np.dtype([("size", ">i4"), ("value", ">i4")])


def copy_rows(
    connection: Connection[Any], head: Head, rows: Rows, words: Sequence[Words], revision: int
) -> None:
    """Append `rows`, none of whose ids is there."""
    import orjson

    vectors = np.ascontiguousarray(rows.vectors, dtype=">f4")
    width = struct.pack(">HH", vectors.shape[1], 0)
    written = struct.pack(">q", revision)
    query = f"COPY {head.rows_table} ({_COLUMNS}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for place, found in enumerate(words):
            columns = rows.columns[place]
            copy.write_row(
                (
                    rows.ids[place].encode(),
                    rows.texts[place].encode(),
                    rows.documents[place].encode(),
                    orjson.dumps(dict(columns)),
                    b"\x01" + cells_of(columns).encode(),
                    _array(found.numbers, _INT8_OID, _INT8),
                    _array(found.counts, _INT4_OID, _INT4),
                    struct.pack(">i", found.length),
                    written,
                    width + vectors[place].tobytes(),
                )
            )


def columns_sql(vectors: bool) -> str:
    """What is read of a row."""
    return "id, text, document, columns" + (", vector" if vectors else "")


def row_of(told: Sequence[Any]) -> Row:
    """A row from `columns_sql`, read in binary."""
    import orjson

    vector = vector_of(told[4]) if len(told) > 4 else None
    return Row(told[0], told[1], told[2], orjson.loads(told[3]), vector)


def rows_of(told: Iterable[Sequence[Any]], dimensions: int) -> Rows:
    """Rows from `columns_sql(vectors=True)`."""
    import orjson

    found = list(told)
    vectors = np.empty((len(found), dimensions), dtype=np.float32)
    for place, row in enumerate(found):
        vectors[place] = vector_of(row[4])
    return Rows(
        [row[0] for row in found],
        [row[1] for row in found],
        [row[2] for row in found],
        [orjson.loads(row[3]) for row in found],
        vectors,
    )


def vector_of(raw: bytes) -> NDArray[np.float32]:
    """pgvector's binary form as float32 `(d,)`."""
    return np.frombuffer(raw, dtype=">f4", offset=4).astype(np.float32)


def vector_literal(vector: NDArray[np.float32]) -> str:
    """A vector as pgvector reads it; every float32 comes back as it was."""
    return "[" + ",".join(map(repr, vector.tolist())) + "]"


def _array(values: Sequence[int], oid: int, kind: np.dtype[Any]) -> bytes:
    if not values:
        return struct.pack(">iii", 0, 0, oid)
    cells = np.empty(len(values), dtype=kind)
    cells["size"], cells["value"] = kind["value"].itemsize, values
    return struct.pack(">iiiii", 1, 0, oid, len(values), 1) + cells.tobytes()
