"""All of a table read in batches, for as long as whoever reads takes: an hour, if each is embedded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from embedder.collections.lance.arrow import rows_of
from embedder.collections.lance.files import Files, translated
from embedder.collections.lance.manifest import Manifest
from embedder.collections.lance.queries import answer, columns, query, row_ids_of
from embedder.collections.rows import Rows
from embedder.errors import StoreFailed

_IDS_A_BATCH = 65_536


def each_row(files: Files, batch_rows: int, since: int) -> Iterator[Rows]:
    """Rows with a revision past `since` as they are now.

    Which rows there are is read first, by the numbers that they keep, for others may let go of the
    version while it is read. From there on rows are read as they are by then, each once; those that
    were deleted are missing.

    Raises:
        UnknownCollection
        StoreFailed: also where other rows took the place of these.
    """

    def begun(*_: Any) -> tuple[Any, Any]:
        still = files.still()
        return still, row_ids_of(still, f"revision > {since}" if since else None)

    still, numbers = files.read(begun)
    kept = True
    for start in range(0, len(numbers), batch_rows):
        some = numbers[start : start + batch_rows].tolist()
        rows = _as_they_were(files, still, some) if kept else None
        if rows is None:
            kept, rows = False, _as_they_are(files, still.name, some)
        if len(rows):
            yield rows


def each_id(files: Files) -> Iterator[list[str]]:
    """All ids as they are now.

    Raises:
        UnknownCollection, StoreFailed
    """
    ids = files.read(lambda table, _: answer(query(table).select(["id"])).column("id"))
    for start in range(0, len(ids), _IDS_A_BATCH):
        yield ids.slice(start, _IDS_A_BATCH).to_pylist()


def _as_they_were(files: Files, still: Any, numbers: list[int]) -> Rows | None:
    """None where their version, or a file of it, is not there any more."""
    try:
        with translated(files.name):
            return _taken(still, numbers)
    except StoreFailed:
        return None


def _as_they_are(files: Files, name: str, numbers: list[int]) -> Rows:
    def taken(table: Any, _: Manifest) -> Rows:
        if table.name != name:
            raise StoreFailed(f"Other rows took the place of those of {files.name!r} while they were read.")
        return _taken(table, numbers)

    return files.read(taken)


def _taken(table: Any, numbers: list[int]) -> Rows:
    return rows_of(table.take_row_ids(numbers).select(columns(True)).to_arrow())
