"""A collection from one store to another: all of it or nothing, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from embedder.collections import Collection, Collections, NewText, Question, parse_filter
from embedder.collections.begun import Begun, begun
from embedder.collections.moving import Checksum, move
from embedder.collections.rows import Rows
from embedder.collections.store import Table
from embedder.errors import BackendFailed, CollectionExists, InvalidInput, StoreFailed, UnknownCollection
from tests.collections.conftest import WIDE, rows_of
from tests.collections.stores import new_place, opened

OTHERS = ["postgres", "milvus"]


@pytest.fixture(params=OTHERS)
async def other(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Collections]:
    place = new_place(request.param, request, tmp_path, shared=True)
    async with Collections(opened(request.param, place), None) as made:
        yield made


def checksum(table: Table) -> str:
    made = Checksum()
    for rows in table.scan():
        made.add(rows)
    return made.hexadecimal


async def test_there_and_back_it_is_the_same(
    collections: Collections, filled: Collection, other: Collections
) -> None:
    odd = {"s": "it's", "b": True, "n": 2**62, "f": 1e300, "東京": "\\ \n", "zero": -0.0, "whole": 1.0}
    await filled.add([NewText("三 'quoted'\n", "odd'id", columns=odd)])
    told: list[tuple[str, int, int]] = []
    moved = await move(collections, "things", other, "there", progress=lambda *done: told.append(done))
    assert moved.count == 6
    assert told[-1] == ("comparing", 12, 12)
    assert ("copying", 6, 6) in told
    there = await other.open("there")
    assert there.about.metadata == {"note": "n"}
    assert (there.about.model, there.about.fingerprint) == (WIDE, filled.about.fingerprint)
    assert there.about.created == filled.about.created
    assert other.store.names() == ["there"]
    vector = (await filled.embed(["a dog barks"]))[0]
    assert (await there.search(Question(vector=vector))).hits[0].row.id == "t4"
    assert await there.count(parse_filter({"type": "eq", "key": "n", "value": 2**62})) == 1
    with pytest.raises(CollectionExists):
        await move(other, "there", collections, "things")
    back = await move(other, "there", collections, "back", delete=True)
    assert back == moved
    assert await other.names() == []
    returned = await collections.open("back")
    assert checksum(returned.table) == checksum(filled.table) == moved.checksum
    assert (await returned.get(["odd'id"]))[0].columns == odd
    assert {name: type(value) for name, value in (await returned.get(["odd'id"]))[0].columns.items()} == {
        name: type(value) for name, value in odd.items()
    }


async def test_it_goes_on_where_it_was_stopped_and_others_write_meanwhile(
    collections: Collections, filled: Collection, other: Collections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedder.collections.moving._BATCH_ROWS", 100)
    many = [f"text number {n}" for n in range(500)]
    await filled.add([NewText(text, text) for text in many], vectors=np.ones((500, 32), dtype=np.float32))

    def stop(stage: str, done: int, total: int) -> None:
        if done >= 300:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await move(collections, "things", other, progress=stop)
    assert await other.names() == []
    with pytest.raises(UnknownCollection):
        await other.open("things")
    (hidden,) = other.store.names()
    assert 250 <= other.store.open(hidden).count() <= 400, "what was copied stays"
    await filled.delete([many[0]])

    written = 0

    def write(stage: str, done: int, total: int) -> None:
        nonlocal written
        written += 1
        if written == 2:
            filled.table.upsert(rows_of({many[1]: "changed"}, vectors=np.full((1, 32), 2.0)))
        if stage == "comparing" and filled.table.count() < 505:
            filled.table.upsert(rows_of({"last": "at the last moment"}, vectors=np.full((1, 32), 3.0)))

    moved = await move(collections, "things", other, progress=write)
    there = await other.open("things")
    assert moved.count == await there.count() == 505
    assert await there.get([many[0]]) == []
    assert [row.text for row in await there.get([many[1], "last"])] == ["changed", "at the last moment"]
    assert checksum(there.table) == checksum(filled.table) == moved.checksum


async def test_what_was_begun_of_another_collection_is_begun_anew(
    collections: Collections, filled: Collection, other: Collections
) -> None:
    left = other.store.create(".things", 32, {"moved_from": "another"})
    left.upsert(rows_of(["of another"], vectors=np.ones((1, 32))))
    assert await begun(other) == [Begun("things", "", 1, None, True)]
    assert (await move(collections, "things", other)).count == 5
    assert await begun(other) == []


async def test_a_store_that_gives_back_other_than_was_put_in_is_found_out(
    collections: Collections, filled: Collection, other: Collections, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = type(other.store.create("any", 2, {}))
    whole = kind.upsert

    def lossy(self: Table, rows: Rows) -> int:
        halves = np.float16(rows.vectors).astype(np.float32)
        return whole(self, Rows(rows.ids, rows.texts, rows.documents, rows.columns, halves))

    monkeypatch.setattr(kind, "upsert", lossy)
    with pytest.raises(StoreFailed, match="Nothing was moved"):
        await move(collections, "things", other, delete=True)
    assert await other.names() == ["any"]
    assert await filled.count() == 5


async def test_nothing_is_deleted_that_was_written_when_all_was_compared(
    collections: Collections, filled: Collection, other: Collections, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = type(other.store)
    rename = kind.rename

    def late(self: object, name: str, new: str) -> None:
        rename(self, name, new)
        filled.table.delete(["t0"])

    monkeypatch.setattr(kind, "rename", late)
    with pytest.raises(BackendFailed, match="not deleted"):
        await move(collections, "things", other, delete=True)
    assert await filled.count() == 4
    assert await (await other.open("things")).count() == 5


async def test_names_are_checked(collections: Collections, filled: Collection, other: Collections) -> None:
    with pytest.raises(UnknownCollection):
        await move(collections, "none", other)
    with pytest.raises(InvalidInput):
        await move(collections, "things", other, "../x")
    assert other.store.names() == []


def test_the_sum_sees_every_difference() -> None:
    rows = rows_of(["a", "b"], columns=[{"n": 1}, {"t": True}])

    def summed(*parts: Rows) -> str:
        made = Checksum()
        for part in parts:
            made.add(part)
        return made.hexadecimal

    whole = summed(rows)
    assert summed(rows.take([1]), rows.take([0])) == whole
    close = rows.vectors.copy()
    close[0, 0] = np.nextafter(close[0, 0], np.float32(9))
    for other in (
        Rows(["a", "c"], rows.texts, rows.documents, rows.columns, rows.vectors),
        Rows(rows.ids, ["a", "B"], rows.documents, rows.columns, rows.vectors),
        Rows(rows.ids, rows.texts, ["", "d"], rows.columns, rows.vectors),
        Rows(rows.ids, rows.texts, rows.documents, [{"n": 1.0}, {"t": True}], rows.vectors),
        Rows(rows.ids, rows.texts, rows.documents, [{"n": 1}, {"t": 1}], rows.vectors),
        Rows(rows.ids, rows.texts, rows.documents, rows.columns, close),
        rows.take([0]),
        rows.take([0, 1, 1]),
        Rows(rows.ids, rows.texts, rows.documents, rows.columns, rows.vectors[::-1]),
    ):
        assert summed(other) != whole
