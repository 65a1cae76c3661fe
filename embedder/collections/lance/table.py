"""One collection's rows in LanceDB: one writer at a time, any number of readers, in any processes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from embedder.collections.filters import Filter
from embedder.collections.lance import recall, scanning, searching
from embedder.collections.lance.arrow import (
    as_table,
    each_row,
    new_slots,
    schema_of,
    slot_field,
)
from embedder.collections.lance.files import Files, folder_bytes
from embedder.collections.lance.ids import KnownIds
from embedder.collections.lance.manifest import Manifest, with_slots
from embedder.collections.lance.queries import answer, columns, condition, parts, query
from embedder.collections.lance.sql import one_of
from embedder.collections.rows import Found, Row, Rows, last_of_each, revised
from embedder.collections.store import Info, Ranked, Stats
from embedder.collections.upkeep import Debt, Upkeep
from embedder.errors import CollectionBusy
from embedder.libraries import give_back_holes, large_buffers_apart

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

_VERSIONS_BETWEEN = 8
"""Commits of upkeep that may come between reading a table's version and writing to it."""
_KEPT = timedelta(minutes=15)
"""Versions are kept so long, for readers that are in the middle of one."""
_SOON_S = 10.0
"""They are let go of so long after, so that those of the last commit are old enough too."""
_BUSY_S = 60.0
_CARE_WAIT_S = 3600.0
"""An index of ten million rows takes that long."""
_RETRAINED = 4
"""The index is trained anew when there are so many times the rows it was trained with,"""
_MEASURED_AGAIN = 1.25
"""and measured when there are so many times those it was measured with: among more rows it finds fewer."""


