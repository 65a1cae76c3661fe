"""Where `tessera embed` writes: JSONL as it goes, NPZ at the end, a file only when it is whole."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from embedder.corpus.exports import check_npz_size, jsonl, write_npz
from embedder.corpus.jobs import Slice
from embedder.corpus.reading import TextTable
from embedder.errors import ConfigError
from embedder.types import ModelInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STDOUT = "-"

_MAX_UNICODE_BYTES = 2 * 2**30


class Writer(Protocol):
    """Takes the slices of one job and then its end."""

    def add(self, part: Slice) -> None:
        """Write, or keep, one slice."""

    def finish(self, info: ModelInfo) -> None:
        """Write what is still to be written."""


class JsonlWriter:
    """One object a line, as `exports.jsonl` writes them."""

    def __init__(self, sink: IO[bytes], table: TextTable) -> None:
        self._sink = sink
        self._table = table

    def add(self, part: Slice) -> None:
        """Write one line for each embedded text."""
        made = part.embeddings
        self._sink.write(jsonl(*_rows(self._table, part.rows.tolist()), made.vectors, made.model))

    def finish(self, info: ModelInfo) -> None:
        """All is written, but for what is buffered."""
        self._sink.flush()


class NpzWriter:
    """Arrays that numpy opens without pickle, as `write_npz` lays them out."""

    def __init__(self, sink: IO[bytes], table: TextTable) -> None:
        self._sink = sink
        self._table = table
        self._vectors: list[NDArray[np.float32]] = []
        self._rows: list[NDArray[np.int64]] = []
        check_npz_size(table.texts, table.columns, _MAX_UNICODE_BYTES)

    def add(self, part: Slice) -> None:
        """Keep the arrays."""
        self._vectors.append(part.embeddings.vectors)
        self._rows.append(part.rows)

    def finish(self, info: ModelInfo) -> None:
        """Write the archive."""
        import numpy as np

        texts, columns = _rows(self._table, np.concatenate(self._rows).tolist())
        write_npz(self._sink, texts, columns, np.concatenate(self._vectors), info)


def _rows(table: TextTable, rows: list[int]) -> tuple[list[str], dict[str, list[str]]]:
    """Texts and columns of these rows, in this order."""
    columns = {name: [cells[row] for row in rows] for name, cells in table.columns.items()}
    return [table.texts[row] for row in rows], columns


@contextmanager
def open_output(output: str) -> Iterator[IO[bytes]]:
    """Standard output, or a file that appears under its name only when the block ends well.

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
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
