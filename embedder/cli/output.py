"""Where `tessera embed` writes: JSONL as it goes, NPZ at the end, a file only when it is whole."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from embedder.corpus.jobs import Slice
from embedder.corpus.reading import TextTable
from embedder.errors import ConfigError, TooLarge
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
    """One object a line: `text`, `embedding`, and `columns` where the file had others."""

    def __init__(self, sink: IO[bytes], table: TextTable) -> None:
        self._sink = sink
        self._table = table

    def add(self, part: Slice) -> None:
        """Write one line for each embedded text."""
        import orjson

        lines = []
        for row, vector in zip(part.rows.tolist(), part.embeddings.vectors, strict=True):
            line: dict[str, object] = {"text": self._table.texts[row], "embedding": vector}
            if self._table.columns:
                line["columns"] = {name: cells[row] for name, cells in self._table.columns.items()}
            lines.append(orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE))
        self._sink.write(b"".join(lines))

    def finish(self, info: ModelInfo) -> None:
        """All is written, but for what is buffered."""
        self._sink.flush()


class NpzWriter:
    """Arrays that numpy opens without pickle.

    `vectors` float32 `(n, d)`, `texts` unicode `(n,)`, `model` and `fingerprint` unicode scalars, and
    for each other column `column:<name>` unicode `(n,)`.
    """

    def __init__(self, sink: IO[bytes], table: TextTable) -> None:
        self._sink = sink
        self._table = table
        self._vectors: list[NDArray[np.float32]] = []
        self._rows: list[NDArray[np.int64]] = []
        for cells in (table.texts, *table.columns.values()):
            # Numpy's unicode arrays give every text the room of the longest, four bytes a character.
            needed_bytes = 4 * len(cells) * max(map(len, cells), default=0)
            if needed_bytes > _MAX_UNICODE_BYTES:
                raise TooLarge(
                    f"As NPZ these texts would take {needed_bytes / 2**30:.1f} GB, for one of them is "
                    "very long. Write JSONL instead: --format jsonl."
                )

    def add(self, part: Slice) -> None:
        """Keep the arrays."""
        self._vectors.append(part.embeddings.vectors)
        self._rows.append(part.rows)

    def finish(self, info: ModelInfo) -> None:
        """Write the archive."""
        import numpy as np

        rows = np.concatenate(self._rows).tolist()
        columns = {f"column:{name}": cells for name, cells in self._table.columns.items()}
        arrays = {
            name: np.array([cells[row] for row in rows], dtype=np.str_)
            for name, cells in {"texts": self._table.texts, **columns}.items()
        }
        arrays["model"] = np.array(info.id)
        arrays["fingerprint"] = np.array(info.fingerprint)
        np.savez(self._sink, allow_pickle=False, vectors=np.concatenate(self._vectors), **arrays)


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
