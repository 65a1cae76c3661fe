"""The map as files to take away, and as one HTML page that opens anywhere, offline."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.responses import Response, StreamingResponse

from embedder.corpus import maps
from embedder.errors import InvalidInput
from ui import describe
from ui.assets import SCRIPTS, plotly_bundle
from ui.datasets import Dataset

OFFLINE_SCRIPTS = (
    *("dom.js", "colours.js", "dots.js", "legend.js", "labels.js"),
    *("marks.js", "plane.js", "space.js", "plot.js", "offline.js"),
)
"""In the order in which they need each other: in one file they share one scope, names of constants too."""
OFFLINE_TEXT_CHARS = 400


@dataclass(frozen=True, slots=True)
class _Format:
    suffix: str
    media_type: str
    write: Callable[[maps.MapTable], bytes | Iterator[bytes]]


FORMATS = {
    "csv": _Format(".csv", "text/csv; charset=utf-8", maps.csv_chunks),
    "jsonl": _Format(".jsonl", "application/jsonl", maps.jsonl_chunks),
    "parquet": _Format(".parquet", "application/vnd.apache.parquet", maps.parquet),
    "npz": _Format(".npz", "application/octet-stream", maps.npz),
    "projector": _Format("-projector.zip", "application/zip", maps.projector),
}


async def download(dataset: Dataset, wanted: str, key: str) -> Response:
    """The dataset in one of `FORMATS`, or as `html`, with the places of layout `key`.

    Raises:
        InvalidInput: there is no such format.
        TooLarge: as NPZ it would take too much room.
    """
    if wanted == "html":
        page = offline_page(await told(dataset, key))
        return attached(Response(page, media_type="text/html; charset=utf-8"), dataset, ".html")
    if wanted not in FORMATS:
        raise InvalidInput(f"There is no such format; choose one of {', '.join(FORMATS)}, html.")
    made = FORMATS[wanted]
    content = await run_in_threadpool(made.write, await table(dataset, key))
    if isinstance(content, bytes):
        return attached(Response(content, media_type=made.media_type), dataset, made.suffix)
    chunks: AsyncIterator[bytes] = iterate_in_threadpool(content)
    return attached(StreamingResponse(chunks, media_type=made.media_type), dataset, made.suffix)


async def table(dataset: Dataset, key: str) -> maps.MapTable:
    """Every row with its place and the name of its cluster."""
    layout = dataset.layout(key)
    found = await describe.clusters(dataset, key)
    names = [cluster["name"] for cluster in found["clusters"]]
    labels = found["labels"] or [-1] * len(dataset.texts)
    clusters = [names[label] if 0 <= label < len(names) else "" for label in labels]
    return maps.MapTable(
        dataset.texts, dataset.columns, dataset.vectors, layout.points, clusters, dataset.model
    )


async def told(dataset: Dataset, key: str) -> dict[str, Any]:
    """What the offline page draws."""
    about = describe.about(dataset, key)
    colours = [
        {**colour, "codes": [_plain(code) for code in describe.colour(dataset, number, key).tolist()]}
        for number, colour in enumerate(about["colours"])
    ]
    return {
        "name": dataset.name,
        "model": dataset.model.id,
        "dimensions": about["dimensions"],
        "points": [round(float(value), 4) for value in dataset.layout(key).points.ravel()],
        "texts": [text[:OFFLINE_TEXT_CHARS] for text in dataset.texts],
        "colours": colours,
        **await describe.clusters(dataset, key),
    }


def offline_page(content: dict[str, Any]) -> str:
    """One HTML file with plotly, our scripts and the data inside; it asks nobody for anything.

    In the data every `<` is escaped, so that no text can end its element.
    """
    scripts = "\n".join(as_plain_script((SCRIPTS / name).read_text()) for name in OFFLINE_SCRIPTS)
    data = json.dumps(content, default=float).replace("<", "\\u003c")
    parts = {
        "STYLE": (SCRIPTS / "explorer.css").read_text(),
        "DATA": data,
        "PLOTLY": plotly_bundle().read_text(),
        "SCRIPT": scripts,
    }
    page = (SCRIPTS / "offline.html").read_text()
    return re.sub(r"%%(\w+)%%", lambda found: parts[found[1]], page)


def as_plain_script(module: str) -> str:
    """A module without what ties it to others: in one file they share one scope."""
    return re.sub(r"^import .*$|^export ", "", module, flags=re.MULTILINE)


def _plain(code: float) -> float | None:
    return code if code == code else None  # noqa: PLR0124  # NaN is no JSON


def attached(response: Response, dataset: Dataset, suffix: str) -> Response:
    """`response` as a file to keep, named after the dataset."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", dataset.name).strip("-").lower()[:40] or "texts"
    response.headers["content-disposition"] = f'attachment; filename="tessera-{name}{suffix}"'
    response.headers["cache-control"] = "no-store"
    return response
