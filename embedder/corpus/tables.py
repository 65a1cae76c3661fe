"""Rows of cells to records by the names of a header, for CSV and for workbooks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from embedder.corpus.rows import Record, Row, SkippedRow, check_columns, clean_name, counted


@dataclass(frozen=True, slots=True)
class Cells:
    """One row before its columns have names."""

    line: int
    cells: list[str]
    raw: str = ""


def records(rows: Iterable[Cells | SkippedRow], column: str | None, *, ragged: bool = False) -> Iterator[Row]:
    """The first row is the header unless it cannot be one; a `ragged` table may leave out last cells.

    Raises:
        FileUnreadable: there are too many columns.
    """
    names: list[str] = []
    for row in rows:
        if isinstance(row, SkippedRow):
            yield row
            continue
        cells = row.cells
        if not names:
            header = is_header(cells, column)
            names = column_names(cells if header else [""] * len(cells))
            if header:
                continue
        if ragged and len(cells) < len(names):
            cells = cells + [""] * (len(names) - len(cells))
        if len(cells) != len(names):
            why = f"{counted(len(cells), 'cell')} where the header has {len(names)}"
            yield SkippedRow(row.line, why, row.raw)
        else:
            yield Record(row.line, dict(zip(names, cells, strict=True)), row.raw)


def is_header(cells: list[str], column: str | None) -> bool:
    """Whether a first row names columns: short, not a number, not a sentence."""
    if column is not None and column in column_names(cells):
        return True
    return not any(
        len(cell) > 64 or cell.rstrip().endswith((".", "!", "?", "。")) or _is_number(cell)
        for cell in cells
    )  # fmt: skip


def column_names(cells: list[str]) -> list[str]:
    """Unique, usable names: `column_2` for an empty one, `name_2` for a second `name`."""
    check_columns(len(cells), 1)
    names: dict[str, None] = {}
    for place, cell in enumerate(cells, start=1):
        wanted = clean_name(cell) or f"column_{place}"
        name, copy = wanted, 2
        while name in names:
            name, copy = f"{wanted}_{copy}", copy + 1
        names[name] = None
    return list(names)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
