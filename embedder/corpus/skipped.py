"""The rows that reading a file left out, as a CSV to look at and to mend."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from embedder.corpus.rows import SkippedRow


def skipped_csv(rows: Iterable[SkippedRow], unit: str) -> bytes:
    """RFC 4180 in UTF-8: the row's place (`line`, `row` or `page`), `why`, and its beginning, if known."""
    sink = io.StringIO(newline="")
    writer = csv.writer(sink)
    writer.writerow([unit, "why", "raw"])
    writer.writerows((row.line, row.why, row.raw) for row in rows)
    # Bytes that were no UTF-8 came as half surrogates, and are shown as such.
    return sink.getvalue().encode("utf-8", "backslashreplace")


def worth_telling(rows: Iterable[SkippedRow]) -> list[SkippedRow]:
    """Without blank lines, which nobody misses."""
    return [row for row in rows if row.why != "blank line"]
