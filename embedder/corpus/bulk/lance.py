"""Lance tables, through lancedb: one version of a table as a source, and how tables are opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from embedder.corpus.bulk.places import Place, lance_options
from embedder.corpus.bulk.shards import ROWS, Shard, equal_spans, most_of
from embedder.corpus.parquet_format import BATCH_ROWS, records_of, written_columns
from embedder.corpus.rows import Row
from embedder.errors import FileUnreadable
from embedder.lance_library import lancedb

LANCE = ".lance"


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
        spans = equal_spans(self.row_count, most_of(self.row_count, ROWS))
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
    return lancedb().connect(place.parent.uri, storage_options=dict(options))
