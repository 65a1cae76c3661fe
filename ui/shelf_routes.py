"""Collections over HTTP for the sidebar's script; each route first asks whether its keeper calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Depends, FastAPI, Path, Request
from pydantic import Field
from starlette.responses import Response

from embedder.collections import Question
from ui import collecting, mapped
from ui.wire import Closed, Finder, Row, as_json, as_lines, check_row

if TYPE_CHECKING:
    from ui.view import Desk

MAX_ROWS = 1_000_000
Name = Annotated[str, Path(max_length=64)]
_Data = Annotated[str, Field(max_length=64)]


class Look(Closed):
    """What is on screen, if anything; `list` asks for more than whether one may look."""

    data: _Data = ""
    list: bool = True


class OnScreen(Closed):
    """The dataset on screen."""

    data: _Data


class Rows(OnScreen):
    """Rows of it."""

    rows: Annotated[list[Row], Field(min_length=1, max_length=MAX_ROWS)]


class Asked(OnScreen):
    """A question to all of a collection."""

    query: Annotated[str, Field(max_length=4_000)]
    mode: Literal["semantic", "keyword", "hybrid"] = "semantic"
    prompt: Annotated[str | None, Field(max_length=2_000)] = None


class Undo(Closed):
    """What was deleted."""

    id: Annotated[str, Field(max_length=64)]


def add_routes(app: FastAPI, desk: Desk, found: Finder) -> None:
    """`/collections/…`; what may take longer than a moment answers in lines as it goes on."""

    @app.post("/collections")
    async def look(request: Request, asked: Look) -> Response:
        """Open to all: who may not look is told just that, and whether a key would help."""
        access = desk.shelf.access
        answer = {"allowed": access.keeps(request), "asks_for_key": access.has_keys}
        if answer["allowed"] and asked.list:
            answer |= await desk.shelf.told(desk.datasets.get(asked.data))
        return as_json(answer)

    app.include_router(_kept(desk, found, _keeper(desk)))


def _keeper(desk: Desk) -> Callable[[Request], Awaitable[None]]:
    async def check(request: Request) -> None:
        desk.shelf.check(request)

    return check


def _kept(desk: Desk, found: Finder, keeper: Callable[[Request], Awaitable[None]]) -> APIRouter:
    """Everything that is the keeper's."""
    router = APIRouter(prefix="/collections", dependencies=[Depends(keeper)])

    @router.post("/undo")
    async def undo(asked: Undo) -> Response:
        return as_lines(collecting.undo_steps(desk, asked.id))

    @router.post("/{name}/keep")
    async def keep(name: Name, asked: OnScreen) -> Response:
        return as_lines(collecting.keep_steps(desk, name, found(asked.data)))

    @router.post("/{name}/open")
    async def open_it(name: Name) -> Response:
        return as_lines(collecting.open_steps(desk, name))

    @router.post("/{name}/add")
    async def add(name: Name, asked: OnScreen) -> Response:
        return as_lines(collecting.add_steps(desk, name, found(asked.data)))

    @router.post("/{name}/map")
    async def map_all(name: Name, asked: OnScreen) -> Response:
        return as_lines(mapped.map_steps(desk, name, found(asked.data)))

    @router.post("/{name}/delete")
    async def delete(name: Name, asked: Rows) -> Response:
        dataset = found(asked.data)
        for row in (min(asked.rows), max(asked.rows)):
            check_row(dataset, row)
        return as_lines(collecting.delete_steps(desk, name, dataset, asked.rows))

    @router.post("/{name}/drop")
    async def drop(name: Name) -> Response:
        return as_lines(collecting.drop_steps(desk, name))

    @router.post("/{name}/search")
    async def search(name: Name, asked: Asked) -> Response:
        question = Question(asked.query, mode=asked.mode, top_k=collecting.HITS)
        return as_json(await collecting.found(desk, name, found(asked.data), question, asked.prompt))

    return router
