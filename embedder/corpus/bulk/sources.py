"""Where texts come from: Parquet, JSONL or a Lance table, cut into shards that one node reads alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

from embedder.corpus.bulk.lance import LANCE, LanceTable
from embedder.corpus.bulk.places import File, Place
from embedder.corpus.bulk.shards import (
    BYTES,
    ROWS,
    Shard,
    equal_spans,
    lines_between,
    most_of,
    spans_of_groups,
)
from embedder.corpus.json_formats import read_json_lines
from embedder.corpus.parquet_format import BATCH_ROWS, parquet_rows, written_columns
from embedder.corpus.rows import Row
from embedder.corpus.tables import column_names
from embedder.errors import FileUnreadable

_SUFFIXES = {".parquet": "Parquet", ".jsonl": "JSONL", ".ndjson": "JSONL"}
_JUDGED_BYTES = 2**20
_READERS = 16
"""Threads that look at files in object storage, where each look takes a while."""


class Source(Protocol):
    """Texts with columns that any node can read from, and which stay as they are meanwhile."""

    def identity(self) -> list[object]:
        """Equal where nothing was changed since, as far as names, sizes and times tell."""

    def beginning(self) -> Iterator[Row]:
        """The first rows, to judge them by."""

    def shards(self, column: str | None) -> list[Shard]:
        """All rows, in order, in shards that depend on the input alone.

        Raises:
            FileUnreadable: a file has no such column, or is broken.
        """

    def rows(self, shard: Shard, without: Iterable[str] = ()) -> Iterator[Row]:
        """The rows of one shard; the columns in `without` need not be read.

        Raises:
            FileUnreadable
        """

    def told(self, shard: Shard, line: int) -> str:
        """Where a row is that `rows` gave the number `line`, for a person."""


def open_source(place: Place) -> Source:
    """The source at `place`: a file, a folder of files of one format, or a folder that is a Lance table.

    Raises:
        FileUnreadable: there is none.
    """
    if place.name.endswith(LANCE):
        return LanceTable.of(place)
    kind = place.kind
    if kind == "nothing":
        raise FileUnreadable(f"{place.address} cannot be read: no such file or folder.")
    folder = kind == "folder"
    files = [file for file in place.files() if _is_seen(file.name)] if folder else [place.about()]
    found = {suffix: [file for file in files if file.name.endswith(suffix)] for suffix in _SUFFIXES}
    formats = {_SUFFIXES[suffix] for suffix, some in found.items() if some}
    if not formats:
        raise FileUnreadable(f"{place.address} holds no .parquet, .jsonl or .ndjson file, and is no .lance.")
    if len(formats) > 1:
        raise FileUnreadable(f"{place.address} holds Parquet and JSONL. Name files of one format.")
    chosen = tuple(sorted((file for some in found.values() for file in some), key=lambda file: file.name))
    where = place if folder else place.parent
    return ParquetFiles(where, chosen) if formats == {"Parquet"} else JsonlFiles(where, chosen)


@dataclass(frozen=True, slots=True)
class ParquetFiles:
    """Parquet below a folder; a shard is whole row groups, or a part of a large one."""

    place: Place
    files: tuple[File, ...]

    def identity(self) -> list[object]:
        """Names, sizes and times."""
        return _told(self.files)

    def beginning(self) -> Iterator[Row]:
        """Rows of the first files."""
        return chain.from_iterable(self.rows(Shard(0, file.name, 0, BATCH_ROWS * 4)) for file in self.files)

    def shards(self, column: str | None) -> list[Shard]:
        """By the files' own row groups."""

        def groups(file: File) -> list[int]:
            with _parquet(self.place / file.name) as parquet:
                if column is not None and column not in column_names(parquet.schema_arrow.names):
                    raise FileUnreadable(f"{(self.place / file.name).address} has no column {column[:40]!r}.")
                metadata = parquet.metadata
                return [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]

        with ThreadPoolExecutor(_READERS) as pool:
            found = list(pool.map(groups, self.files))
        most = most_of(sum(map(sum, found)), ROWS)
        spans = [
            (file.name, *span)
            for file, rows in zip(self.files, found, strict=True)
            for span in spans_of_groups(rows, most)
        ]
        return [Shard(number, *span) for number, span in enumerate(spans)]

    def rows(self, shard: Shard, without: Iterable[str] = ()) -> Iterator[Row]:
        """Read a few hundred at a time; what is broken of a row group is a skipped row."""
        with _parquet(self.place / shard.file) as parquet:
            left_out = set(without)
            wanted = [name for name in written_columns(parquet.schema_arrow) if name not in left_out]
            yield from parquet_rows(parquet, wanted, shard.start, shard.stop)

    def told(self, shard: Shard, line: int) -> str:
        """File and row."""
        return f"{shard.file}, row {line:,}"


@dataclass(frozen=True, slots=True)
class JsonlFiles:
    """JSONL below a folder, UTF-8; a shard is the lines that begin in a range of bytes."""

    place: Place
    files: tuple[File, ...]

    def identity(self) -> list[object]:
        """Names, sizes and times."""
        return _told(self.files)

    def beginning(self) -> Iterator[Row]:
        """Rows of the first files."""
        return chain.from_iterable(self.rows(Shard(0, file.name, 0, _JUDGED_BYTES)) for file in self.files)

    def shards(self, column: str | None) -> list[Shard]:
        """In equal parts; nothing is read."""
        most = most_of(sum(file.size_bytes for file in self.files), BYTES)
        spans = [(file.name, *span) for file in self.files for span in equal_spans(file.size_bytes, most)]
        return [Shard(number, *span) for number, span in enumerate(spans)]

    def rows(self, shard: Shard, without: Iterable[str] = ()) -> Iterator[Row]:
        """Every column, for a line is read whole."""
        with (self.place / shard.file).reading() as source:
            data = lines_between(source, shard.start, shard.stop, (self.place / shard.file).address)
        if shard.start == 0 and data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
            raise FileUnreadable(
                f"{(self.place / shard.file).address} is one array. Write one object a line."
            )
        return read_json_lines(data.decode("utf-8", "surrogateescape").removeprefix("\ufeff"))

    def told(self, shard: Shard, line: int) -> str:
        """File and line, counted from where the shard begins."""
        return f"{shard.file}, line {line:,}" + (f" after byte {shard.start:,}" if shard.start else "")


@contextmanager
def _parquet(place: Place) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with place.reading() as source:
        try:
            file = pq.ParquetFile(source)
        except (pa.ArrowException, OSError, ValueError, KeyError, NotImplementedError):
            raise FileUnreadable(f"{place.address} is no Parquet file, or a broken one.") from None
        yield file


def _told(files: Iterable[File]) -> list[object]:
    return [[file.name, file.size_bytes, file.written_ns] for file in files]


def _is_seen(name: str) -> bool:
    """Whether it is data: a file or folder whose name begins with _ or . is another program's."""
    return not any(part.startswith((".", "_")) for part in name.split("/"))
