"""What the page asks for about single vectors, about smaller ones, and about semantic axes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI
from pydantic import Field
from starlette.responses import Response

from embedder.errors import InvalidInput
from embedder.types import Kind
from ui import axes, examine, retention
from ui.wire import Closed, Finder, Id, Row, as_json, as_lines, check_row

if TYPE_CHECKING:
    from ui.view import Desk

MAX_TEXT_CHARS = 200_000
MAX_POLE_CHARS = 2_000


class Looked(Closed):
    """A text of the dataset by its place, or one that a visitor writes."""

    row: Row | None = None
    text: Annotated[str, Field(max_length=MAX_TEXT_CHARS)] = ""
    kind: Kind | None = None


class LookedAt(Closed):
    """One text, or two to be compared."""

    items: Annotated[list[Looked], Field(min_length=1, max_length=2)]


class Axis(Closed):
    """Two ends, each of one or more words or sentences."""

    start: Annotated[str, Field(max_length=MAX_POLE_CHARS)]
    end: Annotated[str, Field(max_length=MAX_POLE_CHARS)]


class Axes(Closed):
    """One axis, or two for a map."""

    axes: Annotated[list[Axis], Field(min_length=1, max_length=2)]


class Measured(Closed):
    """Forms of the vectors that are to be measured over all texts, in that order."""

    what: Annotated[
        list[Annotated[str, Field(max_length=16)]], Field(min_length=1, max_length=retention.MAX_FORMS)
    ]


def add_routes(app: FastAPI, desk: Desk, found: Finder) -> None:
    """`vector`, `vectors`, `retention` and `axes` of a dataset."""
    turn = asyncio.Lock()

    @app.get("/data/{dataset_id}/vector/{row}")
    async def vector(dataset_id: Id, row: int) -> Response:
        dataset = found(dataset_id)
        return as_json(await examine.row(desk.engine, dataset, check_row(dataset, row)))

    @app.post("/data/{dataset_id}/vectors")
    async def vectors(dataset_id: Id, asked: LookedAt) -> Response:
        dataset = found(dataset_id)
        items = []
        for item in asked.items:
            if item.row is None:
                items.append(await examine.written(desk.engine, dataset, item.text, item.kind))
            elif item.text or item.kind:
                raise InvalidInput("Name a row or write a text, not both.")
            else:
                items.append(await examine.row(desk.engine, dataset, check_row(dataset, item.row)))
        both = examine.pair(items[0]["vector"], items[1]["vector"]) if len(items) == 2 else None
        return as_json({"items": items, "pair": both})

    @app.get("/data/{dataset_id}/retention/{what}")
    async def kept(dataset_id: Id, what: str) -> Response:
        dataset = found(dataset_id)
        if what == "plan":
            return as_json(retention.plan(dataset))
        return as_json(await retention.measured(dataset, what, turn))

    @app.post("/data/{dataset_id}/retention")
    async def kept_of_all(dataset_id: Id, asked: Measured) -> Response:
        return as_lines(retention.whole_steps(found(dataset_id), asked.what, turn))

    @app.post("/data/{dataset_id}/axes")
    async def laid(dataset_id: Id, asked: Axes) -> Response:
        wanted = [axes.poles_of(axis.start, axis.end) for axis in asked.axes]
        return as_json(await axes.lay(desk.engine, found(dataset_id), wanted, desk.secret))
