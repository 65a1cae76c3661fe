"""What every format gives: records and skipped rows, and what they share."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from embedder.errors import FileUnreadable

MAX_COLUMNS = 256
_UNPRINTABLE = re.compile("[\x00\ud800-\udfff]")


class NotText(str):
    """A JSON value that was no string, as it would be written."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row: `cells` by column name, or a bare text where the format has no columns."""

    line: int
    cells: dict[str, str] | str


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A row that gave no text; `line` counts from 1, where the row begins."""

    line: int
    why: str


Row = Record | SkippedRow


def lines_of(text: str) -> Iterator[str]:
    """Lines without their ends; str.splitlines would also cut at form feeds and U+2028."""
    return (line.rstrip("\r\n") for line in io.StringIO(text, newline=""))


def clean_name(name: str) -> str:
    """A column's name without blanks around it and what cannot be shown."""
    return _UNPRINTABLE.sub("\ufffd", name.strip())


def check_columns(columns: int, line: int) -> None:
    """Refuse more columns than `MAX_COLUMNS`.

    Raises:
        FileUnreadable
    """
    if columns > MAX_COLUMNS:
        raise FileUnreadable(
            f"Line {line}: more than {MAX_COLUMNS} columns. Keep the text and what describes it.", line=line
        )


def counted(number: int, noun: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
