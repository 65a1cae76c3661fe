"""The API over a runtime without a model, in process."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from embedder import Engine, Settings
from embedder.access import Access
from embedder.api.app import create_api
from embedder.backends.hashing import HashingBackend
from embedder.collections.key_ring import KeyRing

MODEL = "org/tiny"
SECOND = "plain"
BASE = "http://127.0.0.1:7860"

MakeClient = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("TESSERA_", "EMBED_", "SPACE_ID")):
            monkeypatch.delenv(name)


@pytest.fixture
def model() -> str:
    return MODEL


@pytest.fixture
def make_client(tmp_path: Path) -> MakeClient:
    """A context manager that starts a fresh server with these settings and gives a client of it."""

    @asynccontextmanager
    async def make(
        *,
        page: Any = None,
        loader: Any = None,
        base_url: str = BASE,
        client: tuple[str, int] = ("127.0.0.1", 50000),
        ready: bool = True,
        ring: KeyRing | None = None,
        **flags: Any,
    ) -> AsyncIterator[httpx.AsyncClient]:
        ours = {"model": MODEL, "models": (SECOND,), "drain_s": 0.5, "data_dir": tmp_path / "data"}
        settings = Settings.load(ours | flags)
        engine = Engine(
            settings, loader=loader or (lambda model_id, source, settings: HashingBackend(model_id))
        )
        app = create_api(engine, settings, access=Access(settings, ring), page=page)
        transport = httpx.ASGITransport(app, client=client, raise_app_exceptions=True)
        async with engine, httpx.AsyncClient(transport=transport, base_url=base_url) as http:
            if ready:
                for model_id in settings.allowed_models:
                    await engine.model_info(model_id)
            http.engine = engine  # type: ignore[attr-defined]
            http.edge = app  # type: ignore[attr-defined]
            yield http

    return make


@pytest.fixture
async def client(make_client: MakeClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server as it is by default, its model ready."""
    async with make_client() as http:
        yield http
