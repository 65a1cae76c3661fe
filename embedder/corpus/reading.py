"""A file of a user's to texts with columns, and the vectors it may have; nothing lost in silence."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from embedder.corpus.apart import Limits, read_apart
from embedder.corpus.decoding import decode
from embedder.corpus.formats import choose_format, read_csv, read_txt
from embedder.corpus.given import Given, look_for
from embedder.corpus.json_formats import read_json
from embedder.corpus.kept import Kept, shown
from embedder.corpus.rows import NotText, Record, Row, SkippedRow, Source
from embedder.errors import FileUnreadable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MAX_FILE_BYTES", "SUFFIXES", "SkippedRow", "TextTable", "parse_texts", "read_texts"]

MAX_FILE_BYTES = 512 * 2**20
SUFFIXES = (
    ".txt", ".md", ".csv", ".tsv", ".jsonl", ".json", ".ndjson", ".parquet", ".xlsx", ".xlsb", ".xls",
    ".ods", ".pdf", ".npy", ".npz",
)  # fmt: skip
"""Extensions of the files that are read."""

_TEXT_NAMES = (
    "text", "texts", "sentence", "sentences", "content", "body", "document", "message", "review",
    "comment", "description", "abstract", "summary", "question", "query", "prompt", "title", "headline",
)  # fmt: skip
JUDGED_ROWS = 1000
"""So many rows say which columns a file has and what they are."""
_UNPACKED = 8
"""Arrays may unpack to so many times the largest file."""
_BEGINNINGS = {
    ".parquet": "PAR1",
    ".xlsx": "PK",
    ".xlsb": "PK",
    ".ods": "PK",
    ".npz": "PK",
    ".pdf": "%PDF",
    ".npy": "\x93NUMPY",
}


@dataclass(frozen=True, slots=True, eq=False)
class TextTable:
    """Texts of a file with what stood beside them.

    `columns` are the other columns, each as long as `texts`; `text_column` is the name of the
    texts' own, None where the format has no columns. `skipped` are the rows that gave no text,
    counted in `unit`s; `left_out` counts the sound ones past `max_texts`. `vectors` float32
    `(n, d)` and `points` float32 `(n, 2)` are the file's own, `given` says from which columns,
    `model` and `fingerprint` what made them, where the file knows. `unplaced` points are in the middle.
    """

    texts: list[str]
    columns: dict[str, list[str]]
    text_column: str | None
    skipped: list[SkippedRow]
    left_out: int = 0
    encoding: str = "utf-8"
    unit: str = "line"
    notes: tuple[str, ...] = ()
    given: Given = field(default_factory=lambda: Given({}, None))
    vectors: NDArray[np.float32] | None = None
    points: NDArray[np.float32] | None = None
    unplaced: int = 0
    model: str = ""
    fingerprint: str = ""


def read_texts(
    path: Path,
    *,
    column: str | None = None,
    max_texts: int | None = None,
    max_bytes: int = MAX_FILE_BYTES,
    take_vectors: bool = False,
) -> TextTable:
    """The texts of a file with one of `SUFFIXES`, told apart by content, else by extension.

    `column` names the column of the texts; else it is found by its name (text, sentence,
    content, ...) or as the one with the longest cells. With `take_vectors` a column of vectors
    is read too, and a row without one is skipped.

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
    return parse_texts(
        data,
        suffix=path.suffix,
        column=column,
        max_texts=max_texts,
        take_vectors=take_vectors,
        max_unpacked_bytes=_UNPACKED * max_bytes,
    )


def parse_texts(
    data: bytes,
    *,
    suffix: str = ".txt",
    column: str | None = None,
    max_texts: int | None = None,
    take_vectors: bool = False,
    max_unpacked_bytes: int = _UNPACKED * MAX_FILE_BYTES,
) -> TextTable:
    """As `read_texts`, of bytes already read; `suffix` is the extension of their name.

    Raises:
        FileUnreadable
    """
    source = _binary(data, suffix, column, max_unpacked_bytes) or _plain(data, suffix, column)
    with closing(source):
        return _table(source, column, max_texts, take_vectors)


