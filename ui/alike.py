"""Lists of texts that are alike or alone: most similar pairs, near-duplicates, outliers, what to keep."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedder.analysis.duplicates import Alike, find_alike, first_of_each
from embedder.analysis.neighbours import KnownNeighbours, Neighbours
from embedder.analysis.outliers import most_alone, outlier_scores
from embedder.analysis.summary import middle
from embedder.corpus.subset import csv_rows, jsonl_rows
from embedder.errors import InvalidInput, TooLarge
from ui.datasets import NEIGHBOURS, Dataset
from ui.listed import among_all, from_kept, spoken
from ui.working import shares, stoppable

MAX_COMPARED = 50_000
MAX_GROUPS, MAX_GROUP_ROWS = 100, 50
ALIKE = "alike"
_TOLERANCE = 1e-6
"""A vector's cosine with itself may be less than 1 by so much."""


async def found(dataset: Dataset) -> Alike:
    """The most similar pairs of distinct texts, found once; ends when nobody waits for it.

    From the neighbours that every view shares, or from the lists kept with their collection's map.

    Raises:
        TooLarge: more texts than are compared with each other.
    """
    if dataset.workings.known is None and len(dataset.texts) > MAX_COMPARED:
        raise TooLarge(
            f"These are {len(dataset.texts):,} texts; up to {MAX_COMPARED:,} are compared each with each. "
            "Bring a part of them."
        )
    return await dataset.workings.once_elsewhere(ALIKE, lambda: _find(dataset))


async def _find(dataset: Dataset) -> Alike:
    dataset.workings.shares[ALIKE] = 0.0
    neighbours = dataset.workings.known or await dataset.neighbours()

    def tell(share: float) -> None:
        dataset.workings.shares[ALIKE] = share

    return await stoppable(
        lambda told: find_alike(dataset.vectors, dataset.texts, neighbours=neighbours, progress=told), tell
    )


async def pairs_steps(dataset: Dataset) -> AsyncGenerator[dict[str, Any], None]:
    """How far it is, then what there is: how many texts are distinct, and from which score on pairs are."""
    work = asyncio.ensure_future(found(dataset))
    parts = (ALIKE,) if dataset.workings.known else (NEIGHBOURS, ALIKE)
    async for step in shares(dataset, work, *parts):
        yield step
    alike = work.result()
    scores = alike.pairs.scores
    lowest = float(scores[-1]) if len(scores) else 1.0
    yield {
        "n": len(dataset.texts),
        "distinct": alike.distinct,
        "pairs": len(scores),
        "all": alike.pairs.complete_above == -np.inf,
        "lowest": max(-1.0, lowest if alike.pairs.complete_above == -np.inf else alike.pairs.complete_above),
        "said": "" if alike.known is None else from_kept(alike.known),
    }


async def outlier_steps(dataset: Dataset, k: int, most: int) -> AsyncGenerator[dict[str, Any], None]:
    """How far the neighbours are, then the texts farthest from their `k`-th neighbour."""
    known = dataset.workings.known
    neighbours: Neighbours | None = known
    if neighbours is None:
        if len(dataset.texts) > MAX_COMPARED:
            raise TooLarge(
                f"Outliers are looked for among up to {MAX_COMPARED:,} texts. Bring a part of them."
            )
        work = asyncio.ensure_future(dataset.neighbours())
        async for step in shares(dataset, work, NEIGHBOURS):
            yield step
        neighbours = work.result()
    scores = outlier_scores(neighbours, k)
    rows = most_alone(scores, most)
    yield {
        "rows": rows,
        "scores": scores[rows],
        "median": middle(scores),
        "k": min(k, max(neighbours.k - 1, 0)),
        "said": "" if known is None else _said_of_outliers(known, k),
    }


def _said_of_outliers(known: KnownNeighbours, k: int) -> str:
    ends = f"The kept lists end at number {known.k - 1}." if known.k <= min(k, known.among - 1) else ""
    return spoken(ends, among_all(known), from_kept(known))


def top_pairs(alike: Alike, most: int, with_equal: bool) -> list[tuple[int, int, float]]:
    """The most similar pairs; equal texts first, each with the first of its like, where they are wanted."""
    equal = np.flatnonzero(alike.firsts != np.arange(len(alike.firsts)))[: most if with_equal else 0]
    listed = [(int(alike.firsts[row]), int(row), 1.0) for row in equal]
    pairs = alike.pairs
    rest = zip(pairs.left.tolist(), pairs.right.tolist(), pairs.scores.tolist(), strict=True)
    return [*listed, *(pair for pair, _ in zip(rest, range(most - len(listed)), strict=False))]


def groups(alike: Alike, least: float) -> dict[str, Any]:
    """Groups of texts that pairs of at least that score join; the largest of them row by row.

    Raises:
        InvalidInput: not all pairs of that score are known; likewise below.
    """
    count, joined = _joined(alike, least)
    return {
        "pairs": count,
        "groups": len(joined),
        "rows": sum(map(len, joined)),
        "removed": sum(map(len, joined)) - len(joined),
        "equal": int((alike.firsts != np.arange(len(alike.firsts))).sum()),
        "listed": [
            {
                "rows": group[:MAX_GROUP_ROWS],
                "size": len(group),
                "equal": len(set(alike.firsts[group].tolist())) == 1,
            }
            for group in joined[:MAX_GROUPS]
        ],
    }


def group_rows(alike: Alike, least: float) -> list[int]:
    """Every row of every group."""
    _, joined = _joined(alike, least)
    return [int(row) for group in joined for row in group]


def keep_one(dataset: Dataset, alike: Alike, least: float, which: str, suffix: str) -> bytes:
    """The texts that stay if of each group only the first does, or those that go; as CSV or JSONL.

    With those that go stands the number (from 1) of the text that stays for them.

    Raises:
        InvalidInput: neither `kept` nor `removed`, neither `csv` nor `jsonl`.
    """
    write = {"csv": csv_rows, "jsonl": jsonl_rows}.get(suffix)
    if which not in ("kept", "removed") or write is None:
        raise InvalidInput("There is kept and removed, as csv and as jsonl.")
    _, joined = _joined(alike, least)
    keep = first_of_each(len(dataset.texts), joined)
    if which == "kept":
        return write(dataset.texts, dataset.columns, np.flatnonzero(keep), {})
    stays: NDArray[np.int64] = np.zeros(len(dataset.texts), dtype=np.int64)
    for group in joined:
        stays[group] = group[0] + 1
    rows = np.flatnonzero(~keep)
    return write(dataset.texts, dataset.columns, rows, {"kept_number": stays[rows].tolist()})


def _joined(alike: Alike, least: float) -> tuple[int, list[NDArray[np.int64]]]:
    """Pairs and groups of at least that score, which are all only down to where pairs are known."""
    lowest = alike.pairs.complete_above
    if least < lowest:
        raise InvalidInput(
            f"Pairs of texts are known down to a cosine of {lowest:.4f}, not to {least:.4f}. Ask for "
            "more alike ones."
        )
    return alike.groups(least - _TOLERANCE)
