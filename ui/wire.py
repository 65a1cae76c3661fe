"""What all routes of the page share: how a dataset is found, what a body may hold, how errors read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import orjson
from fastapi import Path, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from embedder.errors import InvalidInput, TesseraError
from ui.datasets import Dataset
from ui.shelf import NotKeeper
from ui.view import log

if TYPE_CHECKING:
    from ui.view import Desk

Id = Annotated[str, Path(max_length=64)]
Row = Annotated[int, Field(ge=0)]
"""A text's place in its dataset, yet to be checked by `check_row`."""


class Gone(TesseraError):
    """The dataset has expired, or never was."""


class Closed(BaseModel):
    """A body with nothing in it that we don't know."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Finder:
    """Datasets by the id in an address."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __call__(self, dataset_id: str) -> Dataset:
        """The dataset of that id.

        Raises:
            Gone
        """
        dataset = self._desk.datasets.get(dataset_id)
        if dataset is None:
            kept = self._desk.settings.page_session_s / 3600
            raise Gone(
                f"These texts are no longer here: a page keeps them for {kept:.3g} hours, or until the "
                "server restarts. Bring them again."
            )
        return dataset


def check_row(dataset: Dataset, row: int) -> int:
    """`row`, if there is such a text.

    Raises:
        InvalidInput
    """
    if not 0 <= row < len(dataset.texts):
        raise InvalidInput(f"There is no row {row}; these are {len(dataset.texts):,} texts.")
    return row


def as_json(content: Any) -> Response:
    """Plain values and arrays, not to be kept by the browser."""
    made = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(made, media_type="application/json", headers={"cache-control": "no-store"})


def as_binary(values: np.ndarray[Any, Any]) -> Response:
    """The bytes of an array."""
    return Response(
        values.tobytes(), media_type="application/octet-stream", headers={"cache-control": "no-store"}
    )


async def on_error(request: Request, error: Exception) -> Response:
    """Every failure as `{"error": sentence}`."""
    status, sentence = _told(error)
    return Response(orjson.dumps({"error": sentence}), status, media_type="application/json")


def _told(error: Exception) -> tuple[int, str]:
    """A failure's status and sentence; a visitor's text is never quoted."""
    if isinstance(error, Gone):
        return 404, str(error)
    if isinstance(error, NotKeeper):
        return 403, str(error)
    if isinstance(error, RequestValidationError):
        return 400, "The server did not understand what the page asked for. Reload the page."
    if isinstance(error, TesseraError):
        return 400, str(error)
    log.error("The page asked for something that failed: %s", type(error).__name__)
    return 500, "Something went wrong on the server. Try again."


def as_lines(steps: AsyncGenerator[dict[str, Any], None]) -> Response:
    """Each step as a line of JSON when it comes; who leaves ends them, and a failure is the last line."""

    async def lines() -> AsyncIterator[bytes]:
        async with aclosing(steps):
            try:
                async for step in steps:
                    yield orjson.dumps(step, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)
            except Exception as error:
                yield orjson.dumps({"error": _told(error)[1]}) + b"\n"

    return StreamingResponse(lines(), media_type="application/jsonl", headers={"cache-control": "no-store"})
