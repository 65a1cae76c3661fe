"""Cells of a file, which are all strings, as values that compare as they should."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from embedder.collections.rows import MAX_COLUMNS, MAX_KEY_CHARS, MAX_VALUE_CHARS, Value
from embedder.errors import InvalidInput

_NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_INTEGER = re.compile(r"[+-]?\d{1,18}")


def typed_rows(columns: Mapping[str, Sequence[str]], rows: int) -> list[dict[str, Value]]:
    """The columns of each row. A column of numbers throughout holds numbers; empty cells are left out.

    What begins with a 0 is no number: 007 stays what it is.

    Raises:
        InvalidInput: there are more columns than a row may have, or one is too long.
    """
    if len(columns) > MAX_COLUMNS:
        raise InvalidInput(
            f"The file has {len(columns)} columns beside its texts; a collection takes {MAX_COLUMNS}. "
            "Leave some out."
        )
    made: list[dict[str, Value]] = [{} for _ in range(rows)]
    for name, cells in columns.items():
        if len(name) > MAX_KEY_CHARS or any(len(cell) > MAX_VALUE_CHARS for cell in cells):
            raise InvalidInput(
                f"The column {name[:40]!r} has a name or a value that is too long: names have at most "
                f"{MAX_KEY_CHARS} characters, values {MAX_VALUE_CHARS:,}."
            )
        numeric = all(_is_number(cell) for cell in cells if cell)
        for row, cell in enumerate(cells):
            if cell:
                made[row][name] = _number(cell) if numeric else cell
    return made


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell) is not None and math.isfinite(float(cell))


def _number(cell: str) -> int | float:
    return int(cell) if _INTEGER.fullmatch(cell) else float(cell)
