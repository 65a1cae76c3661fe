"""`tessera collection reembed`, killed in the middle: the same command goes on and nothing is lost."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import numpy as np

from embedder.collections.lance.store import LanceStore
from tests.backends.small_upstream import Small, small
from tests.cli.commands import run, start
from tests.collections.conftest import rows_of

ROWS, BATCH_ROWS = 5000, 1000
TEXTS = [f"note number {n}" for n in range(ROWS)]
OLD = {"model": "old/model", "fingerprint": "old", "created": 1_700_000_000, "metadata": {"note": "n"}}


def kept(folder: Path) -> None:
    """A collection `notes` of another model's vectors, which are none of the new one's."""
    store = LanceStore(folder / "collections")
    vectors = np.ones((ROWS, 4), dtype=np.float32)
    store.create("notes", 4, OLD).upsert(
        rows_of(TEXTS, columns=[{"n": n} for n in range(ROWS)], vectors=vectors)
    )
    store.close()


def listed(folder: Path, data: str) -> list[str]:
    """The one line of `tessera collection list` below its head."""
    done = run(folder, "collection", "list", TESSERA_DATA_DIR=data)
    _, line = done.stdout.decode().splitlines()
    return line.split()


def computed(server: Small) -> list[str]:
    with server.lock:
        return [text for texts in server.asked if len(texts) > 1 for text in texts]


def killed_in_the_middle(process: subprocess.Popen[bytes], server: Small) -> None:
    """Kill it once it is in its third batch, when two are written."""
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and len(computed(server)) <= 2 * BATCH_ROWS:
            assert process.poll() is None, process.communicate()
            time.sleep(0.005)
    finally:
        process.kill()
    process.communicate(timeout=30)


def test_killed_half_way_the_same_command_goes_on(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    kept(Path(data))
    with small(delay_s=0.1) as server:
        arguments = ["collection", "reembed", "notes", f"far=http://{server.host}/v1#m"]
        process = start(tmp_path, *arguments, TESSERA_DATA_DIR=data)
        killed_in_the_middle(process, server)
        assert process.returncode == -9
        assert len(computed(server)) < ROWS
        # The old one is whole and in its place, and nothing half-made shows beside it.
        assert listed(tmp_path, data)[:3] == ["notes", f"{ROWS}", "4"]
        assert listed(tmp_path, data)[-1] == "old/model"

        server.delay_s = 0.0
        server.asked.clear()
        done = run(tmp_path, *arguments, TESSERA_DATA_DIR=data)
        assert done.returncode == 0, done.stderr.decode()
        assert f"{ROWS - 2 * BATCH_ROWS:,} texts embedded by far." in done.stderr.decode()
        again = computed(server)
        assert sorted(again) == sorted(TEXTS[2 * BATCH_ROWS :]), "what was written is not computed again"
    assert listed(tmp_path, data)[:3] == ["notes", f"{ROWS}", "8"]
    assert listed(tmp_path, data)[-1] == "far"
    store = LanceStore(Path(data) / "collections")
    table = store.open("notes")
    assert store.names() == ["notes"]
    assert (table.info["created"], table.info["metadata"]) == (OLD["created"], OLD["metadata"])
    rows = [
        row
        for batch in table.scan(BATCH_ROWS)
        for row in zip(batch.texts, batch.columns, batch.vectors, strict=True)
    ]
    store.close()
    assert sorted(text for text, _, _ in rows) == sorted(TEXTS)
    assert all(text == f"note number {columns['n']}" for text, columns, _ in rows)
    expected = [server.vector(text) for text, _, _ in rows]
    np.testing.assert_allclose([vector for _, _, vector in rows], expected, atol=1e-6)
