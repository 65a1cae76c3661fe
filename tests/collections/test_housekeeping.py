"""What a server does for its collections while nobody looks at them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

from app import create_app
from embedder import Settings
from embedder.collections import Collections, NewText, housekeeping, open_collections
from embedder.collections import deleted as bin_
from embedder.collections.housekeeping import kept_tidy
from embedder.collections.opening import open_store
from embedder.collections.uploads import Uploads
from tests.api.serving import serving


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "FIRST_S", 0.05)
    monkeypatch.setattr(housekeeping, "EVERY_S", 0.05)


async def _deleted(collections: Collections) -> str:
    made = await collections.create_for_vectors("things", 2)
    await made.add([NewText("one"), NewText("two")], vectors=np.ones((2, 2), dtype=np.float32))
    (one, _) = [row_id for some in made.table.ids() for row_id in some]
    gone = await bin_.delete_texts(collections, "things", [one])
    assert gone is not None
    return gone.id


async def _until_gone(folder: Path) -> None:
    until_s = time.monotonic() + 20
    while await asyncio.to_thread(folder.exists):
        assert time.monotonic() < until_s
        await asyncio.sleep(0.05)


@pytest.mark.model
async def test_a_server_lets_go_of_what_was_deleted_without_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.load({"ui": False, "data_dir": tmp_path, "cache_dir": tmp_path / "cache"})
    async with open_collections(settings, None) as collections:
        hidden = await _deleted(collections)
    folder = tmp_path / "collections" / hidden
    async with serving(create_app(settings), lifespan="on"):
        await asyncio.sleep(0.5)
        assert folder.exists(), "it can be put back for an hour"
        monkeypatch.setattr(bin_, "KEPT_S", -1)
        await _until_gone(folder)


async def test_a_store_that_is_away_is_asked_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = open_store("postgresql://nobody:secret@127.0.0.1:9/none")
    async with Collections(store, None) as away, kept_tidy(away, Uploads(tmp_path / "files"), tmp_path):
        until_s = time.monotonic() + 20
        while len(caplog.records) < 2:
            assert time.monotonic() < until_s
            await asyncio.sleep(0.05)
    told = {record.getMessage() for record in caplog.records}
    assert len(told) == 1
    assert "secret" not in told.pop()
    assert not [task for task in asyncio.all_tasks() if "_keep" in str(task.get_coro())]
