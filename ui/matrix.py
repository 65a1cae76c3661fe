"""The heat map's content: which texts or clusters it shows, their cosines, their order and tree."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedder.analysis.groups import mean_cosines, spread
from embedder.analysis.order import Dendrogram, dendrogram
from embedder.analysis.similarity import Floats, cosine_similarity, top_k
from embedder.errors import InvalidInput
from ui import describe
from ui.datasets import Dataset
from ui.view import many

MAX_SHOWN = 60
LABEL_CHARS = 160
_COSINE = "Cosine in all {d} dimensions: 1 is the same direction, 0 is unrelated."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to show: `auto`, `spread`, `rows`, `near` (rows[0]), `clusters`, or `between` two clusters."""

    shown: str = "auto"
    rows: tuple[int, ...] = ()
    layout: str = ""
    clusters: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """Cosines `(n, n)` in the order of a tree; of texts `ids` are rows, of clusters labels with `sizes`."""

    shown: str
    kind: str
    ids: NDArray[np.int64]
    names: list[str]
    scores: Floats
    tree: Dendrogram
    note: str
    clusters_known: bool
    sizes: NDArray[np.int64] | None = None


async def matrix(dataset: Dataset, wanted: Wanted) -> Matrix:
    """What is to be shown of `dataset`.

    Raises:
        InvalidInput: nothing was selected, or the layout has no such clusters.
    """
    found = await describe.clusters(dataset, wanted.layout or dataset.workings.newest)
    shown = wanted.shown
    if shown == "auto":
        shown = "clusters" if found["clusters"] and len(dataset.texts) > MAX_SHOWN else "spread"
    if shown == "clusters":
        return await asyncio.to_thread(_of_clusters, dataset, found)
    rows, said = await asyncio.to_thread(_rows, dataset, wanted, shown, found)
    return await asyncio.to_thread(_of_texts, dataset, shown, rows, said, bool(found["clusters"]))


def _rows(
    dataset: Dataset, wanted: Wanted, shown: str, found: dict[str, Any]
) -> tuple[NDArray[np.int64], str]:
    """Rows to show, and a sentence where they are not all."""
    if shown == "between":
        return _between(wanted.clusters, found)
    if shown == "near":
        if not wanted.rows:
            raise InvalidInput("Click a text on the map first; then it and its nearest are shown here.")
        row = wanted.rows[0]
        rows, _ = top_k(dataset.vectors[row : row + 1], dataset.vectors, MAX_SHOWN)
        # Among many equal texts it may not be in its own list.
        near = np.concatenate([[row], rows[0][rows[0] != row]])[:MAX_SHOWN]
        return (
            near,
            f"The text in focus (number {row + 1:,}) and the {many(len(near) - 1, 'text')} nearest to it.",
        )
    if shown == "rows":
        if not wanted.rows:
            raise InvalidInput("Nothing is selected. Lasso some points on the map first.")
        chosen = np.unique(np.array(wanted.rows, dtype=np.int64))
        rows, what = spread(chosen, MAX_SHOWN), f"the {many(len(chosen), 'selected text')}"
    else:
        chosen = np.arange(len(dataset.texts))
        rows, what = spread(chosen, MAX_SHOWN), f"the {many(len(chosen), 'text')}"
    return rows, f"{len(rows)} of {what} are shown, spread evenly over the list." if len(rows) < len(
        chosen
    ) else ""


def _between(clusters: tuple[int, ...], found: dict[str, Any]) -> tuple[NDArray[np.int64], str]:
    labels, named = np.array(found["labels"], dtype=np.int64), found["clusters"]
    wanted = list(dict.fromkeys(clusters))
    if not wanted or not all(0 <= label < len(named) for label in wanted):
        raise InvalidInput("There is no such cluster in this layout.")
    members = [np.flatnonzero(labels == label) for label in wanted]
    parts = [spread(rows, MAX_SHOWN // len(wanted)) for rows in members]
    said = " and ".join(
        f"{len(part)} of the {many(len(rows), 'text')} of “{named[label]['name']}”"
        if len(part) < len(rows)
        else f"{many(len(rows), 'text')} of “{named[label]['name']}”"
        for label, rows, part in zip(wanted, members, parts, strict=True)
    )
    return np.concatenate(parts), said + "."


def _of_texts(dataset: Dataset, shown: str, rows: NDArray[np.int64], said: str, known: bool) -> Matrix:
    scores = cosine_similarity(dataset.vectors[rows])
    tree = dendrogram(scores)
    rows = rows[tree.order]
    names = [" ".join(dataset.texts[int(row)][: 4 * LABEL_CHARS].split())[:LABEL_CHARS] for row in rows]
    ordered = scores[np.ix_(tree.order, tree.order)]
    note = f"{said} {_COSINE.format(d=dataset.model.dimensions)}".strip()
    return Matrix(shown, "texts", rows, names, ordered, tree, note, known)


def _of_clusters(dataset: Dataset, found: dict[str, Any]) -> Matrix:
    named, labels = found["clusters"], np.array(found["labels"], dtype=np.int64)
    if not named:
        raise InvalidInput(
            "No clusters are known yet: they come with the map's layout, of 20 texts and more."
        )
    count = min(len(named), MAX_SHOWN)
    outside = int(((labels < 0) | (labels >= count)).sum())
    scores = mean_cosines(dataset.vectors, np.where(labels < count, labels, -1), count)
    tree = dendrogram(scores)
    sizes = np.array([cluster["size"] for cluster in named[:count]], dtype=np.int64)[tree.order]
    note = (
        f"Mean cosine of a text of one cluster with a text of the other, for {many(count, 'cluster')} of the "
        f"map's layout; {many(outside, 'text')} in none of them. Click a cell for the texts of both."
    )
    return Matrix(
        "clusters",
        "clusters",
        tree.order,
        [named[int(label)]["name"] for label in tree.order],
        scores[np.ix_(tree.order, tree.order)],
        tree,
        note,
        True,
        sizes,
    )


def told(made: Matrix) -> dict[str, Any]:
    """As the page's script takes it."""
    return {
        "shown": made.shown,
        "kind": made.kind,
        "ids": made.ids,
        "names": made.names,
        "sizes": made.sizes,
        "scores": base64.b64encode(made.scores.astype("<f4").tobytes()).decode(),
        "links": made.tree.links,
        "note": made.note,
        "clusters_known": made.clusters_known,
    }


def as_csv(made: Matrix, texts: list[str]) -> bytes:
    """One row each, with its number (from 1) and text, or its cluster's name and size, then the cosines."""
    sink = io.StringIO(newline="")
    writer = csv.writer(sink)
    beside: Iterable[tuple[str | int, str | int]]
    if made.sizes is not None:
        writer.writerow(["cluster", "size", *made.names])
        beside = zip(made.names, made.sizes.tolist(), strict=True)
    else:
        numbers = [int(row) + 1 for row in made.ids]
        writer.writerow(["number", "text", *numbers])
        beside = zip(numbers, [texts[int(row)] for row in made.ids], strict=True)
    for (one, other), scores in zip(beside, made.scores, strict=True):
        writer.writerow([one, other, *(f"{score:.6f}" for score in scores)])
    return sink.getvalue().encode()