class LanceTable:
    """The contract of `Table` over a folder. Made by `LanceStore`."""

    def __init__(self, files: Files, exact_rows: int) -> None:
        self._files = files
        self._exact_rows = exact_rows
        self._known = KnownIds()
        self._debt = Debt()
        self._search = searching.Search(files, exact_rows)
        self._upkeep = Upkeep(self._keep_up, files.name)

    @property
    def dimensions(self) -> int:
        """Width of the vectors."""
        return self._files.manifest().dimensions

    @property
    def info(self) -> Info:
        """What the owner remembers of the table."""
        return self._files.manifest().info

    @property
    def mark(self) -> int:
        """Lance's version of the table."""
        return self._read(lambda table, manifest: self._files.latest.version(table, manifest.rows))

    def refresh(self) -> None:
        """See the collection as it is now: what is deleted next depends on it."""
        self._files.latest.forget()

    def write_info(self, info: Info) -> None:
        """Remember `info`."""
        self.change_info(lambda _: info)

    def change_info(self, change: Callable[[Info], Info]) -> Info:
        """Remember a change of it."""
        with self._files.writing():
            manifest = self._files.manifest()
            info = dict(change(manifest.info))
            self._files.write(replace(manifest, info=info))
        return info

    def upsert(self, rows: Rows) -> int:
        """Append rows, or merge them where some id may be there."""
        rows = last_of_each(rows)
        if not len(rows):
            return 0
        with self._files.writing() as table:
            new = self._write(table, rows)
        self._ask_for_upkeep()
        return new

    def revise(self, ids: Sequence[str], change: Callable[[Row], Row]) -> int:
        """Read and merged under the writer's lock, some hundreds at a time."""
        there = 0
        with self._files.writing() as table:
            for some in parts(list(dict.fromkeys(ids))):
                if rows := _rows_of(table, some, vectors=True):
                    self._write(table, revised(rows, change))
                    there += len(rows)
        self._ask_for_upkeep()
        return there

    def delete(self, ids: Sequence[str], keep: Callable[[list[Row]], None] | None = None) -> int:
        """Delete by id, some hundreds at a time."""
        wanted = list(dict.fromkeys(ids))
        with self._files.writing() as table:
            if keep is not None:
                for some in parts(wanted):
                    keep(_rows_of(table, some, vectors=True))
            before = table.count_rows()
            for some in parts(wanted):
                table.delete(one_of("id", some))
                self._debt.add(len(some))
            deleted = int(before - table.count_rows())
        self._ask_for_upkeep()
        return deleted

    def get(self, ids: Sequence[str], *, vectors: bool = False) -> list[Row]:
        """Rows by id."""
        wanted = list(dict.fromkeys(ids))

        def found(table: Any, _: Manifest) -> dict[str, Row]:
            rows = {}
            for some in parts(wanted):
                rows.update({row.id: row for row in _rows_of(table, some, vectors=vectors)})
            return rows

        rows = self._read(found)
        return [rows[row_id] for row_id in wanted if row_id in rows]

    def ids_of(self, documents: Sequence[str]) -> list[str]:
        """Ids by document."""

        def found(table: Any, _: Manifest) -> list[str]:
            ids: list[str] = []
            for some in parts([document for document in dict.fromkeys(documents) if document]):
                asked = query(table).where(one_of("document", some)).select(["id"])
                ids += answer(asked).column("id").to_pylist()
            return ids

        return self._read(found)

    def count(self, wanted: Filter | None = None) -> int:
        """Rows, or those that pass."""
        return self._read(lambda table, manifest: int(table.count_rows(condition(wanted, manifest))))

    def nearest(
        self, vector: NDArray[np.float32], k: int, wanted: Filter | None = None, *, vectors: bool = False
    ) -> list[Found]:
        """In memory while the table is small, by the index later, else by looking at every row."""
        return self._found(vector, k, wanted, vectors=vectors)

    def keyword(
        self, query: str, k: int, wanted: Filter | None = None, *, vectors: bool = False
    ) -> list[Found]:
        """BM25 by Lance's own index, words cut by ICU, which knows those of languages without spaces."""
        return self._found(query, k, wanted, vectors=vectors)

    def ranked(
        self,
        asked: NDArray[np.float32] | str,
        k: int,
        wanted: Filter | None = None,
        *,
        vectors: bool = False,
    ) -> list[Ranked]:
        """By row ids; the rows of a few come along, of more they are left where they are."""
        del vectors
        return self._read(lambda table, manifest: self._search.ranked(table, manifest, asked, k, wanted))

    def read(self, ranked: Sequence[Ranked], *, vectors: bool = False) -> dict[Hashable, Row]:
        """By row ids, which stay when files are compacted."""
        return self._read(lambda table, _: searching.taken(table, ranked, vectors=vectors))

    def scan(self, batch_rows: int = 1000, *, since: int = 0) -> Iterator[Rows]:
        """By row ids, which outlive the version that they were read of."""
        return scanning.each_row(self._files, batch_rows, since)

    def ids(self) -> Iterator[list[str]]:
        """Batches of ids."""
        return scanning.each_id(self._files)

    def stats(self) -> Stats:
        """Counts, and the index with its measured recall."""

        def found(table: Any, manifest: Manifest) -> Stats:
            count, index = int(table.count_rows()), manifest.index
            exact = index is None or count <= self._exact_rows
            told = f"IVF_RQ, {index.nprobes} probes, refined" if index and not exact else "exact"
            unindexed = 0 if exact else int(table.index_stats("vector_idx").num_unindexed_rows)
            return Stats(
                count,
                manifest.dimensions,
                told,
                None if index is None or exact else index.recall,
                0 if index is None or exact else index.sample,
                unindexed,
                folder_bytes(self._files.folder),
            )

        return self._read(found)

    def maintain(self) -> None:
        """Compact and index now; other writers wait."""
        with self._files.caring(_CARE_WAIT_S):
            with self._files.writing() as table:
                self._optimise(table)
            self._index()

    def close(self) -> None:
        """Wait for upkeep."""
        self._upkeep.close()

    def _found(
        self, asked: NDArray[np.float32] | str, k: int, wanted: Filter | None, *, vectors: bool
    ) -> list[Found]:
        def found(table: Any, manifest: Manifest) -> list[Found]:
            hits = self._search.ranked(table, manifest, asked, k, wanted)
            rows = searching.taken(table, hits, vectors=vectors)
            return [Found(rows[hit.key], hit.score) for hit in hits if hit.key in rows]  # else deleted since

        return self._read(found)

    def _read(self, work: Callable[[Any, Manifest], T]) -> T:
        return self._files.read(work)

    def _write(self, table: Any, rows: Rows) -> int:
        """To be done by the one who writes; returns how many were new."""
        manifest = self._with_slots_for(rows, table)
        # Never less than the version it comes with, be there a commit of another's in between.
        batch = as_table(rows, manifest.slots, table.version + _VERSIONS_BETWEEN)
        with large_buffers_apart():
            if self._known.may_hold(table, rows.ids):
                merge = table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
                new = int(merge.execute(batch).num_inserted_rows)
            else:
                table.add(batch)
                new = len(rows)
        self._known.wrote(table, rows.ids)
        self._debt.add(len(rows))
        return new

    def _with_slots_for(self, rows: Rows, table: Any) -> Manifest:
        """The manifest with a slot for every column of `rows`, each an Arrow column by then."""
        manifest = self._files.manifest()
        own = {*schema_of(manifest.dimensions, manifest.slots).names}
        if left := [column for column in table.schema.names if column not in own]:
            table.drop_columns(left)  # of one who was killed before the manifest named it
        wanted = new_slots(rows, manifest.slot_of)
        if wanted:
            made = with_slots(manifest, wanted)
            table.add_columns([slot_field(kind, column) for _, kind, column in made.slots[-len(wanted) :]])
            self._files.write(made)
            return made
        return manifest

    def _ask_for_upkeep(self) -> None:
        if self._debt.due:
            self._upkeep.ask()

    def _keep_up(self) -> None:
        """In a thread of its own, beside readers; a while later where another writes or does the same."""
        with self._files.trying():
            try:
                with self._files.caring(wait_s=0):
                    with self._files.writing(wait_s=1.0) as table:
                        self._optimise(table)
                    self._index()
            except CollectionBusy:
                self._upkeep.ask_in(_BUSY_S)

    def _optimise(self, table: Any) -> None:
        with large_buffers_apart():
            table.optimize(cleanup_older_than=_KEPT)
        give_back_holes()
        self._files.sweep(table.name)
        written, self._debt = self._debt.commits, Debt()
        if written:  # what is older by now is kept until then, also if nobody writes again
            self._upkeep.ask_in(_KEPT.total_seconds() + _SOON_S)

    def _index(self) -> None:
        """Make or measure the index of vectors where the table has outgrown it. Others write meanwhile."""
        manifest = self._files.manifest()
        table = self._files.table()
        count, index = table.count_rows(), manifest.index
        if count <= self._exact_rows:
            return
        # One that never said with how many rows it was measured has one bit a dimension.
        if index is None or not index.measured_rows or count > _RETRAINED * index.rows:
            made = recall.build(table, count, self._files.still)
        elif count > _MEASURED_AGAIN * index.measured_rows:
            made = recall.tuned(self._files.still(), index.rows)
        else:
            return
        with self._files.writing():
            now = self._files.manifest()
            if now.rows == manifest.rows:
                self._files.write(replace(now, index=made))


def _rows_of(table: Any, ids: Sequence[str], *, vectors: bool) -> list[Row]:
    asked = query(table).where(one_of("id", ids)).select(columns(vectors))
    return each_row(answer(asked), vectors=vectors)
