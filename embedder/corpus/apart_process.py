"""The process that reads one file: `python -m embedder.corpus.apart_process FORMAT SECONDS COLUMN`.

The file comes in on standard input, its rows leave on standard output as `frames`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator
from typing import IO

from embedder.corpus.frames import (
    END,
    FAILED,
    ROWS,
    TOLD,
    pack_failure,
    pack_rows,
    pack_told,
    write_frame,
)
from embedder.corpus.rows import Record, Row, Source
from embedder.errors import FileUnreadable

BATCH_ROWS, BATCH_CHARS, BATCH_S = 512, 4_000_000, 0.5
SPARE_BYTES, MOST_BYTES, A_BYTE = 1536 * 2**20, 6 * 2**30, 24
"""What the process may take beyond the file: so much, and so much for each byte of it, at most."""


def main() -> None:
    """Read, answer, end."""
    sink = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints must not be read as an answer
    file_format, limit_s, column = sys.argv[1:4]
    data = sys.stdin.buffer.read()
    bound(min(MOST_BYTES, SPARE_BYTES + A_BYTE * len(data)), float(limit_s))
    warnings.simplefilter("ignore")
    logging.disable()
    try:
        source = opened(file_format, data, column or None)
        send(source, sink)
    except FileUnreadable as error:
        write_frame(sink, FAILED, pack_failure(str(error), error.line))


def opened(file_format: str, data: bytes, column: str | None) -> Source:
    """The reader of that format."""
    if file_format == "parquet":
        from embedder.corpus.parquet_format import read_parquet

        return read_parquet(data)
    if file_format == "workbook":
        from embedder.corpus.workbook_format import read_workbook

        return read_workbook(data, column)
    from embedder.corpus.pdf_format import read_pdf

    return read_pdf(data)


def send(source: Source, sink: IO[bytes]) -> None:
    """All rows, in frames small enough that little is lost with the last one."""
    write_frame(sink, TOLD, pack_told(source.model, source.fingerprint, source.notes))
    for batch in batches(source.rows):
        write_frame(sink, ROWS, pack_rows(batch))
    write_frame(sink, END)


def batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Rows in parts bounded in number, characters and time; those before a failure come out before it."""
    batch: list[Row] = []
    chars, started_s = 0, time.monotonic()
    failure: FileUnreadable | None = None
    while True:
        try:
            row = next(rows)
        except StopIteration:
            break
        except FileUnreadable as error:
            failure = error
            break
        batch.append(row)
        if isinstance(row, Record) and isinstance(row.cells, dict):
            chars += sum(map(len, row.cells.values())) + 4 * sum(map(len, row.lists.values()))
        if len(batch) >= BATCH_ROWS or chars > BATCH_CHARS or time.monotonic() - started_s > BATCH_S:
            yield batch
            batch, chars, started_s = [], 0, time.monotonic()
    if batch:
        yield batch
    if failure is not None:
        raise failure


def bound(memory_bytes: int, limit_s: float) -> None:
    """Have the system stop this process at so much memory or processor time, where it can."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (int(limit_s) + 5, int(limit_s) + 10))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    if hasattr(os, "nice"):
        os.nice(5)


if __name__ == "__main__":
    main()
