"""What `tessera embed` writes: JSONL, NPZ or Parquet, a file only when it is whole."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from embedder.corpus.exports import ParquetRows, check_npz_size, jsonl, write_npz
from embedder.corpus.reading import TextTable
from embedder.errors import ConfigError
from embedder.types import ModelInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STDOUT = "-"

_MAX_UNICODE_BYTES = 2 * 2**30


class Writer(Protocol):
    """Takes the texts of one job in order, and then its end."""

    def add(self, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Write, or keep, the texts `rows` `(n,)` with their `vectors` `(n, d)`."""

    def finish(self) -> None:
        """Write what is still to be written."""


class JsonlWriter:
    """One object a line, as `exports.jsonl` writes them."""

    def __init__(self, sink: IO[bytes], table: TextTable, info: ModelInfo) -> None:
        self._sink = sink
        self._table = table
        self._info = info

    def add(self, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Write one line for each text."""
        self._sink.write(jsonl(*_rows(self._table, rows.tolist()), vectors, self._info))

    def finish(self) -> None:
        """All is written, but for what is buffered."""
        self._sink.flush()


class NpzWriter:
    """Arrays that numpy opens without pickle, as `write_npz` lays them out."""

    def __init__(self, sink: IO[bytes], table: TextTable, info: ModelInfo) -> None:
        self._sink = sink
        self._table = table
        self._info = info
        self._vectors: list[NDArray[np.float32]] = []
        self._row_parts: list[NDArray[np.int64]] = []

    def add(self, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Keep the arrays."""
        self._vectors.append(vectors)
        self._row_parts.append(rows)

    def finish(self) -> None:
        """Write the archive."""
        import numpy as np

        texts, columns = _rows(self._table, np.concatenate(self._row_parts).tolist())
        write_npz(self._sink, texts, columns, np.concatenate(self._vectors), self._info)


class ParquetWriter:
    """A group of rows for each part, as `exports.ParquetRows` lays them out."""

    def __init__(self, sink: IO[bytes], table: TextTable, info: ModelInfo) -> None:
        self._table = table
        self._rows = ParquetRows(sink, list(table.columns), info)

    def add(self, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Write one group."""
        self._rows.write(*_rows(self._table, rows.tolist()), vectors)

    def finish(self) -> None:
        """Write the file's end."""
        self._rows.close()


WRITERS: dict[str, Callable[[IO[bytes], TextTable, ModelInfo], Writer]] = {
    "jsonl": JsonlWriter,
    "npz": NpzWriter,
    "parquet": ParquetWriter,
}


def check_format(file_format: str, table: TextTable) -> None:
    """Refuse, before anything is embedded, what could not be written in the end.

    Raises:
        TooLarge
    """
    if file_format == "npz":
        check_npz_size(table.texts, table.columns, _MAX_UNICODE_BYTES)


def check_writable(output: str) -> None:
    """Refuse, before anything is embedded, a name under which no file can be.

    Raises:
        ConfigError
    """
    with open_output(output, keep=False):
        pass


def _rows(table: TextTable, rows: list[int]) -> tuple[list[str], dict[str, list[str]]]:
    """Texts and columns of these rows, in this order."""
    columns = {name: [cells[row] for row in rows] for name, cells in table.columns.items()}
    return [table.texts[row] for row in rows], columns


@contextmanager
def open_output(output: str, *, keep: bool = True) -> Iterator[IO[bytes]]:
    """Standard output, or a file that appears under its name only when the block ends well, if it is kept.

    Raises:
        ConfigError: the file cannot be written.
    """
    if output == STDOUT:
        yield sys.stdout.buffer
        return
    path = Path(output)
    part = path.parent / f".{path.name}.{os.getpid()}.part"
    try:
        if path.is_dir():
            raise IsADirectoryError(None, "Is a directory")
        sink = part.open("xb")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}.") from None
    try:
        with sink:
            yield sink
        if keep:
            part.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
