"""The first map inside the page itself: it is there before Gradio's scripts and plotly are.

Gradio's page is empty until its scripts have run. A picture of the first sample, or of the texts that
the address names, stands in its HTML: 30 KB with the script that draws it, 400 KB for 50,000 texts. It
leaves when the map is painted; what the map needs next is named in the page's head, so that a browser
fetches it meanwhile.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import html
import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import numpy as np
from starlette.datastructures import Headers, MutableHeaders

from ui import assets, describe, theme
from ui.datasets import AXES, FEW_TEXTS
from ui.samples import FIRST_SAMPLE, ready_made
from ui.takeaway import as_plain_script
from ui.view import many

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ui.datasets import Dataset
    from ui.view import Desk

_SCRIPTS = ("dom.js", "colours.js", "dots.js", "labels.js", "sight.js")
"""In the order in which they need each other."""
MAX_POINTS = 60_000
_STEPS = 2**16 - 1
_NO_GROUP = 255
_IMPORT = re.compile(r'(?:from|import) "\./([\w.-]+)"')


class FirstSight:
    """Wraps the page's application; its HTML, and only that, is added to."""

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self.app = app
        self.desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the page does, with the first map in its HTML where that is what will be shown."""
        wanted = scope["type"] == "http" and (scope["method"], scope["path"]) == ("GET", "/")
        added = await self.addition(scope["query_string"]) if wanted else None
        if added is None:
            await self.app(scope, receive, send)
            return
        encoding = Headers(scope=scope).get("accept-encoding", "")
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        start: Message = {}
        body = bytearray()

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.extend(message.get("body", b""))

        await self.app({**scope, "headers": plain}, receive, collect)
        headers = MutableHeaders(raw=list(start["headers"]))
        answer = bytes(body)
        if start["status"] == 200 and headers.get("content-type", "").startswith("text/html"):
            answer = with_sight(answer, *added)
            headers.add_vary_header("accept-encoding")
            if "gzip" in encoding:
                answer = await asyncio.to_thread(gzip.compress, answer, 5)
                headers["content-encoding"] = "gzip"
        headers["content-length"] = str(len(answer))
        await send({**start, "headers": headers.raw})
        await send({"type": "http.response.body", "body": answer})

    async def addition(self, query: bytes) -> tuple[bytes, bytes] | None:
        """What goes into head and body; None where other texts or another layout will be shown."""
        if self.desk.settings.page_auth:  # whoever has not logged in sees nothing
            return None
        asked = {name: one[0] for name, one in parse_qs(query.decode("ascii", "replace")[:4000]).items()}
        sample = await ready_made(self.desk, FIRST_SAMPLE, None)
        dataset = self.desk.datasets.get(asked["data"]) if "data" in asked else sample
        if sample is not None and asked.get("data") == sample.id:
            dataset = sample
        if dataset is None or not dataset.whole:
            return None
        first = dataset.first_layout
        key = asked.get("layout", first)
        if key != first and key not in dataset.workings.layouts:
            return None
        if key.startswith(AXES) or dataset.layout(key).points.shape[1] != 2:
            return None
        if dataset is sample and key == first:
            return head(), await dataset.workings.once_elsewhere("sight", lambda: body(dataset, key))
        return head(), await body(dataset, key)


def with_sight(page: bytes, in_head: bytes, in_body: bytes) -> bytes:
    """`page` with more at the end of its head and at the beginning of its body."""
    page = page.replace(b"</head>", in_head + b"</head>", 1)
    return re.sub(rb"<body[^>]*>", lambda found: found[0] + in_body, page, count=1)


async def body(dataset: Dataset, key: str) -> bytes:
    """The picture of a layout: places in 65,536 steps and a byte for the colour of each row.

    Of more than `MAX_POINTS` rows an even sample, as on the map itself. Clusters are named where their
    names are known: nobody waits for them here.
    """
    named = dataset.workings.ready(f"names {key}") is not None or len(dataset.texts) <= FEW_TEXTS
    found = await describe.clusters(dataset, key) if named else {"labels": [], "clusters": []}
    return await asyncio.to_thread(_written, dataset, key, found)


def _written(dataset: Dataset, key: str, found: dict[str, Any]) -> bytes:
    n = len(dataset.texts)
    rows = (np.arange(min(n, MAX_POINTS)) * max(1.0, n / MAX_POINTS)).astype(int)
    points = dataset.layout(key).points[rows]
    low, high = points.min(axis=0), points.max(axis=0)
    steps = np.round((points - low) / np.maximum(high - low, 1e-12) * _STEPS).astype("<u2")
    telling = describe.telling(dataset)
    codes = None
    if telling is not None:
        codes = describe.colour(dataset, telling)[rows]
        codes[codes >= describe.DISTINCT_GROUPS] = _NO_GROUP
    elif found["clusters"]:
        labels = np.asarray(found["labels"])[rows]
        codes = np.where(labels < 0, _NO_GROUP, labels % describe.DISTINCT_GROUPS).astype(np.uint8)
    told = ("name", "at", "low", "high")
    data = {
        "layout": key,
        "places": _coded(steps),
        "low": low.tolist(),
        "high": high.tolist(),
        "codes": None if codes is None else _coded(codes),
        "clusters": [{name: cluster[name] for name in told} for cluster in found["clusters"]],
    }
    said = f"{dataset.name} · {many(n, 'text')}"
    parts = {
        "HEADER": theme.header(),
        "SAID": html.escape(said),
        "DATA": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        "SCRIPT": "\n".join(as_plain_script((assets.SCRIPTS / name).read_text()) for name in _SCRIPTS),
    }
    template = (assets.SCRIPTS / "sight.html").read_text()
    return re.sub(r"%%(\w+)%%", lambda found: parts[found[1]], template).encode()


@cache
def head() -> bytes:
    """The map's styles, and what it will ask for next."""
    root = f"explorer/static/{assets.version()}"
    modules = "".join(f'<link rel="modulepreload" href="{root}/{name}">' for name in needed_by("main.js"))
    return (
        f'<link rel="stylesheet" href="{root}/explorer.css">'
        f'<link rel="modulepreload" href="{root}/component.js">{modules}'
        f'<link rel="preload" as="script" href="{root}/plotly.js">'
    ).encode()


@cache
def needed_by(module: str) -> tuple[str, ...]:
    """A script of ours with all that it imports, directly or not."""
    found, waiting = [], [module]
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found.append(name)
            waiting += _IMPORT.findall((assets.SCRIPTS / name).read_text())
    return tuple(found)


def _coded(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> str:
    return base64.b64encode(values.tobytes()).decode()