def _binary(data: bytes, suffix: str, column: str | None, max_unpacked_bytes: int) -> Source | None:
    """The rows of a file that is no plain text, known by its first bytes."""
    from embedder.corpus.arrays import is_npz, read_npy, read_npz  # numpy waits for the first file

    limits = Limits(answer_bytes=max_unpacked_bytes)
    if data.startswith(b"PAR1"):
        return read_apart("parquet", data, column, limits)
    if data.startswith(b"%PDF"):
        return read_apart("pdf", data, column, limits)
    if data.startswith(b"\x93NUMPY"):
        return read_npy(data)
    if data.startswith(b"PK\x03\x04"):
        return (
            read_npz(data, max_unpacked_bytes)
            if is_npz(data)
            else read_apart("workbook", data, column, limits)
        )
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        return read_apart("workbook", data, column, limits)
    beginning = _BEGINNINGS.get(suffix.lower())
    if data and beginning is not None:
        raise FileUnreadable(
            f"The file is named {suffix.lower()} but does not begin as one: it is broken or something else."
        )
    return None


def _plain(data: bytes, suffix: str, column: str | None) -> Source:
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
    return Source(rows, encoding=encoding)


def _table(source: Source, column: str | None, max_texts: int | None, take_vectors: bool) -> TextTable:
    judged = list(islice(source.rows, JUDGED_ROWS))
    records = [row for row in judged if isinstance(row, Record)]
    text_column, given = judge(records, column)
    take_vectors = take_vectors and bool(given.vectors)
    numbered = take_vectors and column is None and not _has_words(records, text_column)
    kept = Kept(
        None if numbered else text_column, given, take_vectors, max_texts, source.unit, numbered=numbered
    )
    for rows in (judged, source.rows):
        for row in rows:
            kept.add(row)
    if not kept.texts and not kept.left_out:
        raise _no_text(kept.skipped, source.unit)
    points, unplaced = kept.points()
    model, fingerprint = kept.made_by()
    return TextTable(
        texts=kept.texts,
        columns=kept.finished_columns(),
        text_column=kept.text_column,
        skipped=kept.skipped,
        left_out=kept.left_out,
        encoding=source.encoding,
        unit=source.unit,
        notes=tuple(source.notes),
        given=given,
        vectors=kept.stacked(),
        points=points,
        unplaced=unplaced,
        model=source.model or model,
        fingerprint=source.fingerprint or fingerprint,
    )


def judge(records: list[Record], column: str | None) -> tuple[str | None, Given]:
    """Which column the texts are in, `column` if given, and what else the first records of a file show.

    Raises:
        FileUnreadable: they have no such column.
    """
    names = _names(records)
    given = look_for(records, names)
    return _text_column(records, [name for name in names if name not in given.vectors], column), given


def _names(records: Iterable[Record]) -> list[str]:
    """Every column of the records, in order of appearance."""
    names: dict[str, None] = {}
    for row in records:
        if isinstance(row.cells, dict):
            names.update(dict.fromkeys(row.cells))
            names.update(dict.fromkeys(row.lists))
    return list(names)


def _text_column(records: list[Record], names: list[str], column: str | None) -> str | None:
    if column is not None:
        if column in names:
            return column
        there = ", ".join(shown(name) for name in names[:20]) or "none"
        raise FileUnreadable(
            f"No column {shown(column)} in the first {JUDGED_ROWS:,} rows. The columns are: {there}."
        )
    if not names:
        return None
    folded = {name.strip().casefold(): name for name in reversed(names)}
    known = [folded[name] for name in _TEXT_NAMES if name in folded]
    for name in known:
        if any(cell.strip() for cell in _strings(records, name)):
            return name
    for name in known:  # empty throughout, and still what was meant: better said than replaced
        if _strings(records, name):
            return name
    return max(names, key=lambda name: _mean_words_chars(records, name))


def _has_words(records: list[Record], text_column: str | None) -> bool:
    """Whether there are texts at all, and not only numbers beside vectors."""
    if text_column is None:
        return any(isinstance(row.cells, str) for row in records)
    return _mean_words_chars(records, text_column) > 0


def _strings(records: list[Record], name: str) -> list[str]:
    """The cells of a column that are strings."""
    rows = (row.cells for row in records if isinstance(row.cells, dict))
    return [cells[name] for cells in rows if name in cells and not isinstance(cells[name], NotText)]


def _mean_words_chars(records: list[Record], name: str) -> float:
    """Mean length of the cells of a column that hold letters, 0 without any."""
    lengths = [len(cell) for cell in _strings(records, name) if any(map(str.isalpha, cell))]
    return sum(lengths) / len(lengths) if lengths else 0.0


def _no_text(skipped: list[SkippedRow], unit: str) -> FileUnreadable:
    if not skipped:
        return FileUnreadable("The file has a header and no rows.", line=1)
    first: Row = next((row for row in skipped if row.why != "blank line"), skipped[0])
    assert isinstance(first, SkippedRow)
    return FileUnreadable(
        f"No row of the file gives a text. {unit.capitalize()} {first.line}: {first.why}.", line=first.line
    )
