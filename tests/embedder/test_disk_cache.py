"""Vectors on disk: whole or not at all, whatever happens to the process or the file."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from embedder.cache import TwoLevelCache
from embedder.disk_cache import DiskCache
from embedder.types import KnownVector
from tests.embedder.conftest import EngineMaker, WatchedBackend, direct

PLENTY_BYTES = 64 * 2**20


def key_of(number: int) -> bytes:
    return number.to_bytes(32, "big")


def known(number: int, dimensions: int = 384) -> KnownVector:
    vector = np.random.default_rng(number).standard_normal(dimensions, dtype=np.float32)
    return KnownVector(vector, prompt_tokens=number, truncated=number % 2 == 1)


def assert_is(found: KnownVector | None, number: int) -> None:
    assert found is not None
    assert np.array_equal(found.vector, known(number).vector)
    assert (found.prompt_tokens, found.truncated) == (number, number % 2 == 1)
    assert not found.vector.flags.writeable


def file_of(folder: Path) -> Path:
    (path,) = folder.glob("*.sqlite3")
    return path


def held_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., DiskCache]]:
    """A cache in the test's folder, closed in the end."""
    caches: list[DiskCache] = []

    def open_(max_bytes: int = PLENTY_BYTES, folder: Path = tmp_path / "vectors") -> DiskCache:
        caches.append(DiskCache(folder, max_bytes))
        return caches[-1]

    yield open_
    for cache in caches:
        cache.close(5)


def fill(opened: Callable[..., DiskCache], numbers: range, **options: int) -> None:
    cache = opened(**options)
    for number in numbers:
        cache.put(key_of(number), known(number))
    cache.close(10)


def test_what_was_put_is_there_for_the_next_process(opened: Callable[..., DiskCache], tmp_path: Path) -> None:
    fill(opened, range(1500))
    found = opened().get_many([key_of(number) for number in range(2000)])
    assert len(found) == 1500
    for number in (0, 1, 1499):
        assert_is(found.get(key_of(number)), number)


def test_the_folder_is_private(opened: Callable[..., DiskCache], tmp_path: Path) -> None:
    fill(opened, range(1))
    assert stat.S_IMODE((tmp_path / "vectors").stat().st_mode) == 0o700


