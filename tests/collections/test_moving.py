"""A collection to a file and back, and to another model."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedder.collections import Collection, Collections, NewText, Question
from embedder.collections.begun import begun
from embedder.collections.catalogue import MOVED_FROM
from embedder.collections.deleted import delete_whole
from embedder.collections.migrate import reembed
from embedder.collections.transfer import export_collection, import_collection
from embedder.corpus.reading import read_texts
from embedder.engine import Engine
from embedder.errors import BackendFailed, CollectionExists, ConfigError, FileUnreadable
from tests.collections.conftest import NARROW, WIDE, Runtime, rows_of
from tests.collections.stores import EVERYWHERE, opened


async def rows(collection: Collection) -> dict[str, tuple]:
    def read() -> dict[str, tuple]:
        return {
            row_id: (part.texts[n], part.documents[n], dict(part.columns[n]), part.vectors[n].tolist())
            for part in collection.table.scan()
            for n, row_id in enumerate(part.ids)
        }

    return await asyncio.to_thread(read)


async def test_a_file_holds_all_of_it(
    collections: Collections,
    filled: Collection,
    tmp_path: Path,
) -> None:
    await filled.add([NewText("三", "odd'id", columns={"s": "x", "b": True, "f": 0.5})])
    told: list[tuple[int, int]] = []
    path = tmp_path / "things.parquet"
    assert await export_collection(collections, "things", path, progress=lambda *done: told.append(done)) == 6
    assert told[-1] == (6, 6)
    assert not await asyncio.to_thread(lambda: list(tmp_path.glob(".*.part")))
    made = await import_collection(collections, "again", path)
    assert await rows(made) == await rows(filled)
    assert made.about.metadata == {"note": "n"}
    assert (made.about.model, made.about.fingerprint) == (WIDE, filled.about.fingerprint)
    assert (await made.search(Question("cat"))).hits
    with pytest.raises(CollectionExists):
        await import_collection(collections, "again", path)
    # The page reads the same file, vectors and all.
    table = read_texts(path, take_vectors=True)
    assert sorted(table.texts) == sorted(text for text, *_ in (await rows(filled)).values())
    assert (table.model, table.fingerprint) == (WIDE, filled.about.fingerprint)
    assert table.vectors is not None
    with pytest.raises(ConfigError):
        await export_collection(collections, "things", tmp_path / "none" / "out.parquet")


async def test_what_is_no_such_file_leaves_nothing(
    collections: Collections,
    filled: Collection,
    tmp_path: Path,
) -> None:
    good = tmp_path / "good.parquet"
    await export_collection(collections, "things", good)
    (tmp_path / "text.txt").write_text("no")
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "other.parquet")
    (tmp_path / "cut.parquet").write_bytes(good.read_bytes()[:-100])
    table = pq.read_table(good)
    bad = table.set_column(3, "columns", pa.array(["{"] * len(table)))
    pq.write_table(bad, tmp_path / "bad.parquet")
    for name in ("text.txt", "other.parquet", "cut.parquet", "bad.parquet", "missing.parquet"):
        with pytest.raises(FileUnreadable):
            await import_collection(collections, "new", tmp_path / name)
    assert await collections.names() == ["things"]


@EVERYWHERE
async def test_another_model_takes_over_when_all_is_embedded(
    collections: Collections,
    filled: Collection,
) -> None:
    told: list[tuple[int, int]] = []
    before = {row_id: row[:3] for row_id, row in (await rows(filled)).items()}
    assert await reembed(collections, "things", NARROW, progress=lambda *done: told.append(done)) == 5
    assert told[-1] == (5, 5)
    after = await collections.open("things")
    assert (after.about.model, after.about.dimensions) == (NARROW, 16)
    assert after.about.metadata == {"note": "n"}
    assert after.about.created == filled.about.created
    assert {row_id: row[:3] for row_id, row in (await rows(after)).items()} == before
    assert (await after.search(Question("cat"))).hits
    assert await collections.names() == ["things"]
    assert collections.store.names() == ["things"]
    assert await reembed(collections, "things", NARROW) == 0


@EVERYWHERE
async def test_it_goes_on_where_it_was_stopped_and_others_write_meanwhile(
    collections: Collections,
    filled: Collection,
    engine: Engine,
    runtimes: dict[str, Runtime],
    place: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("embedder.collections.migrate._BATCH_ROWS", 100)
    await filled.add([NewText(f"text number {n}", f"m{n}") for n in range(500)])

    def stop(done: int, total: int) -> None:
        if done >= 300:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await reembed(collections, "things", NARROW, progress=stop)
    assert (await collections.open("things")).about.model == WIDE, "the old one stays until the new is whole"
    embedded = set(runtimes[NARROW].encoded)
    assert 250 <= len(embedded) < 500
    (told,) = await begun(collections)
    assert (told.name, told.model, told.total, told.moved) == ("things", NARROW, 505, False)
    assert told.done == len(embedded)
    await filled.add([NewText("changed meanwhile", "m0"), NewText("new meanwhile", "new")])
    await filled.delete(["m1"])

    written = False

    def write(done: int, total: int) -> None:
        nonlocal written
        if not written:
            written = True
            elsewhere = opened(*place)
            other = elsewhere.open("things")
            other.upsert(rows_of({"m2": "changed at the last moment"}, vectors=np.ones((1, 32))))
            other.delete(["m3"])
            elsewhere.close()

    count = await reembed(collections, "things", NARROW, progress=write)
    assert await begun(collections) == []
    assert count < 505 - len(embedded) + 10, "what was embedded before was embedded again"
    after = await rows(await collections.open("things"))
    assert after["m0"][0] == "changed meanwhile"
    assert after["new"][0] == "new meanwhile"
    assert after["m2"][0] == "changed at the last moment"
    assert "m1" not in after
    assert "m3" not in after
    assert len(after) == 5 + 500 + 1 - 2
    assert all(len(row[3]) == 16 for row in after.values())


@EVERYWHERE
async def test_what_is_noted_when_the_new_model_takes_over_stays(
    collections: Collections,
    filled: Collection,
    place: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exchange = collections.store.replace
    elsewhere = opened(*place)

    def after_a_note(*asked: Any) -> bool:
        elsewhere.open("things").change_info(lambda info: {**info, "metadata": {"note": "late"}})
        return exchange(*asked)

    monkeypatch.setattr(collections.store, "replace", after_a_note)
    await reembed(collections, "things", NARROW)
    elsewhere.close()
    about = (await collections.open("things")).about
    assert (about.model, about.metadata) == (NARROW, {"note": "late"})
    assert about.created == filled.about.created


@pytest.mark.parametrize("with_undo", [False, True])
async def test_what_was_begun_for_another_model_goes_with_its_collection(
    collections: Collections, filled: Collection, *, with_undo: bool
) -> None:
    def stop(done: int, total: int) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await reembed(collections, "things", NARROW, progress=stop)
    assert collections.store.names() == [".things", "things"]
    if with_undo:
        gone = await delete_whole(collections, "things")
        assert collections.store.names() == [gone.id]
    else:
        await collections.delete("things")
        assert collections.store.names() == []
    # One that is on its way here from another store is no part of it.
    await collections.create("things")
    moved = {"model": WIDE, MOVED_FROM: "elsewhere"}
    await asyncio.to_thread(collections.store.create, ".things", 8, moved)
    await collections.delete("things")
    assert ".things" in collections.store.names()


async def test_a_text_that_the_new_model_cannot_embed_leaves_the_old(
    collections: Collections,
    filled: Collection,
    runtimes: dict[str, Runtime],
) -> None:
    vector = np.ones((1, 32), dtype=np.float32)
    await filled.add([NewText("impossible", "i")], vectors=vector)
    with pytest.raises(BackendFailed, match="stays as it was"):
        await reembed(collections, "things", NARROW)
    assert (await collections.open("things")).about.model == WIDE
    await filled.delete(["i"])
    await reembed(collections, "things", NARROW)
    assert (await collections.open("things")).about.model == NARROW
