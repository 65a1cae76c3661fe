"""A file of a user's to texts with columns: TXT, CSV/TSV, JSONL and JSON arrays, nothing lost in silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from embedder.corpus.decoding import decode, unusable
from embedder.corpus.formats import MAX_TEXT_CHARS, choose_format, read_csv, read_txt
from embedder.corpus.json_formats import read_json
from embedder.corpus.rows import NotText, Record, Row, SkippedRow
from embedder.errors import FileUnreadable

__all__ = ["MAX_FILE_BYTES", "SkippedRow", "TextTable", "parse_texts", "read_texts"]

MAX_FILE_BYTES = 512 * 2**20

_TEXT_NAMES = (
    "text", "texts", "sentence", "sentences", "content", "body", "document", "message", "review",
    "comment", "description", "abstract", "summary", "question", "query", "prompt", "title", "headline",
)  # fmt: skip
_JUDGED_ROWS = 1000


@dataclass(frozen=True, slots=True)
class TextTable:
    """Texts of a file with what stood beside them.

    `columns` are the other columns, each as long as `texts`; `text_column` is the name of the
    texts' own, None where the format has no columns. `skipped` are the rows that gave no text,
    `left_out` counts the sound ones past `max_texts`.
    """

    texts: list[str]
    columns: dict[str, list[str]]
    text_column: str | None
    skipped: list[SkippedRow]
    left_out: int = 0
    encoding: str = "utf-8"


@dataclass(slots=True)
class _Kept:
    """What has been kept of the rows so far."""

    max_texts: int | None
    texts: list[str] = field(default_factory=list)
    cells: list[dict[str, str]] = field(default_factory=list)
    skipped: list[SkippedRow] = field(default_factory=list)
    left_out: int = 0

    def add(self, row: Row, text_column: str | None) -> None:
        """Keep `row`'s text, or why it has none."""
        if isinstance(row, SkippedRow):
            self.skipped.append(row)
            return
        cells = row.cells if isinstance(row.cells, dict) else {}
        text = row.cells if isinstance(row.cells, str) else cells.get(text_column or "", NotText())
        why = _flaw(text, cells)
        if why is not None:
            self.skipped.append(SkippedRow(row.line, why))
        elif self.max_texts is not None and len(self.texts) >= self.max_texts:
            self.left_out += 1
        else:
            self.texts.append(text)
            self.cells.append({name: cell for name, cell in cells.items() if name != text_column})


