"""The file formats, each a generator of records: TXT and CSV here, JSON in `json_formats`."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from itertools import chain
from typing import Literal, Self

from embedder.corpus.json_formats import is_json_row
from embedder.corpus.rows import MAX_TEXT_CHARS, Record, Row, SkippedRow, lines_of
from embedder.corpus.tables import Cells, records
from embedder.errors import FileUnreadable

Format = Literal["txt", "csv", "jsonl"]

_DELIMITERS = (",", "\t", ";", "|")
_NO_DELIMITER = "\x1f"  # a control character no cell of a one-column file holds
_SNIFFED_LINES = 50
_MOST_REREAD = 20
"""So many rows with a quote too many are left out alone; each makes the lines after it be read again."""
_EXTENSIONS: dict[str, Format] = {
    ".txt": "txt",
    ".text": "txt",
    ".md": "txt",
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}


def choose_format(suffix: str, text: str) -> Format:
    """By extension, and by content where that says nothing."""
    if suffix.lower() in _EXTENSIONS:
        return _EXTENSIONS[suffix.lower()]
    lines = [line for line in lines_of(text[:20_000]) if line.strip()][:_SNIFFED_LINES]
    if lines and is_json_row(lines[0]):
        return "jsonl"
    # A comma is no sign of a table: prose has them. Tabs on every line are.
    tabs = {line.count("\t") for line in lines[:-1] or lines}
    return "csv" if len(tabs) == 1 and tabs != {0} else "txt"


def read_txt(text: str) -> Iterator[Row]:
    """One text a line; line ends are \\n, \\r\\n or \\r and nothing else."""
    for number, line in enumerate(lines_of(text), start=1):
        yield Record(number, line) if line.strip() else SkippedRow(number, "blank line")


def read_csv(text: str, suffix: str = ".csv", column: str | None = None) -> Iterator[Row]:
    """RFC 4180 with the delimiter found out; the first row is the header unless it cannot be one.

    Raises:
        FileUnreadable: the header or more than 20 rows hold a quote that is never closed, or there are too
            many columns.
    """
    csv.field_size_limit(MAX_TEXT_CHARS)
    text, first_line, delimiter = _delimiter(text, suffix)
    return records(_csv_rows(text, first_line, delimiter), column)


def _csv_rows(text: str, first_line: int, delimiter: str) -> Iterator[Cells | SkippedRow]:
    lines, header = _Remembered(text), True
    reader, read_before, left = csv.reader(lines, delimiter=delimiter, strict=True), 0, _MOST_REREAD
    while True:
        line = first_line + read_before + reader.line_num
        lines.forget()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            left_open = _left_open(error)
            # Without a header nothing says which column is which; many readings of a long file take long.
            if left_open and (header or not left):
                raise FileUnreadable(f"Line {line}: {left_open.rstrip('?')}.", line=line) from None
            why = left_open or f"broken quoting: {error}"
            if left_open or (lines.several and left):
                left -= 1
                yield SkippedRow(line, why, lines.give_back())
                reader, read_before = (
                    csv.reader(lines, delimiter=delimiter, strict=True),
                    line + 1 - first_line,
                )
            else:
                yield SkippedRow(line, why, lines.seen)
            continue
        header = header and not cells
        yield Cells(line, cells, lines.seen) if cells else SkippedRow(line, "blank line")


def _left_open(error: csv.Error) -> str:
    """Why a row took in those after it, if it did."""
    if "field limit" in str(error):
        return f"a cell is longer than {MAX_TEXT_CHARS:,} characters: is a quote left open?"
    if "unexpected end of data" in str(error):
        return 'a quote (") is opened and never closed'
    return ""


class _Remembered:
    """The lines of a text, of which those of the present row are remembered."""

    def __init__(self, text: str) -> None:
        self._lines: Iterator[str] = io.StringIO(text, newline="")
        self._seen: list[str] = []

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._seen.append(line)
        return line

    def forget(self) -> None:
        """A new row begins."""
        self._seen = []

    @property
    def several(self) -> bool:
        """Whether the row goes over more than one line: the quote that took them in may be at fault."""
        return len(self._seen) > 1

    def give_back(self) -> str:
        """The first line of the present row; those after it are read again."""
        first, *others = self._seen
        self._lines = chain(others, self._lines)
        return first.rstrip("\r\n")

    @property
    def seen(self) -> str:
        """The row as it stands in the file."""
        return "".join(self._seen).rstrip("\r\n")


def _delimiter(text: str, suffix: str) -> tuple[str, int, str]:
    """The table, the line it begins at and its delimiter.

    csv.Sniffer is not used: it reads prose in one column as a table of whatever letter is
    regular. The delimiter here is one that cuts the header, and then most rows alike.
    """
    told = re.match(r"sep=(.)\r?\n", text)  # Excel's own way to say it
    if told:
        return text[told.end() :], 2, told.group(1)
    if suffix.lower() in (".tsv", ".tab"):
        return text, 1, "\t"
    best, most = _NO_DELIMITER, 0
    for delimiter in _DELIMITERS:
        widths = _sniffed_widths(text, delimiter)
        alike = sum(width == widths[0] for width in widths) if widths and widths[0] > 1 else 0
        if alike > most:
            best, most = delimiter, alike
    return text, 1, best


def _sniffed_widths(text: str, delimiter: str) -> list[int]:
    widths: list[int] = []
    try:
        for cells in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if cells:
                widths.append(len(cells))
            if len(widths) == _SNIFFED_LINES:
                break
    except csv.Error:
        pass
    return widths
