"""Wiring only: settings, engine, page and API become one ASGI app.

`python app.py`, `tessera serve` and `uvicorn app:app` all serve what `create_app` makes.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from embedder import Engine, Settings
from embedder.access import Access
from embedder.api.app import create_api
from embedder.collections import open_collections
from embedder.collections.housekeeping import kept_tidy
from embedder.collections.key_ring import KeyRing
from embedder.collections.uploads import Uploads
from embedder.libraries import multiply_alone

if TYPE_CHECKING:
    from types import ModuleType

    from embedder.api.edge import Edge
    from embedder.workers import PassOn
    from embedder.workers.place import Place
    from ui.mount import Page


def create_app(settings: Settings | None = None, place: Place | None = None) -> Edge:
    """The whole server, or what of it belongs at `place`; nothing is loaded before its lifespan begins.

    Raises:
        ConfigError: an environment variable is wrong.
    """
    settings = settings or Settings.load()
    engine = Engine(settings, fellows=place.seat if place else None)
    collections = open_collections(settings, engine)
    uploads = Uploads(settings.data_dir / "files")
    keys = KeyRing(collections.store)
    access = Access(settings, keys)
    page: Page | PassOn | None = None
    if settings.ui and (place is None or place.has_page):
        from ui.mount import Page

        page = Page(engine, settings, collections, access)
    elif settings.ui and place is not None:
        from embedder.workers import PassOn

        page = PassOn(place.page_socket)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        multiply_alone()
        async with engine, collections, AsyncExitStack() as stack:
            await stack.enter_async_context(keys.followed())
            if place is None or place.index == 0:  # one of a server's workers does it for all
                await stack.enter_async_context(kept_tidy(collections, uploads, settings.cache_dir))
            if page is not None:
                await page.start()
            yield
            if page is not None:
                await page.stop()

    return create_api(engine, settings, collections=collections, access=access, page=page, lifespan=lifespan)


def drawing() -> ModuleType:
    """What draws maps without a page: `tessera map`, which knows no page."""
    from ui import drawing

    return drawing


def __getattr__(name: str) -> Edge:
    """Make `app` when a server asks for `app:app`, so that importing this module builds nothing."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()["app"] = app = create_app()
    return app


if __name__ == "__main__":
    from embedder.cli import main

    sys.exit(main(["serve", *sys.argv[1:]]))
