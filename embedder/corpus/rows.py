"""What every format gives: records and skipped rows, and what they share."""

from __future__ import annotations

import io
import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from embedder.errors import FileUnreadable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_COLUMNS = 1024
MAX_TEXT_CHARS = 1_000_000
MAX_RAW_CHARS = 2_000
"""So much of a skipped row is kept, to be shown to whoever wants to mend it."""
_UNPRINTABLE = re.compile("[\x00\ud800-\udfff]")


class NotText(str):
    """A value that was no string, as it would be written."""


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One row: `cells` by column name, or a bare text where the format has no columns.

    `lists` are cells that are numbers, float32 `(d,)` each, by column name; `raw` is the row as
    the file has it, where that is known.
    """

    line: int
    cells: dict[str, str] | str
    raw: str = ""
    lists: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A row that gave no text; `line` counts from 1, where the row begins; `raw` is its beginning."""

    line: int
    why: str
    raw: str = field(default="", compare=False)


Row = Record | SkippedRow


@dataclass(slots=True, eq=False)
class Source:
    """The rows of a file, and what is known of it once they have been read.

    `unit` is what its rows are counted in: line, row or page.
    """

    rows: Iterator[Row]
    unit: str = "line"
    encoding: str = ""
    notes: list[str] = field(default_factory=list)
    model: str = ""
    fingerprint: str = ""

    def close(self) -> None:
        """Let go of what the rows come from, read to their end or not."""
        if isinstance(self.rows, Generator):
            self.rows.close()


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
            f"Line {line}: more than {MAX_COLUMNS:,} columns. Keep the text and what describes it.",
            line=line,
        )


def counted(number: int, noun: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
