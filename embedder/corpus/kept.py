"""What is kept of a file's rows, column by column: texts, cells, vectors, places."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from embedder.corpus.decoding import unusable
from embedder.corpus.given import Given, number_of, numbers_of
from embedder.corpus.rows import MAX_RAW_CHARS, MAX_TEXT_CHARS, NotText, Record, Row, SkippedRow
from embedder.errors import FileUnreadable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_CELLS = 30_000_000
MADE_BY = ("model", "fingerprint")
MAX_WORD_CHARS = 200


@dataclass(slots=True)
class Kept:
    """The rows so far. `text_column` None takes bare texts, or numbers the rows if `numbered`."""

    text_column: str | None
    given: Given
    take_vectors: bool
    max_texts: int | None
    unit: str
    numbered: bool = False
    texts: list[str] = field(default_factory=list)
    columns: dict[str, list[str]] = field(default_factory=dict)
    vectors: list[NDArray[np.float32]] = field(default_factory=list)
    places: list[tuple[float, float]] = field(default_factory=list)
    skipped: list[SkippedRow] = field(default_factory=list)
    left_out: int = 0
    _cells: int = 0

    @property
    def vector_column(self) -> str | None:
        """The column whose vectors are taken."""
        return self.given.vector_column if self.take_vectors else None

    def add(self, row: Row) -> None:
        """Keep `row`'s text, or why it has none.

        Raises:
            FileUnreadable: this is more than fits.
        """
        if isinstance(row, SkippedRow):
            self.skipped.append(SkippedRow(row.line, row.why, row.raw[:MAX_RAW_CHARS]))
            return
        cells = row.cells if isinstance(row.cells, dict) else {}
        text = self._text(row, cells)
        vector = None if self.vector_column is None else numbers_of(row, self.vector_column)
        why = flaw(text, cells) or self._vector_flaw(vector)
        if why is not None:
            self.skipped.append(SkippedRow(row.line, why, raw_of(row)))
        elif self.max_texts is not None and len(self.texts) >= self.max_texts:
            self.left_out += 1
        else:
            self._keep(text, cells, vector)

    def _text(self, row: Record, cells: dict[str, str]) -> str:
        if self.numbered:
            return f"{self.unit.capitalize()} {row.line:,}"
        return row.cells if isinstance(row.cells, str) else cells.get(self.text_column or "", NotText())

    def _vector_flaw(self, vector: NDArray[np.float32] | None) -> str | None:
        name = self.vector_column
        if name is None:
            return None
        wanted = self.given.vectors[name]
        if vector is None:
            return f"no vector: column {shown(name)} holds no list of finite numbers here"
        if len(vector) != wanted:
            return f"its vector has {len(vector):,} dimensions where the others have {wanted:,}"
        return None

    def _keep(self, text: str, cells: dict[str, str], vector: NDArray[np.float32] | None) -> None:
        before = len(self.texts)
        self.texts.append(text)
        for name, cell in cells.items():
            if name == self.text_column or name in self.given.vectors:
                continue
            column = self.columns.get(name)
            if column is None:
                column = self.columns[name] = [""] * before
                self._cells += before
            column += [""] * (before - len(column))  # rows that lacked it
            column.append(str(cell))
        self._cells += len(cells)
        if self._cells > MAX_CELLS:
            raise FileUnreadable(
                f"The file has more than {MAX_CELLS:,} cells. Keep the text and what describes it."
            )
        if vector is not None:
            self.vectors.append(vector)
        if self.given.points is not None:
            x, y = self.given.points
            self.places.append((number_of(cells.get(x, "")), number_of(cells.get(y, ""))))

    def finished_columns(self) -> dict[str, list[str]]:
        """Every column as long as the texts."""
        for column in self.columns.values():
            column.extend([""] * (len(self.texts) - len(column)))
        return self.columns

    def made_by(self) -> tuple[str, str]:
        """`model` and `fingerprint` that stand in every row beside its vector, as our own exports have
        them: taken out of the columns, for they say the same of each. Nothing where rows differ.
        """
        if not self.given.vectors or not all(name in self.columns for name in MADE_BY):
            return "", ""
        told = [set(column) for name, column in self.finished_columns().items() if name in MADE_BY]
        if any(len(words) != 1 for words in told):
            return "", ""
        model, fingerprint = (self.columns.pop(name)[0][:MAX_WORD_CHARS] for name in MADE_BY)
        return model, fingerprint

    def stacked(self) -> NDArray[np.float32] | None:
        """The vectors as float32 `(n, d)`, where any were taken."""
        import numpy as np

        return np.stack(self.vectors).astype(np.float32, copy=False) if self.vectors else None

    def points(self) -> tuple[NDArray[np.float32] | None, int]:
        """Float32 `(n, 2)`, and how many had no place and were put in the middle of the others."""
        import numpy as np

        if not self.places:
            return None, 0
        points = np.array(self.places, dtype=np.float32)
        lost = ~np.isfinite(points).all(axis=1)
        if lost.all():
            return None, 0
        points[lost] = np.median(points[~lost], axis=0)
        return points, int(lost.sum())


def flaw(text: str, cells: dict[str, str]) -> str | None:
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
            return f"column {shown(name)} holds {why}"
    return None


def raw_of(row: Record) -> str:
    """The beginning of a row as the file has it, or else of its cells as JSON."""
    import json

    if row.raw or isinstance(row.cells, str):
        return (row.raw or str(row.cells))[:MAX_RAW_CHARS]
    cells = {name: cell[:MAX_RAW_CHARS] for name, cell in row.cells.items()}
    return json.dumps(cells, ensure_ascii=False)[:MAX_RAW_CHARS]


def shown(name: str) -> str:
    """A column's name, quoted, within forty characters."""
    return repr(name if len(name) <= 40 else name[:37] + "...")
