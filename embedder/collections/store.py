"""The contract of a store: where the rows of collections are kept, and searched.

A store knows no model and no meaning. Everything here blocks and belongs in a thread; all of it
may be called from several threads at once. What a call has returned from is kept: it survives the
process being killed. `tests/collections` holds every store to this page.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from embedder.collections.filters import Filter
from embedder.collections.rows import Found, Row, Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Info = Mapping[str, Any]
"""What the owner of a table wants to remember of it, as JSON."""


@dataclass(frozen=True, slots=True)
class Stats:
    """A table as it stands.

    `index` says in words how nearest vectors are found; `recall` is the measured share of the true
    ten nearest that it finds, over `recall_sample` of its own vectors, None where it was not measured.
    `unindexed` rows are found too, by looking at each. `disk_bytes` is None where the store cannot tell.
    """

    count: int
    dimensions: int
    index: str
    recall: float | None = None
    recall_sample: int = 0
    unindexed: int = 0
    disk_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """A hit by what its store knows it by, and the row itself where the ranking brought it along."""

    key: Hashable
    score: float
    row: Row | None = None


class Table(Protocol):
    """The rows of one collection. One process writes at a time, any number read."""

    @property
    def dimensions(self) -> int:
        """Width of the vectors."""

    @property
    def info(self) -> Info:
        """What `write_info` wrote last; what another process wrote may show a second later."""

    def write_info(self, info: Info) -> None:
        """Remember `info` in place of what was there."""

    def change_info(self, change: Callable[[Info], Info]) -> Info:
        """Remember `change` of what is there, which nobody else writes to in between; returns it.

        Raises:
            CollectionBusy
        """

    def upsert(self, rows: Rows) -> int:
        """Write rows, each in place of the one with its id if there is one; returns how many were new.

        All of them or, if it raises, none. Of rows with one id the last counts.

        Raises:
            CollectionBusy: another process is writing and did not finish in time.
        """

    def revise(self, ids: Sequence[str], change: Callable[[Row], Row]) -> int:
        """Write `change` of each row of `ids` that there is in its place; returns how many there were.

        A row comes with its vector, and goes with the one it is to have, under its id. Nobody writes to it
        in between, so one that was deleted is not there again.

        Raises:
            CollectionBusy
        """

    def delete(self, ids: Sequence[str], keep: Callable[[list[Row]], None] | None = None) -> int:
        """Delete the rows of `ids` and return how many there were.

        `keep` is given them before that, with their vectors, some at a time, as they are deleted: nobody
        writes to them in between. It may write to another table; if it raises, nothing is deleted.

        Raises:
            CollectionBusy
        """

    def get(self, ids: Sequence[str], *, vectors: bool = False) -> list[Row]:
        """The rows of `ids` that there are, in the order of `ids`, each once."""

    def ids_of(self, documents: Sequence[str]) -> list[str]:
        """Ids of all rows of these documents."""

    def count(self, wanted: Filter | None = None) -> int:
        """How many rows there are, or pass."""

    def nearest(
        self, vector: NDArray[np.float32], k: int, wanted: Filter | None = None, *, vectors: bool = False
    ) -> list[Found]:
        """The `k` rows that pass with the largest cosine with `vector` `(d,)`, best first.

        A row or a question without direction has cosine 0 with everything.
        """

    def keyword(
        self, query: str, k: int, wanted: Filter | None = None, *, vectors: bool = False
    ) -> list[Found]:
        """The `k` rows that pass and share a word with `query`, by BM25, best first."""

    def ranked(
        self,
        asked: NDArray[np.float32] | str,
        k: int,
        wanted: Filter | None = None,
        *,
        vectors: bool = False,
    ) -> list[Ranked]:
        """As `nearest` of a vector `(d,)` or `keyword` of words, of which `read` gives those rows that count.

        With `vectors` they can be read with theirs.
        """

    def read(self, ranked: Sequence[Ranked], *, vectors: bool = False) -> dict[Hashable, Row]:
        """Rows by their keys, as they are by now, or as they were where the ranking brought them along.

        Of rows that are read now those are missing that were deleted since; all, if others took their place.
        """

    @property
    def mark(self) -> int:
        """How far the table has been written: it grows with every change, by whichever process."""

    def scan(self, batch_rows: int = 1000, *, since: int = 0) -> Iterator[Rows]:
        """All rows as they are now, in no given order, in batches.

        With `since`, an earlier `mark`, only rows written after it; some may come that were there before.
        """

    def ids(self) -> Iterator[list[str]]:
        """All ids as they are now, in no given order, in batches."""

    def stats(self) -> Stats:
        """How large it is, and how it is searched."""

    def maintain(self) -> None:
        """Do now what the store otherwise does by itself in the background: compact, index, measure."""

    def close(self) -> None:
        """Let go of what is held; nothing is called after. What was written stays."""


class Store(Protocol):
    """Tables by name; names are checked before they get here."""

    def names(self) -> list[str]:
        """Every table's name, sorted."""

    def create(self, name: str, dimensions: int, info: Info) -> Table:
        """A new empty table.

        Raises:
            InvalidInput: there is one of that name.
        """

    def open(self, name: str) -> Table:
        """The table `name`.

        Raises:
            UnknownCollection
        """

    def drop(self, name: str) -> None:
        """Delete the table and everything in it.

        Raises:
            UnknownCollection, CollectionBusy
        """

    def rename(self, name: str, new: str) -> None:
        """Give the table `name` the name `new`, in one step; who has it open under the old has it no more.

        Raises:
            UnknownCollection, CollectionBusy
            InvalidInput: there is one of the name `new`.
        """

    def replace(self, name: str, other: str, mark: int, info: Callable[[Info], Info] | None = None) -> bool:
        """Put the rows and the info of `other` in the place of those of `name`; `other` is gone then.

        With `info`, it makes what is remembered from then on of what is remembered of `name`, which may
        have changed without moving its mark, and which nobody else writes to in between.

        Only if `name` was not written to since `mark`: else nothing is done, and False returned.
        Whoever has `name` open sees the new rows from then on. Killed in the middle, `name` is the old
        or the new one, whole.

        Raises:
            UnknownCollection, CollectionBusy
        """

    def close(self) -> None:
        """Close every table."""
