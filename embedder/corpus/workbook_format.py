"""Workbooks (XLSX, XLSB, XLS, ODS): the first sheet that has rows, read by calamine."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Iterator

from embedder.corpus.rows import SkippedRow, Source, check_columns
from embedder.corpus.tables import Cells, records
from embedder.errors import FileUnreadable

MAX_UNPACKED_BYTES = 2 * 2**30


def read_workbook(data: bytes, column: str | None) -> Source:
    """The rows of the first sheet with any; a note says which sheet that is.

    Raises:
        FileUnreadable: it's no workbook, locked, unpacks to too much, or is empty throughout.
    """
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    check_unpacked(data)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        names = book.sheet_names
        for name in names:
            try:
                sheet = book.get_sheet_by_name(name)
            except (CalamineError, ValueError):  # a sheet that is only a chart
                continue
            if sheet.height:
                notes = [f"sheet “{name[:40]}”" + (f" of {len(names)}" if len(names) > 1 else "")]
                return Source(records(_rows(sheet), column, ragged=True), "row", notes=notes)
    except PasswordError:
        raise FileUnreadable("The workbook is locked with a password. Save it without one.") from None
    except FileUnreadable:
        raise
    except Exception as error:  # calamine's errors have no common root
        raise FileUnreadable(
            f"This is no Excel workbook, or a broken one: {str(error)[:120] or type(error).__name__}. "
            "Save the sheet as CSV UTF-8."
        ) from None
    raise FileUnreadable("No sheet of the workbook has rows.")


def check_unpacked(data: bytes) -> None:
    """Refuse an archive that says it unpacks to more than `MAX_UNPACKED_BYTES`.

    One that lies of its size meets the bound on the process's memory.

    Raises:
        FileUnreadable
    """
    if not data.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked_bytes = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise FileUnreadable(
            "This Excel workbook, or other zip archive, is broken: it has no sound directory. "
            "Save it again, or the sheet as CSV UTF-8."
        ) from None
    if unpacked_bytes > MAX_UNPACKED_BYTES:
        raise FileUnreadable(
            f"The workbook unpacks to {unpacked_bytes / 2**30:.1f} GB, which is more than is read. Split it."
        )


def _rows(sheet: object) -> Iterator[Cells | SkippedRow]:
    first = sheet.start[0] if sheet.start else 0  # type: ignore[attr-defined]
    for line, values in enumerate(sheet.iter_rows(), start=1):  # type: ignore[attr-defined]
        if line <= first:
            continue
        cells = [_cell(value) for value in values]
        while cells and not cells[-1]:
            cells.pop()
        check_columns(len(cells), line)
        yield Cells(line, cells) if cells else SkippedRow(line, "blank line")


def _cell(value: object) -> str:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    return str(value)
