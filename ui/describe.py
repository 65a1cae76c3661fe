"""What the map is told of a dataset: columns and colours, rows, clusters, a selection."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedder.analysis.contrast import WordCounts, contrasted
from embedder.analysis.density import density_grid, local_density
from embedder.analysis.ranking import places
from embedder.analysis.summary import extent_of, scale_ends
from embedder.errors import InvalidInput
from embedder.replica import resolve_prompt
from embedder.types import EmbedOptions
from ui.datasets import Dataset

LENGTH, DENSITY = "tokens", "density"
MAX_GROUPS = 200
MAX_NUMBERED_GROUPS = 20
MAX_LEGEND = 40
MAX_CELL_CHARS = 400
MAX_NAME_CHARS = 48
DISTINCT_GROUPS = 10
"""As many colours as `colours.js` has for groups."""


def about(dataset: Dataset, key: str | None = None) -> dict[str, Any]:
    """Name, size, model and colours, which are numbered for `colour`; densities are of layout `key`."""
    model, layout = dataset.model, dataset.layout(key)
    return {
        "id": dataset.id,
        "name": dataset.name,
        "n": len(dataset.texts),
        "whole": dataset.whole,
        "tokens": int(dataset.prompt_tokens.sum()) if dataset.counted else None,
        "truncated": len(dataset.truncated),
        "notes": dataset.notes,
        "model": {
            "id": model.id,
            "dimensions": model.dimensions,
            "max_tokens": model.max_tokens,
            "query_prompt": resolve_prompt(model, "query", EmbedOptions()).text,
            "prompts": any(model.prompts.values()) or model.routed,
        },
        "columns": list(dataset.columns),
        "colours": [_legend(dataset, name, key) for name in colours(dataset)],
        "telling": telling(dataset),
        "layout": dataset.workings.newest,
        "dimensions": layout.points.shape[1],
        "layouts": ["pca", *dataset.workings.layouts],
        "explained_share": layout.explained_share,
    }


def colours(dataset: Dataset) -> list[str]:
    """Columns worth a colour, those with the fewest values first, then what is known of every text."""
    known = {name: _legend(dataset, name) for name in dataset.columns}
    groups = [name for name, legend in known.items() if legend["kind"] == "group"]
    amounts = [name for name, legend in known.items() if legend["kind"] == "amount"]
    counted = [LENGTH] if dataset.counted else []
    return [*sorted(groups, key=lambda name: known[name]["groups"]), *amounts, *counted, DENSITY]


def telling(dataset: Dataset) -> int | None:
    """The colour that says most while every group has one of its own: what a map has at first, if any."""
    legends = [_legend(dataset, name) for name in colours(dataset) if name in dataset.columns]
    sizes = [legend["groups"] for legend in legends if legend["kind"] == "group"]
    own = [size for size in sizes if size <= DISTINCT_GROUPS]
    return sizes.index(max(own)) if own else None


def colour(dataset: Dataset, number: int, key: str | None = None) -> NDArray[Any]:
    """Of each row the code of its group as uint8, `MAX_LEGEND` for the rest; or its value as float32.

    Raises:
        InvalidInput: there is no colour of that number.
    """
    names = colours(dataset)
    if not 0 <= number < len(names):
        raise InvalidInput(f"There is no colour {number}.")
    name = names[number]
    legend = _legend(dataset, name, key)
    if legend["kind"] == "amount":
        return _amounts(dataset, name, key).astype("<f4")
    codes = {value: code for code, (value, _) in enumerate(legend["values"])}
    return np.array([codes.get(cell, MAX_LEGEND) for cell in dataset.columns[name]], dtype=np.uint8)


async def clusters(dataset: Dataset, key: str) -> dict[str, Any]:
    """The clusters of a layout: label of each row, and of each cluster its names, size and place.

    `name` is its keywords, `nearest` the text nearest its centre, shortened; `at`, and `low` and `high`,
    between which nine tenths of its rows are, have a number for each dimension of the layout.
    """
    layout = dataset.layout(key)
    labels = layout.clusters
    if labels is None:
        return {"labels": [], "clusters": []}
    names = await dataset.cluster_names(key)
    found = []
    for label, name in enumerate(names):
        nearest = shortened(dataset.texts[name.row], MAX_NAME_CHARS)
        extent = extent_of(layout.points[labels == label])
        found.append(
            {
                "name": " · ".join(name.keywords) or nearest,
                "nearest": nearest,
                "row": name.row,
                "size": name.size,
                "at": extent.middle.tolist(),
                "low": extent.low.tolist(),
                "high": extent.high.tolist(),
            }
        )
    return {"labels": labels.tolist(), "clusters": found}


async def ranks(dataset: Dataset, by: str) -> NDArray[np.int32]:
    """Of each row its place among all by `text`, `tokens` or `column-3`, -1 where that is empty; made once.

    Raises:
        InvalidInput: there is nothing of that name to sort by.
    """
    columns = {f"column-{number}": cells for number, cells in enumerate(dataset.columns.values())}
    if by not in ("text", "tokens", *columns):
        raise InvalidInput("There is no such column to sort by.")

    def made() -> NDArray[np.int32]:
        if by == "tokens":
            return places(dataset.prompt_tokens)
        if by == "text":
            return places(dataset.texts)
        numbers = _numbers(columns[by], np.float64)
        return places(columns[by] if numbers is None else numbers)

    return await dataset.workings.once(f"ranks {by}", made)


def density(dataset: Dataset, key: str) -> NDArray[np.float32]:
    """The density of a layout for contours: low x, low y, high x, high y, then the grid's rows.

    Raises:
        InvalidInput: the layout has three dimensions, or no text.
    """
    points = dataset.layout(key).points
    if points.shape[1] != 2 or not len(points):
        raise InvalidInput("Contours are drawn in two dimensions only.")
    grid = density_grid(points)
    return np.concatenate([grid.low, grid.high, grid.shares.ravel()]).astype("<f4")


def shortened(text: str, chars: int) -> str:
    """`text` on one line, of at most `chars` characters, cut between words where that is possible."""
    line = " ".join(text.split())
    if len(line) <= chars:
        return line
    cut = line[: chars - 1]
    words = cut.rpartition(" ")[0]
    return (words if len(words) > chars // 2 else cut).rstrip(",;:.- ") + "…"


def row(dataset: Dataset, number: int, chars: int) -> dict[str, Any]:
    """One text with what stands beside it, each cut to `chars`."""
    return {
        "row": number,
        "text": dataset.texts[number][:chars],
        "cut": len(dataset.texts[number]) > chars,
        "cells": {
            name: column[number][:MAX_CELL_CHARS]
            for name, column in dataset.columns.items()
            if column[number]
        },
        "tokens": int(dataset.prompt_tokens[number]) if dataset.counted else None,
        "truncated": number in dataset.truncated,
    }


def selection(dataset: Dataset, rows: NDArray[np.int64], words: WordCounts) -> dict[str, Any]:
    """What is special about `rows` against all: words, and the values of every column worth a colour."""
    grouped = [
        name
        for name in colours(dataset)
        if name in dataset.columns and _legend(dataset, name)["kind"] == "group"
    ]
    return {
        "n": len(rows),
        "total": len(dataset.texts),
        "words": [asdict(word) for word in words.special(rows)],
        "columns": {name: asdict(contrasted(dataset.columns[name], rows)) for name in grouped},
    }


def _legend(dataset: Dataset, name: str, key: str | None = None) -> dict[str, Any]:
    """How a colour reads; what a column says of itself is worked out once."""
    if name not in dataset.columns:
        return _range(name, _amounts(dataset, name, key))
    known = dataset.workings.legends
    if name not in known:
        known[name] = _column_legend(name, dataset.columns[name])
    return known[name]


def _column_legend(name: str, column: list[str]) -> dict[str, Any]:
    """Groups with their counts, largest first, the range of an amount, or nothing worth a colour."""
    values, counts = np.unique(np.asarray(column, dtype=object).astype(str), return_counts=True)
    most = min(MAX_GROUPS, max(2, len(column) // 2))
    numbers = _numbers(column) if len(values) > 1 else None
    if 1 < len(values) <= most and (len(values) <= MAX_NUMBERED_GROUPS or numbers is None):
        order = np.argsort(-counts, kind="stable")[:MAX_LEGEND]
        shown = [(str(values[place]), int(counts[place])) for place in order]
        return {"name": name, "kind": "group", "values": shown, "groups": len(values)}
    return _range(name, numbers) if numbers is not None else {"name": name, "kind": "none"}


def _range(name: str, amounts: NDArray[np.float32]) -> dict[str, Any]:
    """An amount's range without its outermost hundredths."""
    low, high = scale_ends(amounts)
    return {"name": name, "kind": "amount", "low": low, "high": high}


def _amounts(dataset: Dataset, name: str, key: str | None) -> NDArray[np.float32]:
    if name in dataset.columns:
        numbers = _numbers(dataset.columns[name])
        return numbers if numbers is not None else np.full(len(dataset.texts), np.nan, dtype=np.float32)
    if name == DENSITY:
        return local_density(dataset.layout(key).points)
    return dataset.prompt_tokens.astype(np.float32)


def _numbers(column: list[str], kind: type[np.floating[Any]] = np.float32) -> NDArray[Any] | None:
    """A column's numbers, NaN where a cell is empty; None where a cell is something else.

    As float32 days written as 20240131 and 20240132 are one number: to sort by, float64 is asked for.
    """
    try:
        return np.array([float(cell) if cell.strip() else np.nan for cell in column], kind)
    except ValueError:
        return None
