"""What the map asks for while it is looked at: points, texts, neighbours, selections, searches.

Plain HTTP beside Gradio's queue, so that a click is answered in milliseconds however busy the
queue is. An id that cannot be guessed is the key to a dataset; nobody without it gets anything.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import numpy as np
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from starlette.responses import Response

from embedder.errors import TesseraError
from ui import (
    assets,
    compare_routes,
    describe,
    find,
    shelf_routes,
    similarity_routes,
    takeaway,
    vector_routes,
)
from ui.wire import Closed, Finder, Id, Row, as_binary, as_json, check_row, on_error

if TYPE_CHECKING:
    from ui.view import Desk

MAX_TEXTS = 500
MAX_ROWS = 1_000_000


class TextsAsked(Closed):
    """Rows whose texts are wanted; `chars` cuts each of them."""

    rows: Annotated[list[Row], Field(max_length=MAX_TEXTS)]
    chars: Annotated[int, Field(ge=1, le=1_000_000)] = 400


class Selection(Closed):
    """Rows that a lasso, a box or a legend took."""

    rows: Annotated[list[Row], Field(max_length=MAX_ROWS)]


class Search(Closed):
    """A search: words, or rows to be like and rows to be unlike; `prompt` in place of the model's own."""

    query: Annotated[str, Field(max_length=20_000)] = ""
    mode: Annotated[str, Field(pattern="^(semantic|keyword|hybrid|regex)$")] = "semantic"
    like: list[Row] = Field([], max_length=100)
    unlike: list[Row] = Field([], max_length=100)
    prompt: Annotated[str | None, Field(max_length=2_000)] = None


def make_routes(desk: Desk) -> FastAPI:
    """The application below `/explorer`."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_exception_handler(TesseraError, on_error)
    app.add_exception_handler(RequestValidationError, on_error)
    app.add_exception_handler(Exception, on_error)
    assets.add_routes(app)
    similarity_routes.add_routes(app, desk)

    found = Finder(desk)
    vector_routes.add_routes(app, desk, found)
    compare_routes.add_routes(app, found)
    shelf_routes.add_routes(app, desk, found)
    _add_drawn(app, found)

    @app.get("/data/{dataset_id}")
    async def about(dataset_id: Id, layout: str = "") -> Response:
        return as_json(await asyncio.to_thread(describe.about, found(dataset_id), layout[:64] or None))

    @app.get("/data/{dataset_id}/neighbours/{row}")
    async def neighbours(dataset_id: Id, row: int, k: int = 10) -> Response:
        dataset = found(dataset_id)
        return as_json(
            await asyncio.to_thread(find.neighbours, dataset, check_row(dataset, row), min(max(k, 1), 100))
        )

    @app.get("/data/{dataset_id}/export/{wanted}")
    async def export(dataset_id: Id, wanted: str, layout: str = "") -> Response:
        dataset = found(dataset_id)
        return await takeaway.download(dataset, wanted, layout[:64] or dataset.workings.newest)

    @app.post("/data/{dataset_id}/texts")
    async def texts(dataset_id: Id, asked: TextsAsked) -> Response:
        dataset = found(dataset_id)
        return as_json([describe.row(dataset, check_row(dataset, row), asked.chars) for row in asked.rows])

    @app.post("/data/{dataset_id}/selection")
    async def selection(dataset_id: Id, asked: Selection) -> Response:
        dataset = found(dataset_id)
        rows = np.unique(np.array(asked.rows, dtype=np.int64))
        if len(rows):
            check_row(dataset, int(rows[-1]))
        words = await dataset.word_counts()
        special = await asyncio.to_thread(describe.selection, dataset, rows, words)
        return as_json({**special, "key": dataset.keep_selection(np.array(asked.rows, dtype=np.int32))})

    @app.get("/data/{dataset_id}/selection/{key}")
    async def selected(dataset_id: Id, key: str) -> Response:
        rows = found(dataset_id).workings.selections.get(key)
        return as_json({"rows": None if rows is None else rows.tolist()})

    @app.post("/data/{dataset_id}/search")
    async def search(dataset_id: Id, asked: Search) -> Response:
        dataset = found(dataset_id)
        for row in (*asked.like, *asked.unlike):
            check_row(dataset, row)
        return as_json(await find.search(desk.engine, dataset, find.Wanted(**asked.model_dump())))

    return app


def _add_drawn(app: FastAPI, found: Finder) -> None:
    """What the map draws and the table sorts by: arrays with a number or two for each text."""

    @app.get("/data/{dataset_id}/points/{key}")
    async def points(dataset_id: Id, key: str) -> Response:
        return as_binary(found(dataset_id).layout(key[:64]).points.astype("<f4"))

    @app.get("/data/{dataset_id}/clusters/{key}")
    async def clusters(dataset_id: Id, key: str) -> Response:
        return as_json(await describe.clusters(found(dataset_id), key[:64]))

    @app.get("/data/{dataset_id}/density/{key}")
    async def density(dataset_id: Id, key: str) -> Response:
        return as_binary(await asyncio.to_thread(describe.density, found(dataset_id), key[:64]))

    @app.get("/data/{dataset_id}/colour/{number}")
    async def colour(dataset_id: Id, number: int, layout: str = "") -> Response:
        key = layout[:64] or None
        return as_binary(await asyncio.to_thread(describe.colour, found(dataset_id), number, key))

    @app.get("/data/{dataset_id}/ranks/{by}")
    async def ranks(dataset_id: Id, by: str) -> Response:
        return as_binary(await describe.ranks(found(dataset_id), by[:64]))
