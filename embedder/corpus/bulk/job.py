"""One job: what is to be done to which shards, as every node is told, and what came of a shard."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from embedder.corpus.bulk.places import Place
from embedder.corpus.bulk.shards import Shard
from embedder.corpus.bulk.sources import Source
from embedder.corpus.given import Given
from embedder.corpus.kept import Kept
from embedder.corpus.reading import JUDGED_ROWS, judge
from embedder.corpus.rows import Record
from embedder.errors import FileUnreadable
from embedder.types import Kind, ModelInfo

PartFormat = Literal["parquet", "jsonl"]


@dataclass(frozen=True, slots=True)
class Job:
    """All that a node needs beside its shard; `parts` is the folder its part goes to.

    `column` holds the texts, None where rows are bare texts; `given` are columns of vectors, left out.
    """

    source: Source
    parts: Place
    part_format: PartFormat
    column: str | None
    given: Given
    model: ModelInfo
    kind: Kind | None = None
    dimensions: int | None = None

    def read(self, shard: Shard) -> Kept:
        """The texts of a shard with their columns, and the rows that gave none.

        Raises:
            FileUnreadable
        """
        kept = Kept(self.column, self.given, take_vectors=False, max_texts=None, unit="row")
        for row in self.source.rows(shard, without=self.given.vectors):
            kept.add(row)
        kept.made_by()  # not a column of these vectors
        return kept

    def part(self, shard: Shard) -> Place:
        """Where the vectors of a shard go."""
        return self.parts / part_name(shard.number, self.part_format)

    def about(self, shards: Sequence[Shard]) -> dict[str, str]:
        """What another job must share to go on from what this one has done."""
        spans = [[shard.file, shard.start, shard.stop] for shard in shards]
        options = [self.column, sorted(self.given.vectors), self.kind, self.dimensions, self.part_format]
        return {
            "input": _digest([self.source.identity(), spans]),
            "model": self.model.id,
            "fingerprint": self.model.fingerprint,
            "options": _digest(options),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a shard: `texts` with vectors, how many were cut, rows without a text, texts that failed.

    Of the latter two the first few are told as (row of the shard, why). `error` says why there is no part.
    `worker` is its node and process; `began_s` and `ended_s` are seconds since the epoch by its clock.
    """

    number: int
    texts: int = 0
    truncated: int = 0
    skipped: int = 0
    failed: int = 0
    skipped_rows: tuple[tuple[int, str], ...] = ()
    failed_rows: tuple[tuple[int, str], ...] = ()
    error: str = ""
    worker: str = ""
    began_s: float = field(default=0.0, compare=False)
    ended_s: float = field(default=0.0, compare=False)

    def to_json(self) -> str:
        """To be kept, or to travel."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, told: str | bytes) -> Report:
        """What `to_json` made.

        Raises:
            ValueError, TypeError: it is none.
        """
        found = json.loads(told)
        for name in ("skipped_rows", "failed_rows"):
            found[name] = tuple((int(row), str(why)) for row, why in found[name])
        return cls(**found)


def part_name(number: int, part_format: PartFormat) -> str:
    """The name of a shard's part: in the order of the names, parts are in the order of the input."""
    return f"part-{number:06d}.{part_format}"


def judge_source(source: Source, column: str | None) -> tuple[str | None, Given]:
    """The column of the texts, found out by the first rows unless named, and the columns that are vectors.

    Raises:
        FileUnreadable: there is no such column, or nothing to embed.
    """
    records = [row for row in islice(source.beginning(), JUDGED_ROWS) if isinstance(row, Record)]
    if not records:
        raise FileUnreadable("The input has no rows that could give a text.")
    text_column, given = judge(records, column)
    return text_column, Given(given.vectors, None)


def _digest(told: object) -> str:
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
