"""Kept maps follow what others write to their collections, some time after the last write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from embedder.collections import Collections, NewText
from embedder.collections.kept_map import KeptMap
from embedder.collections.map_rows import is_of_now
from embedder.collections.map_upkeep import MapUpkeep
from embedder.collections.maps import KeptMaps

from .stores import opened
from .test_maps import CACHE, NAME, kept_elsewhere

REST_S = 2.0


def given(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 6)).astype(np.float32)


def texts(first: int, last: int) -> list[NewText]:
    return [NewText(f"text {number}", f"t{number}") for number in range(first, last)]


@pytest.fixture
async def mapped(place: tuple[str, str], tmp_path: Path) -> AsyncIterator[Collections]:
    """Two collections, of one of which a map is kept."""
    async with Collections(opened(*place), None, KeptMaps(tmp_path / "maps", place[1])) as made:
        for name in (NAME, "other"):
            collection = await made.create_for_vectors(name, 6)
            vectors = given(100, 1)
            vectors[5] = 0
            await collection.add(texts(0, 100), vectors=vectors)
        await kept_elsewhere(made)
        yield made


async def test_a_map_follows_once_nobody_writes(
    mapped: Collections, place: tuple[str, str], tmp_path: Path
) -> None:
    upkeep = MapUpkeep(mapped, CACHE, rest_s=REST_S)
    async with Collections(opened(*place), None) as elsewhere:
        theirs = await elsewhere.open(NAME)
        totals = []
        for last in (100, 110, 120):  # by another process, so to speak
            await theirs.add(texts(100, last), vectors=given(last - 100, 2))
            for wait_s in (0, REST_S / 2) if last < 120 else (0, REST_S, REST_S):
                await asyncio.sleep(wait_s)
                await upkeep.look()
            totals.append(_kept(mapped).head.total)
        assert totals == [100, 100, 120]
        assert is_of_now(_kept(mapped), theirs.table)
    assert mapped.maps is not None
    assert not mapped.maps.has("other")
    assert not mapped.mapping


async def test_a_map_that_cannot_follow_waits_for_the_next_write(mapped: Collections, tmp_path: Path) -> None:
    upkeep = MapUpkeep(mapped, CACHE, rest_s=0)
    collection, before = await mapped.open(NAME), _kept(mapped)
    await collection.delete([f"t{number}" for number in range(100)])
    for _ in range(3):
        await upkeep.look()
    assert _kept(mapped).folder == before.folder, "of no text there is no map"
    await collection.add(texts(0, 90), vectors=given(90, 1))
    upkeep._not_before_s = 0
    mapped.mapping.add("other")  # one at a time
    for _ in range(2):
        await upkeep.look()
    assert _kept(mapped).folder == before.folder
    mapped.mapping.clear()
    await upkeep.look()
    assert _kept(mapped).head.total == 90


async def test_one_process_at_a_time_brings_maps_up_to_date(mapped: Collections) -> None:
    one, other = (MapUpkeep(mapped, CACHE, rest_s=0) for _ in range(2))
    assert mapped.maps is not None
    before = _kept(mapped)
    await (await mapped.open(NAME)).delete(["t1"])
    await other.look()
    await one.look()
    with mapped.maps.keepers_lock():  # held by a process of another machine, so to speak
        await other.look()
        assert _kept(mapped).folder == before.folder
    await one.look()
    after = _kept(mapped)
    assert after.head.total == 99
    await other.look()
    assert _kept(mapped).folder == after.folder, "and what one has done the other does not do again"


async def test_it_ends_with_the_server(mapped: Collections, tmp_path: Path) -> None:
    upkeep = MapUpkeep(mapped, CACHE, rest_s=0)
    before = _kept(mapped)
    await (await mapped.open(NAME)).delete(["t1"])
    await upkeep.look()
    work = asyncio.create_task(upkeep.look())
    for _ in range(20_000):
        if mapped.mapping:
            break
        await asyncio.sleep(0.001)
    assert mapped.mapping
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert not mapped.mapping
    assert _kept(mapped).folder == before.folder
    assert not [path for path in (tmp_path / "maps").iterdir() if path.name.startswith("~")]


def _kept(collections: Collections) -> KeptMap:
    assert collections.maps is not None
    kept = collections.maps.load(NAME, collections._held[NAME].about)
    assert kept is not None
    return kept
