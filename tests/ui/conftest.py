"""A desk over the hashing fake: the page's handlers without a model."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from embedder import Engine, Settings
from embedder.backends.hashing import HashingBackend
from ui.layout import LayoutWorker
from ui.view import Desk


def hashing_engine(settings: Settings, *, delay_s: float = 0.0) -> Engine:
    return Engine(
        settings, loader=lambda model_id, _source, _settings: HashingBackend(model_id, delay_s=delay_s)
    )


@pytest.fixture(scope="session")
def compiled() -> Path:
    """Where numba keeps what it compiled, so that it's done once a run."""
    return Path(os.environ["TESSERA_TEST_CACHE_DIR"])


@pytest.fixture
async def desk(tmp_path: Path, compiled: Path) -> AsyncIterator[Desk]:
    settings = Settings(cache_dir=tmp_path, page_max_texts=50, page_max_chars=5000)
    async with hashing_engine(settings) as engine:
        await engine.model_info()
        worker = LayoutWorker(compiled)
        yield Desk(engine, settings, worker)
        await worker.stop()
