"""Parquet, read by pyarrow a few rows at a time; lists of numbers come as they are."""

from __future__ import annotations

import datetime
import decimal
import io
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from embedder.corpus.rows import NotText, Record, Row, SkippedRow, Source, check_columns
from embedder.corpus.tables import column_names
from embedder.errors import FileUnreadable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL_KEY, FINGERPRINT_KEY = b"tessera:model", b"tessera:fingerprint"
BATCH_ROWS = 256
_SHOWN_NUMBERS = 16


def read_parquet(data: bytes) -> Source:
    """Records with every column that can be written as text; a row group that breaks is one skipped row.

    Raises:
        FileUnreadable: it's none, or has too many columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(data), memory_map=False)
        schema = file.schema_arrow
    except (pa.ArrowException, OSError, ValueError, KeyError, NotImplementedError) as error:
        raise FileUnreadable(f"The Parquet file is broken: {_said(error)} Write it again.") from None
    check_columns(len(schema), 1)
    wanted = written_columns(schema)
    left_out = len(schema) - len(wanted)
    notes = [f"{left_out} of its columns hold bytes and were left out"] if left_out else []
    known = schema.metadata or {}
    return Source(
        parquet_rows(file, wanted),
        "row",
        notes=notes,
        model=known.get(MODEL_KEY, b"").decode("utf-8", "replace")[:200],
        fingerprint=known.get(FINGERPRINT_KEY, b"").decode("utf-8", "replace")[:200],
    )


def written_columns(schema: Any) -> list[str]:
    """The columns of an Arrow schema that can be written as text."""
    return [field.name for field in schema if not _is_binary(field.type)]


def parquet_rows(file: Any, wanted: list[str], start: int = 0, stop: int | None = None) -> Iterator[Row]:
    """The rows from `start` to `stop`, counted from 0; what breaks of a row group is one skipped row."""
    import pyarrow as pa

    end = 0
    for group in range(file.num_row_groups):
        line, end = end, end + max(int(file.metadata.row_group(group).num_rows), 0)
        last = end if stop is None else min(end, stop)
        if start >= last:
            continue
        try:
            for batch in file.iter_batches(BATCH_ROWS, [group], wanted, use_threads=False):
                first, after = max(start - line, 0), min(last - line, batch.num_rows)
                if first < after:
                    yield from records_of(batch.slice(first, after - first), line + first + 1)
                line += batch.num_rows
                if line >= last:
                    break
        except (pa.ArrowException, OSError, ValueError, NotImplementedError) as error:
            lost = f"rows {max(line, start) + 1:,} to {last:,} of a broken part were lost"
            yield SkippedRow(max(line, start) + 1, f"{lost}: {_said(error)}")


def records_of(batch: Any, line: int) -> Iterator[Record]:
    """The rows of an Arrow batch, the first of which is row `line` of its file, counted from 1."""
    names = column_names(batch.schema.names)
    cells: dict[str, list[str]] = {}
    lists: dict[str, list[NDArray[np.float32] | None]] = {}
    for name, column in zip(names, batch.columns, strict=True):
        if _is_numbers(column.type):
            lists[name] = _arrays(column)
            cells[name] = [_told(values) for values in lists[name]]
        else:
            cells[name] = [_cell(value) for value in column.to_pylist()]
    for row in range(batch.num_rows):
        found = {name: arrays[row] for name, arrays in lists.items()}
        yield Record(
            line + row,
            {name: column[row] for name, column in cells.items()},
            lists={name: values for name, values in found.items() if values is not None},
        )


def _arrays(column: Any) -> list[NDArray[np.float32] | None]:
    """Each list as float32, a missing number as NaN."""
    import numpy as np
    import pyarrow as pa

    def floats(values: Any) -> NDArray[np.float32]:
        made = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
        with np.errstate(over="ignore"):
            return np.asarray(made, dtype=np.float32)

    return [floats(one.values) if one.is_valid else None for one in column]


def _told(values: NDArray[np.float32] | None) -> str:
    """A list as a cell: its numbers where they are few."""
    if values is None:
        return NotText("")
    if len(values) > _SHOWN_NUMBERS:
        return NotText(f"{len(values)} numbers")
    return NotText("[" + ", ".join(f"{float(value):g}" for value in values) + "]")


def _cell(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return NotText("true" if value else "false")
    if isinstance(value, int | float | decimal.Decimal):
        return NotText(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return NotText(value.isoformat())
    return NotText(json.dumps(value, ensure_ascii=False, default=str))


def _is_binary(kind: Any) -> bool:
    import pyarrow as pa

    return bool(
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    )


def _is_numbers(kind: Any) -> bool:
    import pyarrow as pa

    types = pa.types
    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        return False
    return bool(types.is_floating(kind.value_type) or types.is_integer(kind.value_type))


def _said(error: Exception) -> str:
    return f"{str(error).splitlines()[0][:120]}." if str(error) else f"{type(error).__name__}."
