"""`create_api`: the whole HTTP application, from the request's first byte to the engine."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from embedder import __version__
from embedder.access import Access
from embedder.api import collections as collection_routes
from embedder.api import (
    comparing,
    docs,
    embeddings,
    errors,
    health,
    models,
    tokenize,
    uploading,
    vector_store_files,
    vector_stores,
)
from embedder.api.bodies import Bodies
from embedder.api.context import Context
from embedder.api.cors import AllowedOrigins
from embedder.api.direct import Direct
from embedder.api.documentation import DESCRIPTION, ERROR_RESPONSES
from embedder.api.edge import Edge, check_model_ids
from embedder.api.keys import Gate, require_keeper, require_key
from embedder.collections import Collections, open_collections
from embedder.collections.documents import Documents
from embedder.collections.housekeeping import keep
from embedder.collections.ownership import LEASE_S
from embedder.collections.uploads import Uploads
from embedder.config import Settings
from embedder.engine import Engine
from embedder.errors import TesseraError

Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]

_BEARER = HTTPBearer(auto_error=False, description="One of the server's keys; none on an open server.")


def create_api(
    engine: Engine,
    settings: Settings,
    *,
    collections: Collections | None = None,
    access: Access | None = None,
    page: ASGIApp | None = None,
    lifespan: Lifespan | None = None,
) -> Edge:
    """The outermost ASGI application: our routes, and `page` for every path that is not ours.

    `lifespan` starts and stops what the owner of `engine` wants started and stopped; without it
    the engine is the caller's to start. `collections` are those of the settings if None, and without
    `access` no key of the store opens anything.

    Raises:
        ConfigError: a model's id begins as one of the page's own paths does.
    """
    if page is not None:
        check_model_ids(settings.allowed_models)
    collections = collections or open_collections(settings, engine)
    uploads = Uploads(settings.data_dir / "files")
    documents = Documents(uploads)
    leaving = threading.Event()
    app = FastAPI(
        title="Tessera",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=None if lifespan is None else _with_documents(lifespan, documents, collections),
    )
    app.state.context = Context(
        engine=engine,
        settings=settings,
        gate=Gate(settings, access or Access(settings)),
        bodies=Bodies(settings.max_body_bytes, settings.request_timeout_s),
        collections=collections,
        uploads=uploads,
        documents=documents,
        created=int(time.time()),
        leaving=leaving,
    )
    guarded = [Depends(require_key), Depends(_BEARER)]
    for router in (embeddings.router, tokenize.router, comparing.router, models.router):
        app.include_router(router, dependencies=guarded, responses=ERROR_RESPONSES)
    kept = [Depends(require_keeper), Depends(_BEARER)]
    for router in (
        collection_routes.router,
        uploading.router,
        vector_stores.router,
        vector_store_files.router,
    ):
        app.include_router(router, dependencies=kept, responses=ERROR_RESPONSES)
    app.include_router(health.router)
    app.include_router(docs.router)
    app.add_exception_handler(TesseraError, errors.on_tessera_error)
    app.add_exception_handler(HTTPException, errors.on_http_exception)
    app.add_exception_handler(RequestValidationError, errors.on_unforeseen)
    app.add_exception_handler(Exception, errors.on_unforeseen)
    api: ASGIApp = Direct(app)
    if settings.cors_origins:
        api = AllowedOrigins(api, settings.cors_origins)
    return Edge(api, page, engine.metrics, leaving)


def _with_documents(lifespan: Lifespan, documents: Documents, collections: Collections) -> Lifespan:
    """`lifespan`, within which files that others left are gone on with, and ours let go of before it ends."""

    async def look() -> None:
        await documents.look(collections)

    @asynccontextmanager
    async def whole(app: Any) -> AsyncIterator[None]:
        async with lifespan(app):
            looking = asyncio.create_task(keep(look, LEASE_S))
            try:
                yield
            finally:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)
                await documents.close()

    return whole