def test_the_least_recently_used_go_first_and_the_size_is_bounded(
    opened: Callable[..., DiskCache], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_bytes = 8 * 2**20
    clock_s = time.time()
    monkeypatch.setattr("embedder.disk_cache.time.time", lambda: clock_s)
    fill(opened, range(4000), max_bytes=limit_bytes)
    clock_s += 10_000
    cache = opened(max_bytes=limit_bytes)
    assert len(cache.get_many([key_of(number) for number in range(100)])) == 100
    cache.close(5)
    for first in range(4000, 11_500, 1500):
        clock_s += 10
        fill(opened, range(first, first + 1500), max_bytes=limit_bytes)
        assert file_of(tmp_path / "vectors").stat().st_size <= limit_bytes
        assert held_bytes(tmp_path / "vectors") <= limit_bytes + 16 * 2**20  # the log, of a few transactions
        used = opened().get_many([key_of(number) for number in range(100)])
        unused = opened().get_many([key_of(number) for number in range(100, 4000)])
        if first == 4000:
            assert len(used) == 100
            assert len(unused) < 3900
    newest = opened().get_many([key_of(number) for number in range(10_000, 11_500)])
    assert len(newest) == 1500
    assert not used


def test_a_bound_that_was_lowered_is_kept_from_then_on(
    opened: Callable[..., DiskCache], tmp_path: Path
) -> None:
    fill(opened, range(6000))
    file = file_of(tmp_path / "vectors")
    assert file.stat().st_size > 8 * 2**20
    fill(opened, range(6000, 6001), max_bytes=4 * 2**20)
    assert file.stat().st_size <= 4 * 2**20
    assert held_bytes(tmp_path / "vectors") <= 5 * 2**20
    kept = opened(max_bytes=4 * 2**20).get_many([key_of(number) for number in range(6001)])
    assert len(kept) > 1000
    assert_is(kept[key_of(6000)], 6000)


@pytest.mark.parametrize("damage", ["other bytes", "cut", "another key's", "not bytes", "empty"])
def test_a_damaged_row_is_not_known(damage: str, opened: Callable[..., DiskCache], tmp_path: Path) -> None:
    fill(opened, range(3))
    with sqlite3.connect(file_of(tmp_path / "vectors")) as connection:
        (row,) = connection.execute("SELECT row FROM vectors WHERE key = ?", (key_of(1),)).fetchone()
        (other,) = connection.execute("SELECT row FROM vectors WHERE key = ?", (key_of(2),)).fetchone()
        changed = {
            "other bytes": row[:100] + bytes([row[100] ^ 1]) + row[101:],
            "cut": row[:-4],
            "another key's": other,
            "not bytes": "words",
            "empty": b"",
        }[damage]
        connection.execute("UPDATE vectors SET row = ? WHERE key = ?", (changed, key_of(1)))
    found = opened().get_many([key_of(number) for number in range(3)])
    assert set(found) == {key_of(0), key_of(2)}
    assert_is(found[key_of(0)], 0)


@pytest.mark.parametrize("damage", ["not a database", "middle overwritten"])
def test_a_damaged_file_is_begun_anew(
    damage: str, opened: Callable[..., DiskCache], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(opened, range(2000))
    path = file_of(tmp_path / "vectors")
    size = path.stat().st_size
    with path.open("r+b") as file:
        if damage == "middle overwritten":
            file.seek(16_384)
        file.write(os.urandom(size if damage == "not a database" else size - 16_384))
    cache = opened()
    keys = [key_of(number) for number in range(2000)]
    with caplog.at_level(logging.ERROR, "embedder"):
        assert cache.get_many(keys) == {}
    assert "damaged" in caplog.text
    cache.put(key_of(7), known(7))
    cache.close(5)
    assert_is(opened().get_many(keys).get(key_of(7)), 7)


def test_a_damaged_file_is_begun_anew_once_and_every_process_goes_on_in_the_new_one(
    opened: Callable[..., DiskCache], tmp_path: Path
) -> None:
    fill(opened, range(2000))
    keys = [key_of(number) for number in range(2000)]
    one, other = opened(), opened()
    assert len(other.get_many(keys[:1])) == 1, "it has the file open"
    path = file_of(tmp_path / "vectors")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(16_384)
        file.write(os.urandom(size - 16_384))
    assert one.get_many(keys) == {}
    one.put(key_of(7), known(7))
    one.close(5)
    other._begin_anew()  # as if it had seen the same damage at the same time
    assert_is(other.get_many([key_of(7)]).get(key_of(7)), 7)
    other.put(key_of(8), known(8))
    other.close(5)
    assert_is(opened().get_many([key_of(8)]).get(key_of(8)), 8)


def test_a_folder_that_cannot_be_made_ends_the_level_and_no_request(
    opened: Callable[..., DiskCache], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    cache = opened(folder=tmp_path / "file" / "vectors")
    with caplog.at_level(logging.ERROR, "embedder"):
        assert cache.get_many([key_of(1)]) == {}
    assert "is off" in caplog.text
    cache.put(key_of(1), known(1))
    assert cache.get_many([key_of(1)]) == {}


def test_more_than_the_disk_can_take_is_let_go(opened: Callable[..., DiskCache], tmp_path: Path) -> None:
    fill(opened, range(1))
    with sqlite3.connect(file_of(tmp_path / "vectors"), isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        cache = opened()
        for number in range(25_000):
            cache.put(key_of(number), known(number % 50, 2))
        assert cache._waiting.qsize() <= 20_000
        other.execute("ROLLBACK")


_WRITES_UNTIL_KILLED = """
import sys
from pathlib import Path
from tests.embedder.test_disk_cache import PLENTY_BYTES, key_of, known
from embedder.disk_cache import DiskCache

cache = DiskCache(Path(sys.argv[1]), PLENTY_BYTES)
first = int(sys.argv[2])
for number in range(first, first + int(sys.argv[3])):
    cache.put(key_of(number), known(number))
if sys.argv[4] == "close":
    cache.close(30)
else:
    while True:
        print(len(cache.get_many([key_of(number) for number in range(first, number)])), flush=True)
"""


def writer(folder: Path, first: int, count: int, end: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _WRITES_UNTIL_KILLED, str(folder), str(first), str(count), end]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_killed_process_leaves_a_readable_file(opened: Callable[..., DiskCache], tmp_path: Path) -> None:
    process = writer(tmp_path / "vectors", 0, 15_000, "wait")
    assert process.stdout is not None
    while int(process.stdout.readline()) < 2000:
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    found = opened().get_many([key_of(number) for number in range(15_000)])
    assert len(found) >= 2000
    for key, vector in found.items():
        assert_is(vector, int.from_bytes(key, "big"))


def test_several_processes_share_a_folder(opened: Callable[..., DiskCache], tmp_path: Path) -> None:
    processes = [writer(tmp_path / "vectors", 3000 * number, 3000, "close") for number in range(3)]
    for process in processes:
        assert process.wait(60) == 0
        assert process.stdout is not None
        process.stdout.close()
    found = opened().get_many([key_of(number) for number in range(9000)])
    assert len(found) == 9000
    assert_is(found[key_of(8999)], 8999)


async def test_a_restarted_engine_computes_nothing_again(engine_of: EngineMaker, tmp_path: Path) -> None:
    texts = [f"text number {number} of several" for number in range(40)] + ["long " * 100]
    settings = {"cache_dir": tmp_path, "disk_cache_bytes": PLENTY_BYTES}
    async with engine_of(WatchedBackend(), **settings) as engine:
        first = await engine.embed(texts)
    backend = WatchedBackend()
    async with engine_of(backend, **settings) as engine:
        second = await engine.embed([*texts[::-1], "a new one"])
        third = await engine.embed(texts)
        exposed = engine.metrics.exposition().decode()
    assert backend.computed == ["a new one"]
    assert np.array_equal(second.vectors[:-1], first.vectors[::-1])
    assert np.array_equal(second.prompt_tokens[:-1], first.prompt_tokens[::-1])
    assert (first.truncated, second.truncated, third.truncated) == ((40,), (0,), (40,))
    assert (first.cached, second.cached, third.cached) == (0, 41, 41)
    assert 'tessera_cache_hits_total{model="hashing/watched"} 82.0' in exposed
    assert 'tessera_disk_cache_hits_total{model="hashing/watched"} 41.0' in exposed
    np.testing.assert_allclose(second.vectors[-1:], direct(["a new one"]), atol=1e-6)


async def test_a_disk_that_hangs_is_waited_for_once_and_holds_nobody_up(
    engine_of: EngineMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = threading.Event()
    asked: list[int] = []

    def hanging(self: DiskCache, keys: Sequence[bytes]) -> dict[bytes, KnownVector]:
        asked.append(len(keys))
        assert hangs.wait(30)
        return {}

    monkeypatch.setattr(DiskCache, "get_many", hanging)
    monkeypatch.setattr(TwoLevelCache.fetch, "__defaults__", (0.2,))
    async with engine_of(WatchedBackend(), cache_dir=tmp_path, disk_cache_bytes=PLENTY_BYTES) as engine:
        many = [f"a text that is tokenised in a thread, number {number}" for number in range(20)]
        for texts in (["one"], many, ["another"]):
            answer = await asyncio.wait_for(engine.embed(texts), 5)
            np.testing.assert_allclose(answer.vectors, direct(texts), atol=1e-6)
        assert asked == [1]
        hangs.set()
        async with asyncio.timeout(5):
            while len(asked) == 1:  # what hung has to end before the disk is asked again
                await engine.embed([f"a new one, {time.monotonic_ns()}"])
        assert asked == [1, 1]


async def test_nothing_is_written_unless_asked_for(engine_of: EngineMaker, tmp_path: Path) -> None:
    async with engine_of(WatchedBackend(), cache_dir=tmp_path) as engine:
        await engine.embed(["some words"])
    assert not os.listdir(tmp_path)


async def test_no_text_is_on_the_disk(engine_of: EngineMaker, tmp_path: Path) -> None:
    async with engine_of(WatchedBackend(), cache_dir=tmp_path, disk_cache_bytes=PLENTY_BYTES) as engine:
        await engine.embed(["unmistakable secret words"])
    written = all_bytes(tmp_path)
    assert len(written) > 1000
    assert b"secret" not in written


async def test_another_model_does_not_get_these_vectors(engine_of: EngineMaker, tmp_path: Path) -> None:
    settings = {"cache_dir": tmp_path, "disk_cache_bytes": PLENTY_BYTES}
    async with engine_of(WatchedBackend(), **settings) as engine:
        await engine.embed(["words"])
    backend = WatchedBackend(dimensions=48)
    async with engine_of(backend, **settings) as engine:
        answer = await engine.embed(["words"])
    assert backend.computed == ["words"]
    np.testing.assert_allclose(answer.vectors, direct(["words"], dimensions=48), atol=1e-6)
