"""Reading of Parquet, workbooks and PDF in a process of its own, bounded in time and memory.

Their readers are large, some not written in Python, and a file can be made so that one of them
never ends, takes all memory or crashes: then that process does, and what it had read is kept.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from embedder.corpus.frames import (
    END,
    FAILED,
    ROWS,
    TOLD,
    read_frame,
    unpack_failure,
    unpack_rows,
    unpack_told,
)
from embedder.corpus.rows import Row, SkippedRow, Source
from embedder.errors import FileUnreadable

LIMIT_S = 60.0
MAX_PROCESSES = 2
UNITS = {"parquet": "row", "workbook": "row", "pdf": "page"}
CRASHED = "needed too much memory, or crashed"
NAMES = {"parquet": "Parquet file", "workbook": "workbook", "pdf": "PDF"}
_OURS = ("TESSERA_", "EMBED_", "HF_TOKEN", "HUGGING_FACE")
_TURNS = threading.BoundedSemaphore(MAX_PROCESSES)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long reading may take, and how much may come of it."""

    seconds: float = LIMIT_S
    answer_bytes: int = 4 * 2**30


def read_apart(
    file_format: str,
    data: bytes,
    column: str | None,
    limits: Limits = Limits(),  # frozen
) -> Source:
    """The rows of a `parquet`, `workbook` or `pdf` file.

    Where reading breaks off, the rows before it come first, then one skipped row that says why.
    """
    source = Source(iter(()), UNITS[file_format])
    source.rows = _rows(source, file_format, data, column, limits)
    return source


def _rows(source: Source, file_format: str, data: bytes, column: str | None, limits: Limits) -> Iterator[Row]:
    last = 0
    with _TURNS, _process(file_format, column, limits.seconds) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()
        clock = threading.Timer(limits.seconds, _stop, (process, late))
        clock.daemon = True
        clock.start()
        try:
            with contextlib.suppress(BrokenPipeError):  # it ended: its last words tell more
                process.stdin.write(data)
                process.stdin.close()
            for row in _answered(source, process.stdout, limits.answer_bytes):
                last = row.line
                yield row
        except EOFError as end:
            why = f"took longer than {limits.seconds:.0f} s" if late.is_set() else str(end) or CRASHED
            if not last:
                sentence = (
                    f"This {NAMES[file_format]} cannot be read: reading it {why}. Save it anew, or as CSV."
                )
                raise FileUnreadable(sentence) from None
            yield SkippedRow(last + 1, f"reading {why}; this {source.unit} and what follows were not read")
        finally:
            clock.cancel()


def _answered(source: Source, stream: IO[bytes], most_bytes: int) -> Iterator[Row]:
    """Rows until the end.

    Raises:
        EOFError: the process went before it was done.
        FileUnreadable: what it said of the file.
    """
    seen_bytes = 0
    while True:
        kind, payload = read_frame(stream)
        seen_bytes += len(payload)
        if kind == END:
            return
        if seen_bytes > most_bytes:
            raise EOFError(f"gave more than {most_bytes / 2**20:,.0f} MB")
        if kind not in (ROWS, TOLD, FAILED):
            raise EOFError
        if kind == FAILED:
            sentence, line = unpack_failure(payload)
            raise FileUnreadable(sentence, line=line)
        if kind == TOLD:
            source.model, source.fingerprint, notes = unpack_told(payload)
            source.notes += notes
        else:
            yield from unpack_rows(payload)


@contextlib.contextmanager
def _process(file_format: str, column: str | None, limit_s: float) -> Iterator[subprocess.Popen[bytes]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    root = str(Path(__file__).resolve().parent.parent.parent)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    environment |= {
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "embedder.corpus.apart_process", file_format, str(limit_s), column or ""],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        yield process
    finally:
        process.kill()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]  # both are pipes
        process.wait()


def _stop(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    process.kill()
