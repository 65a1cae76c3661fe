"""JSON: one value a line, or one array of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from embedder.corpus.rows import NotText, Record, Row, SkippedRow, check_columns, clean_name, lines_of

_BLANK = "\ufeff \t\r\n"
# Numbers stay as written: an id of twenty digits is no float.
_DECODER = json.JSONDecoder(parse_int=NotText, parse_float=NotText, parse_constant=NotText)


def read_json(text: str) -> Iterator[Row]:
    """Objects or strings, one a line or in one array; other values become text as JSON writes them.

    Raises:
        FileUnreadable: the objects have too many different keys.
    """
    is_array = text.lstrip(_BLANK).startswith("[")
    yield from _bounded(_elements(text)) if is_array else read_json_lines(text)


def read_json_lines(text: str) -> Iterator[Row]:
    """As `read_json`, of values that stand one a line.

    Raises:
        FileUnreadable
    """
    return _bounded(_each_line(text))


def _bounded(rows: Iterable[Row]) -> Iterator[Row]:
    names: set[str] = set()
    for row in rows:
        if isinstance(row, Record) and isinstance(row.cells, dict):
            names.update(row.cells)
            check_columns(len(names), row.line)
        yield row


def _each_line(text: str) -> Iterator[Row]:
    for number, line in enumerate(lines_of(text), start=1):
        yield _json_row(number, line) if line.strip() else SkippedRow(number, "blank line")


def _elements(text: str) -> Iterator[Row]:
    """The array's elements, each with the line it begins at; past a broken one nothing can be told apart."""
    place, line, counted = text.index("[") + 1, 1, 0
    while True:
        place = _past_blanks(text, place)
        line += text.count("\n", counted, place)
        counted = place
        if text.startswith("]", place):
            return
        try:
            value, place = _DECODER.raw_decode(text, place)
        except json.JSONDecodeError as error:
            yield SkippedRow(error.lineno, f"not JSON: {error.msg}; what follows cannot be read")
            return
        except RecursionError:
            yield SkippedRow(line, "JSON nested too deeply; what follows cannot be read")
            return
        yield _row_of(line, value)
        place = _past_blanks(text, place)
        if text.startswith(",", place):
            place += 1
        elif not text.startswith("]", place):
            broken = line + text.count("\n", counted, place)
            yield SkippedRow(broken, "not JSON: a comma or ] is missing; what follows cannot be read")
            return


def _past_blanks(text: str, place: int) -> int:
    while place < len(text) and text[place] in _BLANK:
        place += 1
    return place


def is_json_row(line: str) -> bool:
    """Whether a line is an object or a string in JSON."""
    return line.lstrip().startswith(("{", '"')) and isinstance(_json_row(1, line), Record)


def _json_row(number: int, line: str) -> Row:
    try:
        value = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        return SkippedRow(number, f"not JSON: {error.msg} at character {error.colno}", line)
    except RecursionError:
        return SkippedRow(number, "JSON nested too deeply", line)
    return _row_of(number, value, line)


def _row_of(number: int, value: object, raw: str = "") -> Row:
    if isinstance(value, dict):
        cells = {clean_name(name): _json_cell(cell) for name, cell in value.items()}
        beside = value.get("columns")
        if isinstance(beside, dict):  # as our own exports have them
            del cells["columns"]
            for name, cell in beside.items():
                own = clean_name(name)
                cells[f"{own}_column" if own in cells else own] = _json_cell(cell)
        return Record(number, cells, raw)
    if isinstance(value, str) and not isinstance(value, NotText):
        return Record(number, value, raw) if value.strip() else SkippedRow(number, "empty text", raw)
    return SkippedRow(number, "neither an object nor a string", raw)


def _json_cell(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(type(item) is NotText for item in value):
        return NotText(f"[{', '.join(value)}]")  # numbers as written, not as strings
    return NotText("" if value is None else json.dumps(value, ensure_ascii=False))
