"""Rows as the Arrow tables that Lance takes and gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from embedder.collections.filters import Kind, kind_of
from embedder.collections.lance.sql import number
from embedder.collections.rows import Columns, Row, Rows

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

ROW_COLUMNS = ["id", "text", "document", "columns"]

Slots = Sequence[tuple[str, Kind, str]]


def schema_of(dimensions: int, slots: Slots) -> pa.Schema:
    """The columns of a table; `revision` is at least the version of the table that a row came with."""
    import pyarrow as pa

    # Hashes are halved by it; strings of words Lance makes small by itself.
    row_id = pa.field("id", pa.string(), metadata={"lance-encoding:compression": "zstd"})
    strings = [(name, pa.string()) for name in ROW_COLUMNS[1:]]
    own = [row_id, *strings, ("revision", pa.int64()), ("vector", pa.list_(pa.float32(), dimensions))]
    return pa.schema([*own, *(slot_field(kind, column) for _, kind, column in slots)])


def slot_field(kind: Kind, column: str) -> pa.Field:
    """The column that holds a collection's own columns of one name and kind."""
    import pyarrow as pa

    types = {"string": pa.string(), "number": pa.float64(), "boolean": pa.bool_()}
    return pa.field(column, types[kind])


def as_table(rows: Rows, slots: Slots, revision: int) -> pa.Table:
    """`rows` in the schema of `slots`, which has one for each of their columns.

    No document and no columns are no value: of strings that are all the same Lance reads a page for each row.
    """
    import orjson
    import pyarrow as pa

    dimensions = rows.vectors.shape[1]
    schema = schema_of(dimensions, slots)
    flat = pa.array(np.ascontiguousarray(rows.vectors, dtype=np.float32).ravel())
    parts: list[Any] = [
        pa.array(rows.ids, pa.string()),
        pa.array(rows.texts, pa.string()),
        pa.array([document or None for document in rows.documents], pa.string()),
        pa.array([orjson.dumps(dict(row)).decode() if row else None for row in rows.columns], pa.string()),
        pa.array(np.full(len(rows), revision, dtype=np.int64)),
        pa.FixedSizeListArray.from_arrays(flat, dimensions),
    ]
    parts += [
        pa.array(_cells(rows.columns, name, kind), schema.field(column).type) for name, kind, column in slots
    ]
    return pa.table(parts, schema=schema)


def new_slots(rows: Rows, known: Iterable[tuple[str, Kind]]) -> list[tuple[str, Kind]]:
    """Names and kinds in the rows' columns that are not `known`, in order of appearance."""
    seen = {(name, kind_of(value)): None for columns in rows.columns for name, value in columns.items()}
    there = set(known)
    return [slot for slot in seen if slot not in there]


def rows_of(batch: pa.Table | pa.RecordBatch) -> Rows:
    """Rows from a table with `ROW_COLUMNS` and `vector`."""
    ids, texts, documents, columns = (batch.column(name).to_pylist() for name in ROW_COLUMNS)
    documents = [document or "" for document in documents]
    return Rows(ids, texts, documents, [columns_in(cell) for cell in columns], vectors_of(batch))


def vectors_of(batch: pa.Table | pa.RecordBatch) -> NDArray[np.float32]:
    """The column `vector` as float32 `(n, d)`."""
    import pyarrow as pa

    column = batch.column("vector")
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    width = column.type.list_size
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, dtype=np.float32).reshape(-1, width)


def each_row(batch: pa.Table, *, vectors: bool) -> list[Row]:
    """One `Row` a row of a table with `ROW_COLUMNS`, and `vector` where wanted."""
    ids, texts, documents, cells = (batch.column(name).to_pylist() for name in ROW_COLUMNS)
    made = vectors_of(batch).copy() if vectors and len(ids) else [None] * len(ids)
    return [
        Row(row_id, text, document or "", columns_in(cell), vector)
        for row_id, text, document, cell, vector in zip(ids, texts, documents, cells, made, strict=True)
    ]


def columns_in(cell: str | None) -> Columns:
    """A row's own columns from the JSON that they are kept as."""
    import orjson

    return cast("Columns", orjson.loads(cell)) if cell else {}


def _cells(columns: Sequence[Columns], name: str, kind: Kind) -> list[Any]:
    cells: list[Any] = []
    for row in columns:
        value = row.get(name)
        if value is None or kind_of(value) != kind:
            cells.append(None)
        else:
            cells.append(number(value) if kind == "number" else value)
    return cells