def read_texts(
    path: Path,
    *,
    column: str | None = None,
    max_texts: int | None = None,
    max_bytes: int = MAX_FILE_BYTES,
) -> TextTable:
    """The texts of a TXT, CSV, TSV, JSONL or JSON file, told apart by extension, else by content.

    `column` names the column of the texts; else it is found by its name (text, sentence,
    content, ...) or as the one with the longest cells.

    Raises:
        FileUnreadable: missing, too large, not text, broken beyond a row, or without any text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise FileUnreadable(f"{path.name} cannot be read: {reason}.") from None
    if len(data) > max_bytes:
        raise FileUnreadable(f"{path.name} is larger than {max_bytes / 2**20:,.0f} MB. Split it.")
    return parse_texts(data, suffix=path.suffix, column=column, max_texts=max_texts)


def parse_texts(
    data: bytes, *, suffix: str = ".txt", column: str | None = None, max_texts: int | None = None
) -> TextTable:
    """As `read_texts`, of bytes already read; `suffix` is the extension of their name.

    Raises:
        FileUnreadable
    """
    text, encoding = decode(data)
    if not text.strip("\ufeff \t\r\n"):
        raise FileUnreadable(
            "The file has only blank lines." if data else "The file is empty.", line=1 if data else None
        )
    file_format = choose_format(suffix, text)
    if file_format == "txt" and column is not None:
        raise FileUnreadable("A text file has no columns, only one text a line; ask for no column.")
    rows = {
        "txt": lambda: read_txt(text),
        "csv": lambda: read_csv(text, suffix, column),
        "jsonl": lambda: read_json(text),
    }[file_format]()
    return _table(rows, column, max_texts, encoding)


def _table(rows: Iterator[Row], column: str | None, max_texts: int | None, encoding: str) -> TextTable:
    judged = list(islice(rows, _JUDGED_ROWS))
    names = _names(judged)
    text_column = _text_column(judged, names, column)
    kept = _Kept(max_texts)
    for source in (judged, rows):
        for row in source:
            kept.add(row, text_column)
    if not kept.texts and not kept.left_out:
        raise _no_text(kept.skipped)
    return TextTable(
        texts=kept.texts,
        columns=_columns(kept.cells),
        text_column=text_column,
        skipped=kept.skipped,
        left_out=kept.left_out,
        encoding=encoding,
    )


def _flaw(text: str, cells: dict[str, str]) -> str | None:
    """Why a row is not kept, or None."""
    if not text.strip():
        return "empty text"
    if isinstance(text, NotText):
        return "the text is not a string"
    if len(text) > MAX_TEXT_CHARS:
        return f"longer than {MAX_TEXT_CHARS:,} characters"
    why = unusable(text)
    if why is not None:
        return f"the text holds {why}"
    for name, cell in cells.items():
        why = unusable(cell)
        if why is not None:
            return f"column {_shown(name)} holds {why}"
    return None


def _names(rows: Iterable[Row]) -> list[str]:
    """Every column of the records, in order of appearance."""
    names: dict[str, None] = {}
    for row in rows:
        if isinstance(row, Record) and isinstance(row.cells, dict):
            names.update(dict.fromkeys(row.cells))
    return list(names)


def _text_column(rows: list[Row], names: list[str], column: str | None) -> str | None:
    if column is not None:
        if column in names:
            return column
        there = ", ".join(_shown(name) for name in names[:20]) or "none"
        raise FileUnreadable(
            f"No column {_shown(column)} in the first {_JUDGED_ROWS:,} rows. The columns are: {there}."
        )
    if not names:
        return None
    folded = {name.strip().casefold(): name for name in reversed(names)}
    known = [folded[name] for name in _TEXT_NAMES if name in folded]
    for name in known:
        if any(cell.strip() for cell in _strings(rows, name)):
            return name
    for name in known:  # empty throughout, and still what was meant: better said than replaced
        if _strings(rows, name):
            return name
    return max(names, key=lambda name: _mean_words_chars(rows, name))


def _strings(rows: list[Row], name: str) -> list[str]:
    """The cells of a column that are strings."""
    records = (row.cells for row in rows if isinstance(row, Record) and isinstance(row.cells, dict))
    return [cells[name] for cells in records if name in cells and not isinstance(cells[name], NotText)]


def _mean_words_chars(rows: list[Row], name: str) -> float:
    """Mean length of the cells of a column that hold letters, 0 without any."""
    lengths = [len(cell) for cell in _strings(rows, name) if any(map(str.isalpha, cell))]
    return sum(lengths) / len(lengths) if lengths else 0.0


def _columns(cells: list[dict[str, str]]) -> dict[str, list[str]]:
    """Column by column; a cell that a row lacks is empty."""
    names: dict[str, None] = {}
    for row in cells:
        names.update(dict.fromkeys(row))
    return {name: [str(row.get(name, "")) for row in cells] for name in names}


def _no_text(skipped: list[SkippedRow]) -> FileUnreadable:
    if not skipped:
        return FileUnreadable("The file has a header and no rows.", line=1)
    first = next((row for row in skipped if row.why != "blank line"), skipped[0])
    return FileUnreadable(
        f"No row of the file gives a text. Line {first.line}: {first.why}.", line=first.line
    )


def _shown(name: str) -> str:
    return repr(name if len(name) <= 40 else name[:37] + "...")
