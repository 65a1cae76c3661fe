"""Where texts come from: Parquet, JSONL or a Lance table, cut into shards that one node reads alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Protocol

from embedder.corpus.bulk.places import File, Place, lance_options
from embedder.corpus.json_formats import read_json_lines
from embedder.corpus.parquet_format import BATCH_ROWS, parquet_rows, records_of, written_columns
from embedder.corpus.rows import Row
from embedder.corpus.tables import column_names
from embedder.errors import FileUnreadable

LANCE = ".lance"
_SUFFIXES = {".parquet": "Parquet", ".jsonl": "JSONL", ".ndjson": "JSONL"}
_SHARDS = 64
"""At least so many shards, unless they would be small: a node that comes or goes then moves little."""
_ROWS, _BYTES = (256, 8192), (16 * 2**10, 2 * 2**20)
"""The size of a shard lies between these, in bytes where rows are not counted beforehand."""
_JUDGED_BYTES = 2**20
_BLOCK_BYTES, _MOST_LINE_BYTES = 1 << 16, 1 << 26
_READERS = 16
"""Threads that look at files in object storage, where each look takes a while."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Rows (of JSONL: bytes) `start` to `stop` of the file `file`; `number` is its place in the output."""

    number: int
    file: str
    start: int
    stop: int

    @property
    def size(self) -> int:
        """Its share of the work, in what the source counts."""
        return self.stop - self.start


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
        most = _most(sum(map(sum, found)), _ROWS)
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
        most = _most(sum(file.size_bytes for file in self.files), _BYTES)
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


@dataclass(frozen=True, slots=True)
class LanceTable:
    """One version of a Lance table, read through lancedb."""

    place: Place
    version: int
    row_count: int
    written: str
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, place: Place) -> LanceTable:
        """The table as it is now.

        Raises:
            FileUnreadable
        """
        options = lance_options(place)
        table = open_lance(place, options)
        version = table.version
        written = next(str(one["timestamp"]) for one in table.list_versions() if one["version"] == version)
        return cls(place, version, table.count_rows(), written, options)

    def identity(self) -> list[object]:
        """The table's version, and when it was written."""
        return [self.place.name, self.version, self.row_count, self.written]

    def beginning(self) -> Iterator[Row]:
        """The first rows."""
        return self.rows(Shard(0, "", 0, BATCH_ROWS * 4))

    def shards(self, column: str | None) -> list[Shard]:
        """In equal parts."""
        spans = equal_spans(self.row_count, _most(self.row_count, _ROWS))
        return [Shard(number, "", *span) for number, span in enumerate(spans)]

    def rows(self, shard: Shard, without: Iterable[str] = ()) -> Iterator[Row]:
        """Only the columns that are asked for."""
        table = open_lance(self.place, self.options)
        table.checkout(self.version)
        left_out = set(without)
        wanted = [name for name in written_columns(table.schema) if name not in left_out]
        found = table.search().select(wanted).offset(shard.start).limit(shard.size).to_arrow()
        line = shard.start + 1
        for batch in found.select(wanted).to_batches(BATCH_ROWS):
            yield from records_of(batch, line)
            line += batch.num_rows

    def told(self, shard: Shard, line: int) -> str:
        """The row."""
        return f"row {line:,}"


def open_lance(place: Place, options: Mapping[str, str]) -> Any:
    """The table whose folder `place` is.

    Raises:
        FileUnreadable: there is none, or it cannot be reached.
    """
    try:
        return connect_lance(place, options).open_table(place.name.removesuffix(LANCE))
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0][:200].rstrip(".")
        raise FileUnreadable(f"{place.address} is no Lance table that can be read: {reason}.") from None


def connect_lance(place: Place, options: Mapping[str, str]) -> Any:
    """The folder of tables in which the table `place` is."""
    import lancedb

    return lancedb.connect(place.parent.uri, storage_options=dict(options))


def spans_of_groups(groups: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    """Rows as (start, stop): whole groups together, up to `most` rows; a larger one in equal parts."""
    start = at = 0
    for rows in groups:
        if at > start and at + rows - start > most:
            yield start, at
            start = at
        if rows > most:
            yield from ((at + first, at + last) for first, last in equal_spans(rows, most))
            start = at + rows
        at += rows
    if at > start:
        yield start, at


def equal_spans(size: int, most: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of as few parts of at most `most` as there can be, all of about the same size."""
    parts = -(-size // most)
    return ((size * part // parts, size * (part + 1) // parts) for part in range(parts))


def lines_between(source: Any, start: int, stop: int, address: str) -> bytes:
    """The lines of an open file whose first byte lies from `start` to `stop`, the last one whole.

    Raises:
        FileUnreadable: a line is too long to be one of a text.
    """
    first = max(start - 1, 0)  # whether a line begins at `start`, the byte before it tells
    source.seek(first)
    data: bytes = source.read(stop - first)
    if start:
        begin = data.find(b"\n") + 1
        if not begin:
            return b""  # all of it belongs to a line that began before
        data = data[begin:]
    whole = not data or data.endswith(b"\n")
    return data if whole else data + _rest_of_line(source, address)


def _rest_of_line(source: Any, address: str) -> bytes:
    blocks: list[bytes] = []
    while block := source.read(_BLOCK_BYTES):
        end = block.find(b"\n") + 1
        blocks.append(block[:end] if end else block)
        if end:
            break
        if len(blocks) * _BLOCK_BYTES > _MOST_LINE_BYTES:
            raise FileUnreadable(f"{address} has a line of more than {_MOST_LINE_BYTES >> 20} MB. Split it.")
    return b"".join(blocks)


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


def _most(total: int, bounds: tuple[int, int]) -> int:
    """The most that a shard of an input of this size holds."""
    return max(bounds[0], min(bounds[1], -(-total // _SHARDS)))


def _told(files: Iterable[File]) -> list[object]:
    return [[file.name, file.size_bytes, file.written_ns] for file in files]


def _is_seen(name: str) -> bool:
    """Whether it is data: a file or folder whose name begins with _ or . is another program's."""
    return not any(part.startswith((".", "_")) for part in name.split("/"))
