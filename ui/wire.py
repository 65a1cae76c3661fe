"""What all routes of the page share: how a dataset is found, what a body may hold, how errors read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import orjson
from fastapi import Path, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from embedder.errors import InvalidInput, TesseraError
from ui.datasets import Dataset
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
    """Every failure as `{"error": sentence}`; a visitor's text is never quoted."""
    if isinstance(error, Gone):
        status, sentence = 404, str(error)
    elif isinstance(error, RequestValidationError):
        status, sentence = 400, "The server did not understand what the page asked for. Reload the page."
    elif isinstance(error, TesseraError):
        status, sentence = 400, str(error)
    else:
        log.error("The page asked for something that failed: %s", type(error).__name__)
        status, sentence = 500, "Something went wrong on the server. Try again."
    return Response(orjson.dumps({"error": sentence}), status, media_type="application/json")
