"""Our own scripts and plotly's bundle, served compressed and kept by the browser for good."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from functools import cache
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.responses import Response

from ui.theme import ASSETS

SCRIPTS = ASSETS / "explorer"
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_FOR_GOOD = "public, max-age=31536000, immutable"


def plotly_bundle() -> Path:
    """The plotly.js that plotly's own package brings."""
    import plotly

    return Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


@cache
def version() -> str:
    """Names this state of the scripts and of plotly's bundle; part of their address."""
    import plotly

    digest = hashlib.blake2b(plotly.__version__.encode(), digest_size=8)
    for script in sorted(SCRIPTS.iterdir()):
        digest.update(script.name.encode() + script.read_bytes())
    return digest.hexdigest()


@cache
def files() -> dict[str, Path]:
    """Every file there is to be had, by name."""
    return {path.name: path for path in SCRIPTS.iterdir() if path.suffix in _TYPES} | {
        "plotly.js": plotly_bundle()
    }


@cache
def compressed(name: str) -> bytes:
    """One of `files`, by gzip; a second of work for plotly's bundle, once."""
    return gzip.compress(files()[name].read_bytes(), 6, mtime=0)


def add_routes(app: FastAPI) -> None:
    """`/static/VERSION/NAME`; a relative import in a script stays within its version."""

    @app.get("/static/{wanted}/{name}")
    async def static(wanted: str, name: str, request: Request) -> Response:
        if name not in files():
            return Response(status_code=404)
        headers = {
            "cache-control": _FOR_GOOD if wanted == version() else "no-cache",
            "vary": "accept-encoding",
        }
        media_type = _TYPES[files()[name].suffix]
        if "gzip" in request.headers.get("accept-encoding", ""):
            body = await asyncio.to_thread(compressed, name)
            return Response(body, media_type=media_type, headers={**headers, "content-encoding": "gzip"})
        return Response(
            await asyncio.to_thread(files()[name].read_bytes), media_type=media_type, headers=headers
        )
