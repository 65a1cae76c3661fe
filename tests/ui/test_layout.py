from __future__ import annotations

import asyncio
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import pytest_asyncio

from embedder import Settings
from embedder.analysis import nearest_neighbours, pca_2d, umap_layout
from embedder.analysis.projection import LayoutOptions
from embedder.types import ModelInfo
from ui import alike, datasets, find, layout_process, retention
from ui.datasets import Dataset, Datasets
from ui.layout import LayoutFailed, LayoutWorker
from ui.page import arrange, cancel
from ui.session import Session
from ui.view import Desk

from .conftest import hashing_engine

INFO = ModelInfo("m", 16, 64, "f", "test", True)
ROOT = Path(__file__).resolve().parents[2]
in_module = pytest.mark.asyncio(loop_scope="module")


def vectors(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(compiled: Path) -> Path:
    return compiled


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def worker(folder: Path) -> AsyncIterator[LayoutWorker]:
    """One for all: a process is 13 seconds of imports. Who ends it has the next begin another."""
    made = LayoutWorker(folder, threads=2)
    yield made
    await made.stop()


def environment_of(process_id: int | None) -> bytes:
    return Path(f"/proc/{process_id}/environ").read_bytes()


def alive(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def ended(process_id: int) -> bool:
    """Whether it does so soon; who is told of a cancel need not have waited for the process."""
    for _ in range(50):
        if not alive(process_id):
            return True
        await asyncio.sleep(0.1)
    return False


@in_module
async def test_the_process_gives_the_layout_umap_gives_here(worker: LayoutWorker) -> None:
    rows = vectors(40)
    found = await worker.project(rows)
    assert found.method == "umap"
    np.testing.assert_allclose(found.points, umap_layout(rows).points, atol=1e-3)


@in_module
async def test_vectors_larger_than_a_pipe_arrive_whole(worker: LayoutWorker) -> None:
    rows = np.random.default_rng(8).normal(size=(600, 768)).astype(np.float32)
    rows[:, 0] += np.where(np.arange(600) % 2, 60, -60)
    points = (await asyncio.wait_for(worker.project(rows), 240)).points
    apart = points[1::2].mean(axis=0) - points[::2].mean(axis=0)
    side = points @ apart > 0
    assert side.tolist() == [bool(row % 2) for row in range(600)], "every row is of its own cluster"


@in_module
async def test_it_lives_on_and_knows_a_layout_again(worker: LayoutWorker) -> None:
    first = await worker.project(vectors(30))
    process = worker.process_id
    await worker.project(vectors(30, seed=1))
    assert worker.process_id == process
    assert await worker.project(vectors(30)) is first


@in_module
async def test_the_process_is_low_in_priority_and_single_threaded(worker: LayoutWorker) -> None:
    await worker.project(vectors(30, seed=2))
    assert worker.process_id is not None
    lowered = min(os.getpriority(os.PRIO_PROCESS, 0) + 10, 19)
    assert os.getpriority(os.PRIO_PROCESS, worker.process_id) == lowered
    environment = environment_of(worker.process_id).split(b"\0")
    assert b"OMP_NUM_THREADS=1" in environment
    assert b"NUMBA_CACHE_DIR=" + str(worker.folder / "numba").encode() in environment


@in_module
async def test_keys_stay_out_of_the_process(worker: LayoutWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBED_KEY", "sk-of-the-server")
    mine = LayoutWorker(worker.folder)
    begun = asyncio.create_task(mine.warm())
    for _ in range(1000):
        if mine.process_id is not None:
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)  # it is another program by then
    environment = environment_of(mine.process_id)
    assert b"NUMBA_CACHE_DIR" in environment
    assert b"sk-of-the-server" not in environment
    begun.cancel()
    await asyncio.gather(begun, return_exceptions=True)
    await mine.stop()


def written(folder: Path) -> dict[Path, int]:
    """Every file below `folder`, and when it was last written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@in_module
async def test_what_one_process_compiled_the_next_reads_and_only_what_is_missing_is_made(
    worker: LayoutWorker, tmp_path: Path
) -> None:
    await worker.warm()
    kept = tmp_path / "numba"
    # Others write to the folder of all tests meanwhile.
    shutil.copytree(worker.folder / "numba", kept, ignore=shutil.ignore_patterns("*.tmp.*"))
    lost = set(kept.rglob("cluster_trees.condense_tree-*"))
    assert any(path.suffix == ".nbi" for path in lost), "an index of what is compiled"
    for path in lost:
        path.unlink()
    before = written(kept)
    mine = LayoutWorker(tmp_path)
    await mine.warm()
    await mine.stop()
    after = written(kept)
    assert before.items() <= after.items(), "nothing else was compiled anew"
    made = after.keys() - before.keys()
    assert {path.suffix for path in made} == {".nbi", ".nbc"}
    assert made <= lost


@in_module
async def test_cancelling_kills_at_once_and_the_next_layout_works(worker: LayoutWorker) -> None:
    await worker.warm()
    job = asyncio.create_task(worker.project(vectors(4000)))
    await asyncio.sleep(0.3)
    process = worker.process_id
    assert process is not None
    job.cancel()
    started = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert time.monotonic() - started < 1
    assert not alive(process)
    assert (await worker.project(vectors(20, seed=4))).points.shape == (20, 2)


@in_module
async def test_a_process_that_dies_is_an_error_and_not_a_hang(worker: LayoutWorker) -> None:
    await worker.warm()
    job = asyncio.create_task(worker.project(vectors(4000, seed=5)))
    await asyncio.sleep(0.3)
    assert worker.process_id is not None
    os.kill(worker.process_id, signal.SIGKILL)
    with pytest.raises(LayoutFailed, match="ended"):
        await asyncio.wait_for(job, 5)


async def test_time_and_queue_are_bounded(folder: Path) -> None:
    worker = LayoutWorker(folder, limit_s=0.05, max_waiting=1)
    jobs = [asyncio.create_task(worker.project(vectors(30, seed=seed))) for seed in (6, 7)]
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert all(isinstance(result, LayoutFailed) for result in results)
    assert sum("waiting" in str(result) for result in results) == 1
    assert sum("longer" in str(result) for result in results) == 1
    assert worker.process_id is None
    await worker.stop()


def test_a_failing_layout_is_answered_by_its_class_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("with a text in it")

    monkeypatch.setattr(layout_process, "map_of", fail)
    sink = io.BytesIO()
    asked = layout_process.REQUEST.pack(14, 1, 1, 0) + b'{"layout": {}}' + b"\0" * 4
    assert layout_process.answer(io.BytesIO(asked), sink)
    assert sink.getvalue() == layout_process.FRAME.pack(layout_process.FAILED, 17) + b"ZeroDivisionError"
    assert not layout_process.answer(io.BytesIO(b"cut"), sink)


async def test_stopping_leaves_no_process(folder: Path) -> None:
    worker = LayoutWorker(folder)
    await worker.warm()
    process = worker.process_id
    assert process is not None
    await worker.stop()
    assert not alive(process)
    with pytest.raises(LayoutFailed):
        await worker.project(vectors(5))


def test_the_process_leaves_when_its_parent_is_killed(folder: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout:
        child = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 10
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(child)


ORPHAN = """
import asyncio, sys, pathlib, numpy as np
from ui.layout import LayoutWorker
async def main():
    worker = LayoutWorker(pathlib.Path(sys.argv[1]))
    await worker.warm()
    job = asyncio.create_task(worker.project(np.random.default_rng(9).normal(size=(5000, 64)).astype("f4")))
    await asyncio.sleep(0.5)
    print(worker.process_id, flush=True)
    await job
asyncio.run(main())
"""


def test_the_process_imports_neither_gradio_nor_torch() -> None:
    code = (
        "import sys, numpy as np; from ui.layout_process import LayoutOptions, map_of;"
        "map_of(np.eye(30), LayoutOptions());"
        "print([m for m in ('torch', 'gradio', 'fastapi') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@in_module
async def test_a_layout_comes_with_clusters_and_progress(worker: LayoutWorker) -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 16)) * 4
    made = (np.repeat(centres, 60, axis=0) + rng.normal(size=(240, 16)) * 0.3).astype(np.float32)
    told: list[float] = []
    layout = await worker.project(made, LayoutOptions(n_neighbors=10), told.append)
    assert layout.method == "umap"
    assert layout.clusters is not None
    groups = [set(layout.clusters[start : start + 60].tolist()) - {-1} for start in range(0, 240, 60)]
    assert sum(map(len, groups)) == len(set.union(*groups)) >= 4, "no cluster mixes two of the groups"
    assert told == sorted(told)
    assert told[-1] > 0.5
    again = await worker.project(made, LayoutOptions(n_neighbors=10))
    assert again is layout
    other = await worker.project(made, LayoutOptions(n_neighbors=10, seed=7))
    assert not np.array_equal(other.points, layout.points)
    tsne = await worker.project(made, LayoutOptions(method="tsne"))
    assert tsne.method == "tsne"
    assert tsne.points.shape == (240, 2)


@in_module
async def test_neighbours_come_from_the_process_and_layouts_are_made_from_them(worker: LayoutWorker) -> None:
    rows = vectors(300, seed=9)
    told: list[float] = []
    known = await worker.neighbours(rows, told.append)
    expected = nearest_neighbours(rows)
    np.testing.assert_array_equal(known.indices, expected.indices)
    np.testing.assert_allclose(known.distances, expected.distances, atol=1e-6)
    assert told[-1] == 1.0
    for options in (LayoutOptions(), LayoutOptions(dimensions=3), LayoutOptions(method="tsne")):
        alone = (await worker.project(rows, options)).points
        worker._known.clear()
        given = (await worker.project(rows, options, neighbours=known)).points
        assert given.shape == (300, options.dimensions)
        np.testing.assert_array_equal(given, alone)
        worker._known.clear()
    # Not only taken along: from other neighbours another map is made.
    wrong = replace(known, indices=known.indices[:, ::-1].copy())
    flat = (await worker.project(rows, neighbours=wrong)).points
    worker._known.clear()
    assert not np.array_equal(flat, (await worker.project(rows)).points)


def without_words(rows: np.ndarray) -> Dataset:
    """Vectors on screen whose texts do not matter."""
    nothing = pca_2d(np.empty((0, rows.shape[1])))
    return Dataset("d", [""] * len(rows), {}, rows, np.ones(len(rows), np.int64), frozenset(), INFO, nothing)


@asynccontextmanager
async def on_screen(
    worker: LayoutWorker, folder: Path, dataset: Dataset
) -> AsyncIterator[tuple[Desk, Session]]:
    """A page that shows it, whose layouts `worker` makes."""
    await worker.warm()
    settings = Settings(cache_dir=folder)
    async with hashing_engine(settings) as engine:
        desk = Desk(engine, settings, worker)
        session = desk.sessions.of("a")
        desk.datasets.put(dataset)
        session.put(session.begin(), dataset)
        yield desk, session


@in_module
async def test_neighbours_are_found_once_for_whatever_needs_them(
    worker: LayoutWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = replace(without_words(vectors(300, seed=5)), texts=[f"text {row}" for row in range(300)])
    async with on_screen(worker, tmp_path, one) as (desk, session):
        found = Mock(wraps=nearest_neighbours)
        monkeypatch.setattr(datasets, "nearest_neighbours", found)
        async for _ in arrange(desk, session):
            pass
        assert list(one.workings.layouts) == ["umap-15-0.1-42"]
        near = find.neighbours(one, 7, 10)
        assert one.known_neighbours is not None
        assert near["rows"].tolist() == one.known_neighbours.indices[7][1:11].tolist()
        alone = [step async for step in alike.outlier_steps(one, 10, 5)][-1]
        pairs = (await alike.found(one)).pairs
        kept = [step async for step in retention.whole_steps(one, ["2"], asyncio.Lock())][-1]
        assert (len(alone["rows"]), len(pairs.scores), kept["found"]["rows"]) == (5, 300 * 299 // 2, 300)
        assert found.call_count == 1


FAR = re.compile(
    r"UMAP: neighbours (\d+)%, ([\d,]+) texts a second, about (\d+) s left\..* value=\"([\d.]+)\""
)


@in_module
async def test_neighbours_tell_how_far_they_are_and_cancel_ends_them(
    worker: LayoutWorker, tmp_path: Path
) -> None:
    one = without_words(vectors(30_000, seed=11))
    async with on_screen(worker, tmp_path, one) as (desk, session):
        updates, at_s, told, process = [], [], [], None
        async for update in arrange(desk, session):
            updates.append(update)
            at_s.append(time.monotonic())
            if found := FAR.search(update[0]):
                told.append((at_s[-1] - at_s[0], *(float(one.replace(",", "")) for one in found.groups())))
            if len({share for *_, share in told}) == 3:
                process = process or worker.process_id
                await cancel(desk, session)
        shares = [share for *_, share in told]
        assert shares == sorted(shares)
        for passed_s, percent, rate, left_s, share in told:
            assert percent == pytest.approx(100 * share, abs=0.6)
            assert rate == pytest.approx(30_000 * share / passed_s, rel=0.2)
            assert left_s == pytest.approx(passed_s * (1 - share) / share, rel=0.2, abs=1)
        line, button, shown = updates[-1]
        assert "Cancelled" in line
        assert not button["visible"]
        assert json.loads(shown)["layout"] == "pca"
        assert process is not None
        assert await ended(process)
        assert one.known_neighbours is None
        assert one.workings.layouts == {}


@in_module
async def test_neighbours_nobody_waits_for_any_more_are_not_found(worker: LayoutWorker) -> None:
    await worker.warm()
    kept = Datasets(60, find_neighbours=worker.neighbours)
    one = without_words(vectors(30_000, seed=10))
    kept.put(one)
    both = [asyncio.create_task(one.neighbours()) for _ in range(2)]
    await asyncio.sleep(0.5)
    process = worker.process_id
    assert process is not None
    both[0].cancel()
    await asyncio.sleep(0.1)
    assert alive(process), "the other one still waits"
    both[1].cancel()
    await asyncio.gather(*both, return_exceptions=True)
    assert await ended(process)
    assert one.known_neighbours is None
