"""Some rows of a set of texts as a file, with their columns: CSV, JSONL."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, Sequence[str]]
More = Mapping[str, Sequence[object]]


def csv_rows(texts: Sequence[str], columns: Columns, rows: NDArray[np.int64], more: More) -> bytes:
    """CSV with a header (RFC 4180, UTF-8); cell i of `more` is for `rows[i]`."""
    sink = io.StringIO(newline="")
    writer = csv.writer(sink)
    writer.writerow(["text", *_names(columns, more), *more])
    for place, row in enumerate(rows):
        beside = [column[int(row)] for column in columns.values()]
        writer.writerow([texts[int(row)], *beside, *(cells[place] for cells in more.values())])
    return sink.getvalue().encode()


def jsonl_rows(texts: Sequence[str], columns: Columns, rows: NDArray[np.int64], more: More) -> bytes:
    """One object a line: `text`, each of `more`, and `columns` where there are any."""
    import orjson

    lines = []
    for place, row in enumerate(rows):
        line: dict[str, object] = {"text": texts[int(row)]}
        line |= {name: cells[place] for name, cells in more.items()}
        if columns:
            line["columns"] = {name: column[int(row)] for name, column in columns.items()}
        lines.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
    return b"".join(lines)


def _names(columns: Columns, more: More) -> list[str]:
    """A column whose name one of ours has is told apart from it."""
    return [f"{name}_column" if name == "text" or name in more else name for name in columns]
