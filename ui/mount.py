"""The page as an ASGI application: built in the background, guarded, with a lifespan of its own."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse

from ui.guard import Guard
from ui.layout import LayoutWorker
from ui.view import Desk, uploads_folder

if TYPE_CHECKING:
    from fastapi import FastAPI as FastAPIApp
    from starlette.types import ASGIApp, Receive, Scope, Send

    from embedder.access import Access
    from embedder.collections import Collections
    from embedder.config import Settings
    from embedder.engine import Engine

log = logging.getLogger("tessera.page")

ENVELOPE_BYTES = 64 * 1024
"""What multipart and JSON add around a file or texts."""
MODEL_FIRST_S = 5.0
"""So long the page waits for the model before it is built."""
_FAILED = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Tessera</title>"
    "<p>The page could not be built on this server; its API is not affected."
)


class Page:
    """Gradio's page over `engine`; requests that come before it is built wait for it."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        collections: Collections | None = None,
        access: Access | None = None,
    ) -> None:
        self.engine = engine
        self.settings = settings
        self.collections = collections
        self.access = access
        self.worker = LayoutWorker(settings.cache_dir, threads=settings.cpu_threads)
        self._app: ASGIApp | None = None
        self._built = asyncio.Event()
        self._leaving = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin building in a thread, and warming layouts once the model is ready; return at once."""
        self._tasks = [asyncio.create_task(self._live()), asyncio.create_task(self._warm())]

    async def stop(self) -> None:
        """End the layout process and Gradio's own tasks."""
        self._leaving.set()
        self._tasks[1].cancel()
        await self.worker.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the page, once it is there."""
        await self._built.wait()
        app = self._app or HTMLResponse(_FAILED, 500)
        await app(scope, receive, send)

    async def _live(self) -> None:
        """Build, then stay inside Gradio's lifespan until `stop`; one task enters and leaves it."""
        try:
            desk = Desk(self.engine, self.settings, self.worker, self.collections, self.access)
            await self._let_model_load()
            gradio_app = await asyncio.to_thread(asyncio.run, build(desk))
            from ui.sight import FirstSight  # what it imports is there by now

            async with gradio_app.router.lifespan_context(gradio_app):
                self._app = Guard(
                    FirstSight(gradio_app, desk),
                    uploads=uploads_folder(self.settings),
                    max_upload_bytes=self.settings.page_max_upload_bytes + ENVELOPE_BYTES,
                    # JSON may escape a character with up to 12 bytes; 6 is what browsers need.
                    max_body_bytes=6 * self.settings.page_max_chars + ENVELOPE_BYTES,
                )
                self._built.set()
                await self._leaving.wait()
        except Exception as error:
            log.error("The page could not be built: %s", type(error).__name__, exc_info=error)
        finally:
            self._built.set()

    async def _let_model_load(self) -> None:
        # Both are imports for the most part, one at a time by the interpreter's lock: side by side the
        # model would come as late as the page. A model that takes longer is being fetched, or is large.
        loading = asyncio.ensure_future(self.engine.model_info())
        leaving = asyncio.ensure_future(self._leaving.wait())
        _, pending = await asyncio.wait(
            {loading, leaving}, timeout=MODEL_FIRST_S, return_when=asyncio.FIRST_COMPLETED
        )
        for task in pending:
            task.cancel()
        if loading.done() and not loading.cancelled():
            loading.exception()  # the engine itself says why, to everyone who asks

    async def _warm(self) -> None:
        # Loading the model comes first: both would fight for the same cores.
        try:
            await self.engine.model_info()
            await self._built.wait()
        except Exception:  # the engine itself says why, to everyone who asks
            return
        await self.worker.warm()


async def build(desk: Desk) -> FastAPIApp:
    """Gradio's page mounted on an application of its own; takes seconds, most of it imports.

    Blocks like a plain function: it's for a thread, in a loop of that thread, because without a
    running one Gradio leaves behind an unclosed loop for every lock it makes.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(uploads_folder(desk.settings).resolve())
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    with no_stubs():
        import gradio as gr
    from fastapi import FastAPI

    from ui import theme
    from ui.page import make_blocks
    from ui.routes import make_routes

    no_tracebacks()
    settings = desk.settings
    blocks = make_blocks(desk)
    outer = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    outer.mount("/explorer", make_routes(desk))
    logins = [tuple(login.get_secret_value().split(":", 1)) for login in settings.page_auth]
    app: FastAPIApp = gr.mount_gradio_app(
        outer,
        blocks,
        path="/",
        auth=logins or None,
        auth_message="Tessera",
        show_error=False,
        run_history=False,
        max_file_size=settings.page_max_upload_bytes,
        footer_links=[],
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=theme.make_theme(),
        css_paths=[theme.ASSETS / "page.css"],
        head=theme.head(),
        favicon_path=str(theme.ASSETS / "favicon.png"),
    )
    # Mounted, Gradio believes itself not launched, and then doesn't check the paths of files.
    blocks.has_launched = True
    return app


@contextmanager
def no_stubs() -> Iterator[None]:
    """Inside, Gradio's import leaves out the type stubs that it would write into its own package.

    They are for editors, and cost two of the five seconds of its import, at each start. Gradio goes
    without them for classes that come from no file, so that is what `inspect` says of its own.
    """
    real = inspect.getfile

    def getfile(of: Any) -> str:
        if isinstance(of, type) and of.__module__.startswith("gradio."):
            raise OSError
        return real(of)

    inspect.getfile = getfile  # type: ignore[assignment]
    try:
        yield
    finally:
        inspect.getfile = real


def no_tracebacks() -> None:
    """Have Gradio log the class of an exception only: its message may hold a visitor's text."""
    import sys
    from types import SimpleNamespace

    from gradio import queueing, route_utils, routes, utils

    def print_exc() -> None:
        error = sys.exception()
        log.error("An event of the page failed: %s", type(error).__name__)

    for module in (queueing, route_utils, routes, utils):
        module.traceback = SimpleNamespace(**vars(module.traceback) | {"print_exc": print_exc})
