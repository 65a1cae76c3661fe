"""What the map asks for while it is looked at: points, texts, neighbours, selections, searches.

Plain HTTP beside Gradio's queue, so that a click is answered in milliseconds however busy the
queue is. An id that cannot be guessed is the key to a dataset; nobody without it gets anything.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import orjson
from fastapi import FastAPI, Path, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from embedder.errors import InvalidInput, TesseraError
from ui import assets, describe, find, takeaway
from ui.datasets import Dataset
from ui.view import log

if TYPE_CHECKING:
    from ui.view import Desk

MAX_TEXTS = 500
MAX_ROWS = 1_000_000
Id = Annotated[str, Path(max_length=64)]
Rows = Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=MAX_ROWS)]


class Gone(TesseraError):
    """The dataset has expired, or never was."""


class Closed(BaseModel):
    """A body with nothing in it that we don't know."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TextsAsked(Closed):
    """Rows whose texts are wanted; `chars` cuts each of them."""

    rows: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=MAX_TEXTS)]
    chars: Annotated[int, Field(ge=1, le=1_000_000)] = 400


class Selection(Closed):
    """Rows that a lasso, a box or a legend took."""

    rows: Rows


class Search(Closed):
    """A search: words, or rows to be like and rows to be unlike."""

    query: Annotated[str, Field(max_length=20_000)] = ""
    mode: Annotated[str, Field(pattern="^(semantic|keyword|hybrid|regex)$")] = "semantic"
    like: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=100)] = []
    unlike: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=100)] = []


def make_routes(desk: Desk) -> FastAPI:
    """The application below `/explorer`."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_exception_handler(TesseraError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_error)
    app.add_exception_handler(Exception, _on_error)
    assets.add_routes(app)

    def found(dataset_id: str) -> Dataset:
        dataset = desk.datasets.get(dataset_id)
        if dataset is None:
            kept = desk.settings.page_session_s / 3600
            raise Gone(
                f"These texts are no longer here: a page keeps them for {kept:.3g} hours, or until the "
                "server restarts. Bring them again."
            )
        return dataset

    @app.get("/data/{dataset_id}")
    async def about(dataset_id: Id, layout: str = "") -> Response:
        return _json(await asyncio.to_thread(describe.about, found(dataset_id), layout[:64] or None))

    @app.get("/data/{dataset_id}/points/{key}")
    async def points(dataset_id: Id, key: str) -> Response:
        return _binary(found(dataset_id).layout(key[:64]).points.astype("<f4"))

    @app.get("/data/{dataset_id}/clusters/{key}")
    async def clusters(dataset_id: Id, key: str) -> Response:
        return _json(await describe.clusters(found(dataset_id), key[:64]))

    @app.get("/data/{dataset_id}/colour/{number}")
    async def colour(dataset_id: Id, number: int, layout: str = "") -> Response:
        key = layout[:64] or None
        return _binary(await asyncio.to_thread(describe.colour, found(dataset_id), number, key))

    @app.get("/data/{dataset_id}/neighbours/{row}")
    async def neighbours(dataset_id: Id, row: int, k: int = 10) -> Response:
        dataset = found(dataset_id)
        return _json(
            await asyncio.to_thread(find.neighbours, dataset, _row(dataset, row), min(max(k, 1), 100))
        )

    @app.get("/data/{dataset_id}/vector/{row}")
    async def vector(dataset_id: Id, row: int) -> Response:
        dataset = found(dataset_id)
        return _json(await describe.vector(desk.engine, dataset, _row(dataset, row)))

    @app.get("/data/{dataset_id}/export/{wanted}")
    async def export(dataset_id: Id, wanted: str, layout: str = "") -> Response:
        dataset = found(dataset_id)
        return await takeaway.download(dataset, wanted, layout[:64] or dataset.workings.newest)

    @app.post("/data/{dataset_id}/texts")
    async def texts(dataset_id: Id, asked: TextsAsked) -> Response:
        dataset = found(dataset_id)
        return _json([describe.row(dataset, _row(dataset, row), asked.chars) for row in asked.rows])

    @app.post("/data/{dataset_id}/selection")
    async def selection(dataset_id: Id, asked: Selection) -> Response:
        dataset = found(dataset_id)
        rows = np.unique(np.array(asked.rows, dtype=np.int64))
        if len(rows):
            _row(dataset, int(rows[-1]))
        return _json(await asyncio.to_thread(describe.selection, dataset, rows))

    @app.post("/data/{dataset_id}/search")
    async def search(dataset_id: Id, asked: Search) -> Response:
        dataset = found(dataset_id)
        for row in (*asked.like, *asked.unlike):
            _row(dataset, row)
        return _json(await find.search(desk.engine, dataset, find.Wanted(**asked.model_dump())))

    return app


def _row(dataset: Dataset, row: int) -> int:
    if not 0 <= row < len(dataset.texts):
        raise InvalidInput(f"There is no row {row}; these are {len(dataset.texts):,} texts.")
    return row


def _json(content: Any) -> Response:
    made = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(made, media_type="application/json", headers={"cache-control": "no-store"})


def _binary(values: np.ndarray[Any, Any]) -> Response:
    return Response(
        values.tobytes(), media_type="application/octet-stream", headers={"cache-control": "no-store"}
    )


async def _on_error(request: Request, error: Exception) -> Response:
    """Every failure as `{"error": sentence}`; a visitor's text is never quoted."""
    if isinstance(error, Gone):
        status, sentence = 404, str(error)
    elif isinstance(error, RequestValidationError):
        status, sentence = 400, "The server did not understand what the page asked for. Reload the page."
    elif isinstance(error, TesseraError):
        status, sentence = 400, str(error)
    else:
        log.error("The map asked for something that failed: %s", type(error).__name__)
        status, sentence = 500, "Something went wrong on the server. Try again."
    return Response(orjson.dumps({"error": sentence}), status, media_type="application/json")
