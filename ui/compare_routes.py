"""What the two maps ask for: where the second one's points lie over the first, and how far both agree."""

from __future__ import annotations

import asyncio
import base64
from functools import partial
from typing import Any

from fastapi import FastAPI
from starlette.responses import Response

from embedder.analysis.agreement import Agreement, K, agreement, aligned, overlap_by_chance
from embedder.analysis.neighbours import Neighbours
from embedder.analysis.similarity import directed
from ui.beside import Beside
from ui.datasets import Dataset
from ui.wire import Finder, Gone, Id, as_binary, as_json

MOST_MOVED = 1000


def add_routes(app: FastAPI, found: Finder) -> None:
    """Two routes below a dataset's, with the id of the other one."""

    def both(dataset_id: str, other_id: str) -> tuple[Dataset, Dataset, Beside]:
        first, second = found(dataset_id), found(other_id)
        for other in first.workings.beside.values():
            if other.id == second.id:
                return first, second, other
        raise Gone("These two were not compared with each other. Choose a model and compare again.")

    @app.get("/data/{dataset_id}/aligned/{other_id}")
    async def points(dataset_id: Id, other_id: Id, layout: str = "") -> Response:
        first, second, _ = both(dataset_id, other_id)
        key = layout[:64]
        onto = first.layout(key).points
        moved = await asyncio.to_thread(aligned, second.layout(key).points, onto)
        return as_binary(moved.astype("<f4"))

    @app.get("/data/{dataset_id}/compare/{other_id}")
    async def compare(dataset_id: Id, other_id: Id) -> Response:
        return as_json(await _told(*both(dataset_id, other_id)))


async def _told(first: Dataset, second: Dataset, other: Beside) -> dict[str, Any]:
    """Both models in figures, each text's overlap, and the texts that moved most.

    Neighbours are waited for only where somebody has begun to find them: until then, no overlap.
    """
    one, two = first.known_neighbours, second.known_neighbours
    alike = None in (first.flat.explained_share, second.flat.explained_share)
    known: dict[str, Any] = {
        "models": _models(first, second, other),
        "k": K,
        "overlap": None,
        "alike": alike,
    }
    if one is None or two is None:
        return known
    found = await first.workings.once(f"overlap {second.id}", partial(_agreement, first, second, one, two))
    return known | {
        "overlap": base64.b64encode(found.shares.astype("<f4").tobytes()).decode(),
        "mean": found.mean,
        "by_chance": overlap_by_chance(len(found.shares)),
        "moved": found.moved[:MOST_MOVED],
    }


def _agreement(first: Dataset, second: Dataset, one: Neighbours, two: Neighbours) -> Agreement:
    return agreement(one, two, directed(first.vectors) & directed(second.vectors))


def _models(first: Dataset, second: Dataset, other: Beside) -> list[dict[str, Any]]:
    paces = other.texts_a_second or (None, None)
    labels = first.model.id.rsplit("/", 1)[-1], other.choice.label
    return [
        {
            "id": dataset.id,
            "name": dataset.model.id,
            "label": label,
            "dimensions": dataset.vectors.shape[1],
            "runtime": dataset.model.runtime,
            "max_tokens": dataset.model.max_tokens,
            "tokens": int(dataset.prompt_tokens.sum()) if dataset.counted else None,
            "truncated": len(dataset.truncated) if dataset.counted else None,
            "texts_a_second": pace,
            "measured": other.texts_a_second is not None,
            "notes": dataset.notes,
        }
        for dataset, label, pace in zip((first, second), labels, paces, strict=True)
    ]
