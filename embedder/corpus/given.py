"""What a file brings beside its texts: vectors of its own, and places on a map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedder.corpus.rows import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_DIMENSIONS = 16_384
VECTOR_NAMES = (
    "embedding", "embeddings", "vector", "vectors", "emb", "embs", "openai_embedding", "features",
)  # fmt: skip
POINT_NAMES = (
    ("x", "y"), ("projection_x", "projection_y"), ("umap_x", "umap_y"), ("umap_1", "umap_2"),
    ("umap1", "umap2"), ("tsne_x", "tsne_y"), ("tsne_1", "tsne_2"), ("pca_x", "pca_y"),
)  # fmt: skip
_SMALLEST_UNNAMED = 16
"""A list of numbers under any other name is a vector from so many dimensions on."""
_JUDGED_VECTORS = 50
_MOST = 0.9


@dataclass(frozen=True, slots=True)
class Given:
    """The columns of vectors with their dimensions, best first, and the pair that are coordinates."""

    vectors: dict[str, int]
    points: tuple[str, str] | None

    @property
    def vector_column(self) -> str | None:
        """The column whose vectors are taken."""
        return next(iter(self.vectors), None)


def look_for(records: Sequence[Record], names: Sequence[str]) -> Given:
    """What the first `records` of a file show of vectors and coordinates."""
    found = {}
    for name in names:
        dimensions = _dimensions(records, name)
        if dimensions >= (2 if _is_named(name) else _SMALLEST_UNNAMED):
            found[name] = dimensions
    order = sorted(found, key=lambda name: (not _is_named(name), -found[name]))
    return Given({name: found[name] for name in order}, _point_columns(records, names))


def numbers_of(record: Record, name: str) -> NDArray[np.float32] | None:
    """A cell's list of numbers as float32 `(d,)`, or None where it is none or has an infinite one."""
    import numpy as np

    if name in record.lists:
        values = record.lists[name]
    else:
        cells = record.cells if isinstance(record.cells, dict) else {}
        told = _parsed(cells.get(name, "").strip())
        if told is None:
            return None
        with np.errstate(over="ignore"):
            values = np.array(told, dtype=np.float32)
    return values if 0 < len(values) <= MAX_DIMENSIONS and bool(np.isfinite(values).all()) else None


def number_of(cell: str) -> float:
    """A cell's number, NaN where it is none."""
    try:
        value = float(cell)
    except ValueError:
        return float("nan")
    return value if abs(value) < 1e30 else float("nan")


def _parsed(cell: str) -> list[float] | None:
    """A list as JSON writes it, or as numpy prints it."""
    import orjson

    if not (cell.startswith("[") and cell.endswith("]")):
        return None
    try:
        told = orjson.loads(cell)
    except orjson.JSONDecodeError:
        try:
            return [float(number) for number in cell[1:-1].split()]
        except ValueError:
            return None
    if not isinstance(told, list) or not all(type(number) in (int, float) for number in told):
        return None
    try:
        return [float(number) for number in told]
    except OverflowError:
        return None


def _is_named(name: str) -> bool:
    return name.strip().casefold() in VECTOR_NAMES


def _dimensions(records: Sequence[Record], name: str) -> int:
    """Of how many numbers the lists of a column are, where nearly all have as many; else 0."""
    judged = lists = 0
    lengths: Counter[int] = Counter()
    for record in records:
        cell = record.cells.get(name, "") if isinstance(record.cells, dict) else ""
        if name not in record.lists and not cell.strip():
            continue  # a row without one says nothing of the others
        judged += 1
        values = numbers_of(record, name)
        if values is not None:
            lists += 1
            lengths[len(values)] += 1
        if judged == _JUDGED_VECTORS or judged == 5 > 2 * lists:
            break
    if not lengths:
        return 0
    dimensions, alike = lengths.most_common(1)[0]
    return dimensions if alike >= _MOST * judged or (_is_named(name) and 2 * alike > judged) else 0


def _point_columns(records: Sequence[Record], names: Sequence[str]) -> tuple[str, str] | None:
    folded = {name.strip().casefold(): name for name in reversed(names)}
    for x, y in POINT_NAMES:
        if x in folded and y in folded:
            pair = folded[x], folded[y]
            rows = [record.cells for record in records if isinstance(record.cells, dict)]
            placed = sum(all(_is_number(row.get(name, "")) for name in pair) for row in rows)
            if placed and placed >= _MOST * len(rows):
                return pair
    return None


def _is_number(cell: str) -> bool:
    value = number_of(cell)
    return value == value  # noqa: PLR0124  # not NaN
