"""What the similarity view asks for: the heat map, two texts and why they are near, lists of like texts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI
from pydantic import Field
from starlette.responses import Response

from ui import alike, explain, matrix
from ui.takeaway import attached
from ui.wire import Closed, Finder, Id, Row, as_json, as_lines, check_row

if TYPE_CHECKING:
    from ui.view import Desk

MAX_ROWS = 1_000_000
_Score = Annotated[float, Field(ge=-1, le=1)]


class MatrixAsked(Closed):
    """What the heat map is to show."""

    shown: Annotated[str, Field(pattern="^(auto|spread|rows|near|clusters|between)$")] = "auto"
    rows: list[Row] = Field([], max_length=MAX_ROWS)
    layout: Annotated[str, Field(max_length=64)] = ""
    clusters: list[Row] = Field([], max_length=2)


class PairAsked(Closed):
    """Two rows."""

    left: Row
    right: Row


class ListAsked(Closed):
    """How many pairs, and whether equal texts are among them."""

    most: Annotated[int, Field(ge=1, le=1000)] = 50
    equal: bool = False


class GroupsAsked(Closed):
    """The least cosine of a pair that joins its texts."""

    least: _Score


class OutliersAsked(Closed):
    """Which neighbour's distance counts, and how many texts are wanted."""

    k: Annotated[int, Field(ge=1, le=100)] = 10
    most: Annotated[int, Field(ge=1, le=1000)] = 100


def add_routes(app: FastAPI, desk: Desk) -> None:
    """`/data/ID/similarity/…`; what may take longer than a moment answers in lines as it goes on."""
    found = Finder(desk)

    @app.post("/data/{dataset_id}/similarity/matrix")
    async def heat_map(dataset_id: Id, asked: MatrixAsked) -> Response:
        return as_json(matrix.told(await _matrix(found(dataset_id), asked)))

    @app.post("/data/{dataset_id}/similarity/matrix.csv")
    async def heat_map_csv(dataset_id: Id, asked: MatrixAsked) -> Response:
        dataset = found(dataset_id)
        made = matrix.as_csv(await _matrix(dataset, asked), dataset.texts)
        return attached(Response(made, media_type="text/csv; charset=utf-8"), dataset, "-similarity.csv")

    @app.post("/data/{dataset_id}/similarity/pair")
    async def pair(dataset_id: Id, asked: PairAsked) -> Response:
        dataset = found(dataset_id)
        rows = check_row(dataset, asked.left), check_row(dataset, asked.right)
        return as_json(await asyncio.to_thread(explain.pair, dataset, *rows))

    @app.post("/data/{dataset_id}/similarity/explain")
    async def explained(dataset_id: Id, asked: PairAsked) -> Response:
        dataset = found(dataset_id)
        rows = check_row(dataset, asked.left), check_row(dataset, asked.right)
        return as_lines(explain.steps(desk.engine, dataset, *rows))

    @app.post("/data/{dataset_id}/similarity/find-pairs")
    async def find_pairs(dataset_id: Id) -> Response:
        return as_lines(alike.pairs_steps(found(dataset_id)))

    @app.post("/data/{dataset_id}/similarity/pairs")
    async def pairs(dataset_id: Id, asked: ListAsked) -> Response:
        made = await alike.found(found(dataset_id))
        return as_json(alike.top_pairs(made, asked.most, asked.equal))

    @app.post("/data/{dataset_id}/similarity/groups")
    async def groups(dataset_id: Id, asked: GroupsAsked) -> Response:
        made = await alike.found(found(dataset_id))
        return as_json(await asyncio.to_thread(alike.groups, made, asked.least))

    @app.post("/data/{dataset_id}/similarity/group-rows")
    async def group_rows(dataset_id: Id, asked: GroupsAsked) -> Response:
        made = await alike.found(found(dataset_id))
        return as_json(await asyncio.to_thread(alike.group_rows, made, asked.least))

    @app.post("/data/{dataset_id}/similarity/outliers")
    async def outliers(dataset_id: Id, asked: OutliersAsked) -> Response:
        return as_lines(alike.outlier_steps(found(dataset_id), asked.k, asked.most))

    @app.get("/data/{dataset_id}/similarity/{which}.{suffix}")
    async def keep_one(dataset_id: Id, which: str, suffix: str, least: _Score) -> Response:
        dataset = found(dataset_id)
        made = await alike.found(dataset)
        content = await asyncio.to_thread(alike.keep_one, dataset, made, least, which, suffix)
        media_type = "text/csv; charset=utf-8" if suffix == "csv" else "application/jsonl"
        return attached(Response(content, media_type=media_type), dataset, f"-{which}.{suffix}")


async def _matrix(dataset: Any, asked: MatrixAsked) -> matrix.Matrix:
    for row in asked.rows:
        check_row(dataset, row)
    wanted = matrix.Wanted(asked.shown, tuple(asked.rows), asked.layout, tuple(asked.clusters))
    return await matrix.matrix(dataset, wanted)
