"""Texts in columns into a collection and out of it, a sample of many, and deleting that can be undone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.collections import Collection, Collections, NewText, Question
from embedder.collections import deleted as bin_
from embedder.collections.drawing import columns_of, draw
from embedder.collections.keeping import add_with_vectors, keep, new_texts
from embedder.collections.lance.files import writers_lock
from embedder.collections.lance.store import LanceStore
from embedder.collections.rows import Row, content_id
from embedder.collections.store import Info
from embedder.errors import CollectionBusy, CollectionExists, InvalidInput, ModelMismatch, UnknownCollection

from .conftest import TEXTS, rows_of, vectors_of
from .stores import EVERYWHERE, opened

MADE_BY = "a model", "its fingerprint"


async def kept(collections: Collections, texts: list[str], **columns: list[str]) -> Collection:
    return await keep(collections, "kept", new_texts(texts, columns), vectors_of(texts), MADE_BY)


async def rows_in(collection: Collection) -> dict[str, Row]:
    ids = [row_id for some in collection.table.ids() for row_id in some]
    return {row.id: row for row in await collection.get(ids, vectors=True)}


@EVERYWHERE
async def test_kept_texts_come_back_as_they_were(collections: Collections) -> None:
    texts = [*TEXTS, TEXTS[0]]  # one of them twice
    columns = {"year": ["1", "2", "3", "4", "5", "6"], "mood": ["a", "", "b", "b", "007", ""]}
    told: list[tuple[int, int]] = []
    new = new_texts(texts, columns)
    made = await keep(
        collections, "kept", new, vectors_of(texts), MADE_BY, progress=lambda *at: told.append(at)
    )
    assert (made.about.model, made.about.fingerprint) == MADE_BY
    assert told == [(6, 6)]
    drawn = await draw(made, 100, 10_000)
    assert (drawn.total, drawn.undirected, len(drawn.rows)) == (6, 0, 6)
    back = dict(zip(drawn.rows.ids, drawn.rows.texts, strict=True))
    assert sorted(back.values()) == sorted(texts), "a text that is there twice stays twice"
    np.testing.assert_array_equal(drawn.rows.vectors, vectors_of(drawn.rows.texts))
    written = columns_of(drawn.rows, 40)
    assert set(written) == {"year", "mood"}, "ids of the content are no column"
    place = drawn.rows.texts.index("sun in the morning")
    assert (written["year"][place], written["mood"][place]) == ("4", "b")
    assert drawn.rows.columns[place]["year"] == 4
    again = await add_with_vectors(made, new, vectors_of(texts), MADE_BY)
    assert (again.new, again.replaced) == (0, 6)


async def test_ids_and_documents_are_what_they_are_called(collections: Collections) -> None:
    made = await kept(collections, TEXTS[:3], id=["x", "y", "z"], document=["d", "", "d"], n=["1", "2", "3"])
    rows = await rows_in(made)
    assert {row_id: (row.text, row.document, dict(row.columns)) for row_id, row in rows.items()} == {
        "x": (TEXTS[0], "d", {"n": 1}),
        "y": (TEXTS[1], "", {"n": 2}),
        "z": (TEXTS[2], "d", {"n": 3}),
    }
    drawn = await draw(made, 10, 10_000)
    columns = columns_of(drawn.rows, 40)
    assert sorted(columns["id"]) == ["x", "y", "z"]
    assert sorted(columns["document"]) == ["", "d", "d"]
    assert new_texts(drawn.rows.texts, columns)[0].id in {"x", "y", "z"}


@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=12), st.booleans())
def test_every_row_has_an_id_of_its_own(texts: list[str], numbered: bool) -> None:
    ids = ["1"] * len(texts) if numbered else []
    new = new_texts(texts, {"id": ids} if numbered else {})
    assert len({one.id for one in new}) == len(texts)
    assert [one.text for one in new] == texts
    if not numbered or len(texts) > 1:
        assert new[0].id == content_id(texts[0])


@EVERYWHERE
async def test_what_fails_or_is_cancelled_leaves_nothing(collections: Collections) -> None:
    with pytest.raises(InvalidInput):
        await keep(collections, "kept", [NewText(" ")], vectors_of(["x"]), MADE_BY)
    assert await collections.names() == []
    many = [f"text {n}" for n in range(10_000)]
    begun = asyncio.Event()
    job = asyncio.create_task(
        keep(collections, "kept", new_texts(many, {}), vectors_of(many), progress=lambda *_: begun.set())
    )
    await begun.wait()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert await collections.names() == []


async def test_vectors_of_another_model_are_refused_in_a_sentence(collections: Collections) -> None:
    made = await kept(collections, TEXTS)
    for other in (("another", "of another"), ("", "")):
        with pytest.raises(ModelMismatch, match="was made by a model"):
            await add_with_vectors(made, new_texts(["new"], {}), vectors_of(["new"]), other)
    assert await made.count() == 5


async def test_of_many_a_sample_is_drawn_the_same_each_time(collections: Collections) -> None:
    many = [f"text {n}" for n in range(12_000)]
    vectors = np.ones((len(many), 8), dtype=np.float32)
    vectors[::4] = 0
    made = await keep(collections, "kept", new_texts(many, {}), vectors)
    told: list[int] = []
    drawn = await draw(made, 1000, 10**6, progress=lambda done, _: told.append(done))
    assert drawn.total == 12_000
    assert told[-1] == 12_000
    assert len(drawn.rows) + drawn.undirected == 1000
    assert 200 < drawn.undirected < 300, "a quarter of them has no direction"
    numbers = np.array([int(text.split()[1]) for text in drawn.rows.texts])
    assert len(set(drawn.rows.ids)) == len(drawn.rows)
    assert np.histogram(numbers, 4, (0, 12_000))[0].min() > 140, "from all over"
    assert (await draw(made, 1000, 10**6)).rows.ids == drawn.rows.ids
    short = await draw(made, 1000, 2000)
    assert 1500 < sum(map(len, short.rows.texts)) <= 2000
    assert set(short.rows.ids) < set(drawn.rows.ids)


@EVERYWHERE
async def test_deleted_texts_come_back_with_their_vectors(collections: Collections) -> None:
    made = await kept(collections, TEXTS, id=list("abcde"), n=list("12345"))
    before = await rows_in(made)
    gone = await bin_.delete_texts(collections, "kept", ["a", "c", "a", "nothing"])
    assert gone is not None
    assert (gone.collection, gone.whole, gone.count) == ("kept", False, 2)
    assert set(await rows_in(made)) == set("bde")
    assert await collections.names() == ["kept"]
    assert [(one.id, one.count) for one in await bin_.deleted(collections)] == [(gone.id, 2)]
    # What is written anew meanwhile stays as it is.
    await asyncio.to_thread(made.table.upsert, rows_of({"a": "written anew"}))
    back = await bin_.undo(collections, gone.id)
    assert (back.collection, back.put_back, back.stayed) == ("kept", 1, 1)
    after = await rows_in(made)
    assert after["a"].text == "written anew"
    assert (after["c"].text, dict(after["c"].columns)) == (before["c"].text, dict(before["c"].columns))
    np.testing.assert_array_equal(after["c"].vector, before["c"].vector)  # type: ignore[arg-type]
    assert await bin_.deleted(collections) == []
    with pytest.raises(InvalidInput, match="gone for good"):
        await bin_.undo(collections, gone.id)
    assert await bin_.delete_texts(collections, "kept", ["nothing"]) is None


@EVERYWHERE
async def test_what_others_write_while_texts_are_deleted_comes_back_too(
    collections: Collections, place: tuple[str, str]
) -> None:
    made = await kept(collections, TEXTS, id=list("abcde"))

    def write(done: int, total: int) -> None:  # once they are copied, before they are deleted
        elsewhere = opened(*place)
        other = elsewhere.open("kept")
        other.upsert(rows_of({"a": "changed meanwhile"}))
        other.delete(["b"])
        elsewhere.close()

    gone = await bin_.delete_texts(collections, "kept", ["a", "b", "c"], progress=write)
    assert gone is not None
    assert gone.count == 2
    assert set(await rows_in(made)) == set("de")
    assert (await bin_.undo(collections, gone.id)).put_back == 2
    after = await rows_in(made)
    assert set(after) == set("acde"), "another deleted b for good"
    assert after["a"].text == "changed meanwhile"
    assert after["a"].vector is not None
    np.testing.assert_array_equal(after["a"].vector, vectors_of(["changed meanwhile"])[0])


async def test_texts_that_could_not_be_deleted_are_not_there_twice(
    collections: Collections, tmp_path: Path
) -> None:
    await kept(collections, TEXTS, id=list("abcde"))
    impatient = Collections(LanceStore(tmp_path / "store", lock_wait_s=0.1), None)
    with writers_lock(tmp_path / "store", "kept"), pytest.raises(CollectionBusy):
        await bin_.delete_texts(impatient, "kept", ["a"])
    assert await bin_.deleted(impatient) == []
    await impatient.close()


@EVERYWHERE
async def test_what_is_noted_while_a_collection_is_deleted_comes_back_with_it(
    collections: Collections, place: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await kept(collections, TEXTS)
    change, elsewhere = made.table.change_info, opened(*place)

    def after_a_note(wanted: Callable[[Info], Info]) -> Info:
        elsewhere.open("kept").change_info(lambda info: {**info, "metadata": {"note": "late"}})
        return change(wanted)

    monkeypatch.setattr(made.table, "change_info", after_a_note)
    gone = await bin_.delete_whole(collections, "kept")
    await bin_.undo(collections, gone.id)
    elsewhere.close()
    about = await (await collections.open("kept")).read_about()
    assert about.metadata == {"note": "late"}
    assert "deleted" not in (await collections.open("kept")).table.info


@EVERYWHERE
async def test_a_deleted_collection_comes_back_whole(collections: Collections) -> None:
    made = await kept(collections, TEXTS, mood=list("abcde"))
    about, before = made.about, await rows_in(made)
    gone = await bin_.delete_whole(collections, "kept")
    assert (gone.whole, gone.count) == (True, 5)
    assert await collections.names() == []
    with pytest.raises(UnknownCollection):
        await collections.open("kept")
    (listed,) = await bin_.deleted(collections)
    assert (listed.collection, listed.whole, listed.count) == ("kept", True, 5)
    back = await bin_.undo(collections, gone.id)
    assert (back.collection, back.put_back) == ("kept", 5)
    again = await collections.open("kept")
    assert again.about == about
    after = await rows_in(again)
    assert {row_id: row.text for row_id, row in after.items()} == {
        row_id: row.text for row_id, row in before.items()
    }
    found = await again.search(Question("barks", mode="keyword"))
    assert [hit.row.text for hit in found.hits] == ["a dog barks"]
    assert await bin_.deleted(collections) == []


@EVERYWHERE
async def test_a_name_that_was_taken_meanwhile_is_not_overwritten(collections: Collections) -> None:
    await kept(collections, TEXTS)
    gone = await bin_.delete_whole(collections, "kept")
    await kept(collections, ["another one"])
    with pytest.raises(CollectionExists):
        await bin_.undo(collections, gone.id)
    assert await (await collections.open("kept")).count() == 1
    assert [one.id for one in await bin_.deleted(collections)] == [gone.id]
    await collections.delete("kept")
    assert (await bin_.undo(collections, gone.id)).put_back == 5


@EVERYWHERE
async def test_texts_wait_for_their_collection(collections: Collections) -> None:
    await kept(collections, TEXTS, id=list("abcde"))
    texts = await bin_.delete_texts(collections, "kept", ["a"])
    whole = await bin_.delete_whole(collections, "kept")
    assert texts is not None
    with pytest.raises(InvalidInput, match="put it back first"):
        await bin_.undo(collections, texts.id)
    assert [one.id for one in await bin_.deleted(collections)] == [whole.id, texts.id]
    await bin_.undo(collections, whole.id)
    assert (await bin_.undo(collections, texts.id)).put_back == 1
    assert await (await collections.open("kept")).count() == 5


@EVERYWHERE
async def test_texts_of_a_collection_that_moved_are_embedded_again(
    filled: Collection, collections: Any
) -> None:
    from embedder.collections.migrate import reembed

    from .conftest import NARROW

    gone = await bin_.delete_texts(collections, "things", ["t1"])
    assert gone is not None
    await reembed(collections, "things", NARROW)
    assert (await bin_.undo(collections, gone.id)).put_back == 1
    (row,) = await (await collections.open("things")).get(["t1"], vectors=True)
    assert row.text == TEXTS[1]
    assert row.vector is not None
    assert row.vector.shape == (16,)


@EVERYWHERE
async def test_what_was_deleted_long_ago_goes(
    collections: Collections, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kept(collections, TEXTS, id=list("abcde"))
    old = await bin_.delete_texts(collections, "kept", ["a"])
    now = time.time()
    monkeypatch.setattr(bin_.time, "time", lambda: now + bin_.KEPT_S + 5)
    new = await bin_.delete_texts(collections, "kept", ["b"])
    assert old is not None
    assert new is not None
    assert [one.id for one in await bin_.deleted(collections)] == [new.id]
    monkeypatch.setattr(bin_, "MOST_KEPT", 0)
    await bin_.sweep(collections)
    assert await asyncio.to_thread(collections.store.names) == ["kept"]


@pytest.mark.parametrize("wanted", ["kept", ".kept", "", "..deleted-1-x", "../../etc", None, 3])
async def test_nothing_else_can_be_put_back(collections: Collections, wanted: Any) -> None:
    await kept(collections, TEXTS)
    with pytest.raises(InvalidInput):
        await bin_.undo(collections, wanted)


@pytest.mark.parametrize("fails", ["write_manifest", "copytree"])
def test_an_exchange_that_is_broken_off_leaves_both_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    from embedder.collections.lance import store as module
    from embedder.collections.store import Table

    def texts(table: Table) -> set[str]:
        return {text for rows in table.scan() for text in rows.texts}

    store = module.LanceStore(tmp_path)
    one, other = store.create("one", 8, {}), store.create("other", 8, {"of": "other"})
    one.upsert(rows_of(TEXTS[:1]))
    other.upsert(rows_of(TEXTS))

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module if fails == "write_manifest" else module.shutil, fails, killed)
        with pytest.raises(KeyboardInterrupt):
            store.replace("one", "other", one.mark)
    assert texts(store.open("one")) == set(TEXTS[:1])
    assert texts(store.open("other")) == set(TEXTS)
    one = store.open("one")
    assert store.replace("one", "other", one.mark)
    assert texts(one) == set(TEXTS)
    assert (store.names(), dict(one.info)) == (["one"], {"of": "other"})
    one.upsert(rows_of(["written later"]))
    assert [found.row.text for found in one.keyword("later", 3)] == ["written later"]
    assert texts(one) == {*TEXTS, "written later"}
    store.close()
