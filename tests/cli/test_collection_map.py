"""`tessera collection map`: made once, kept, and safe to stop."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from pathlib import Path

import numpy as np

from embedder import Settings
from embedder.collections import NewText, open_collections
from tests.cli.commands import run, start


async def filled(settings: Settings) -> None:
    random = np.random.default_rng(1)
    vectors = (np.eye(6)[random.integers(6, size=80)] + 0.3 * random.normal(size=(80, 6))).astype(np.float32)
    async with open_collections(settings, None) as collections:
        made = await collections.create_for_vectors("notes", 6)
        await made.add([NewText(f"text {number}", f"t{number}") for number in range(80)], vectors=vectors)


def test_a_map_is_made_once_and_stays_when_another_is_stopped(tmp_path: Path) -> None:
    asyncio.run(filled(Settings(data_dir=tmp_path / "data")))
    places = {
        "TESSERA_DATA_DIR": str(tmp_path / "data"),
        "TESSERA_CACHE_DIR": os.environ["TESSERA_TEST_CACHE_DIR"],
    }
    made = run(tmp_path, "collection", "map", "notes", **places)
    assert made.returncode == 0, made.stderr.decode()
    said = r"notes: all 80 laid out; trustworthiness 0\.\d\d; neighbours exact\.\nMade in [\d.]+ s and kept\."
    assert re.search(said, made.stderr.decode())

    stopped = start(tmp_path, "collection", "map", "notes", "--anew", "--progress", **places)
    assert stopped.stderr is not None
    seen = b""
    while b"Neighbours" not in seen:  # what the process that makes it says first
        part = os.read(stopped.stderr.fileno(), 4096)
        assert part, seen.decode()
        seen += part
    stopped.send_signal(signal.SIGINT)
    _, rest = stopped.communicate(timeout=60)
    assert stopped.returncode == 130
    assert "still there" in rest.decode()
    assert not list((tmp_path / "data" / "maps").glob("~*"))

    again = run(tmp_path, "collection", "map", "notes", **places)
    assert again.returncode == 0
    assert "Nothing has changed: it is the map that was kept." in again.stderr.decode()
    refused = run(tmp_path, "collection", "map", "notes", "--sample", "1", **places)
    assert refused.returncode == 2
    assert "--sample is a number from 1,000 to 1,000,000." in refused.stderr.decode()
