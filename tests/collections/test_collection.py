"""Collections over a runtime without a model: adding, changing, searching, and which model may."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedder import Engine, Settings
from embedder.collections import Change, Collection, Collections, NewText, Question, parse_filter
from embedder.collections.lance.store import LanceStore
from embedder.collections.rows import Row, Rows, content_id
from embedder.errors import (
    BackendFailed,
    CollectionExists,
    InvalidInput,
    ModelMismatch,
    TooLarge,
    UnknownCollection,
    UnknownModel,
)
from tests.collections.conftest import NARROW, TEXTS, WIDE, Runtime


def ids(answer: Any) -> list[str]:
    return [hit.row.id for hit in answer.hits]


async def test_it_knows_the_model_it_was_made_by(collections: Collections, filled: Collection) -> None:
    about = (await collections.open("things")).about
    assert (about.model, about.fingerprint, about.dimensions) == (WIDE, "hashing-32-64", 32)
    assert about.metadata == {"note": "n"}
    assert about.created > 1.7e9
    with pytest.raises(CollectionExists):
        await collections.create("things")
    assert await collections.names() == ["things"]
    await collections.delete("things")
    assert await collections.names() == []
    for name in ("things", "../things", "", ".things", "x" * 65, "~locks"):
        with pytest.raises(UnknownCollection):
            await collections.open(name)
        with pytest.raises(UnknownCollection):
            await collections.delete(name)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a b", "x" * 65, "ü", "a\n", None, 7, "~locks"])
async def test_a_name_that_could_be_a_path_is_refused(collections: Collections, name: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        await collections.create(name)
    assert refused.value.param == "name"


async def test_texts_are_found_by_meaning_words_and_both(filled: Collection) -> None:
    # The runtime is no model: only a text's own words, with the prompt for documents, are its direction.
    exact = (await filled.embed([TEXTS[2]], kind="document"))[0]
    meant = await filled.search(Question(vector=exact, top_k=2))
    assert ids(meant)[0] == "t2"
    assert meant.hits[0].score == pytest.approx(1, abs=1e-5)
    assert meant.hits[0].parts == {"cosine": meant.hits[0].score}
    worded = await filled.search(Question("cat dog", mode="keyword"))
    assert ids(worded)[0] == "t1"
    assert set(ids(worded)) == {"t0", "t1", "t4"}
    assert all(hit.parts == {"bm25": hit.score} and hit.score > 0 for hit in worded.hits)
    both = await filled.search(Question("cat", vector=exact, mode="hybrid"))
    assert len(both.hits) == 5
    parts = {hit.row.id: hit.parts for hit in both.hits}
    assert parts["t2"]["meaning_rank"] == 1
    assert "bm25" not in parts["t2"]
    assert {row_id for row_id, told in parts.items() if "words_rank" in told} == {"t0", "t1"}
    first = both.hits[0]
    expected = sum(1 / (60 + first.parts[rank]) for rank in ("meaning_rank", "words_rank")) * 61 / 2
    assert first.score == pytest.approx(expected, rel=1e-5)
    only_words = await filled.search(Question("cat", vector=exact, mode="hybrid", weights=(0.0, 1.0)))
    assert ids(only_words) == ids(await filled.search(Question("cat", mode="keyword")))
    assert only_words.hits[0].score == pytest.approx(1)


@pytest.mark.parametrize("place", ["lance-unheld"], indirect=True)
async def test_what_goes_while_it_is_searched_leaves_its_place_to_the_next(
    filled: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = (await filled.embed([TEXTS[2]], kind="document"))[0]
    table, before = filled.table, await filled.search(Question(vector=exact, top_k=4))
    ranked, asked = table.ranked, 0

    def and_then_it_goes(*question: Any, **options: Any) -> Any:
        nonlocal asked
        asked += 1
        found = ranked(*question, **options)
        table.delete(["t2"])
        return found

    monkeypatch.setattr(table, "ranked", and_then_it_goes)
    both = await filled.search(Question("cat", vector=exact, mode="hybrid", top_k=3))
    assert len(both.hits) == 3
    assert ids(before)[0] == "t2"
    assert "t2" not in ids(both)
    assert asked == 2


@pytest.mark.parametrize("place", ["lance-unheld"], indirect=True)
async def test_rows_that_are_exchanged_while_it_is_searched_are_ranked_once_more(
    collections: Collections, filled: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = (await filled.embed([TEXTS[2]], kind="document"))[0]
    table, store = filled.table, collections.store
    other = store.create("other", len(exact), dict(table.info))
    other.upsert(Rows(["new"], ["what came in their place"], [""], [{}], exact[None]))
    ranked, asked = table.ranked, 0

    def and_then_they_are_exchanged(*question: Any, **options: Any) -> Any:
        nonlocal asked
        asked += 1
        found = ranked(*question, **options)
        if asked == 1:
            assert store.replace("things", "other", table.mark)
        return found

    monkeypatch.setattr(table, "ranked", and_then_they_are_exchanged)
    assert ids(await filled.search(Question(vector=exact, top_k=40))) == ["new"]
    assert asked == 2


async def test_filters_thresholds_and_diversity(filled: Collection) -> None:
    exact = (await filled.embed([TEXTS[1]], kind="document"))[0]
    late = parse_filter({"type": "gte", "key": "n", "value": 2})
    for mode in ("semantic", "keyword", "hybrid"):
        found = await filled.search(Question("dog cat", vector=exact, mode=mode, wanted=late))
        assert found.hits
        assert all(hit.row.columns["n"] >= 2 for hit in found.hits)
    near = await filled.search(Question(vector=exact, min_score=0.9))
    assert ids(near) == ["t1"]
    await filled.add([NewText(TEXTS[1], f"copy{n}") for n in range(6)])
    alike = await filled.search(Question(vector=exact, top_k=3))
    assert len({hit.row.text for hit in alike.hits}) == 1
    diverse = await filled.search(Question(vector=exact, top_k=3, diversity=0.7))
    assert diverse.hits[0].row.text == TEXTS[1]
    assert len({hit.row.text for hit in diverse.hits}) == 3


async def test_what_is_like_some_and_unlike_others(filled: Collection) -> None:
    rows = {
        row.id: row.vector for row in await filled.get([f"t{n}" for n in range(len(TEXTS))], vectors=True)
    }

    def unit(vector: Any) -> np.ndarray:
        return np.asarray(vector) / np.linalg.norm(vector)

    async def order(wanted: np.ndarray, *examples: str) -> list[str]:
        left = [row_id for row_id in rows if row_id not in examples]
        return sorted(left, key=lambda row_id: -float(unit(rows[row_id]) @ wanted))

    like = await filled.search(Question(like=("t1",)))
    assert ids(like) == await order(unit(rows["t1"]), "t1")
    assert "mean of the examples" in like.score
    both = await filled.search(Question(like=("t1", "t0", "t1"), unlike=("t2",), top_k=2))
    towards = (unit(rows["t1"]) + unit(rows["t0"])) / 2 - unit(rows["t2"])
    assert ids(both) == (await order(unit(towards), "t0", "t1", "t2"))[:2]
    assert both.hits[0].score == pytest.approx(
        float(unit(rows[both.hits[0].row.id]) @ unit(towards)), abs=1e-5
    )
    away = await filled.search(Question(unlike=("t2",)))
    assert ids(away) == await order(-unit(rows["t2"]), "t2")
    words = await filled.search(Question("rain", like=("t1",)))
    asked = unit((await filled.embed(["rain"]))[0])
    assert ids(words) == await order(unit(unit(rows["t1"]) + asked), "t1")
    hybrid = await filled.search(Question("dog", like=("t1",), mode="hybrid"))
    assert "t1" not in ids(hybrid)
    assert "rank fusion" in hybrid.score
    for wrong, what in [
        (Question(like=("t1", "gone")), "no text 'gone'"),
        (Question(unlike=("gone",)), "no text 'gone'"),
        (Question(like=("t1",), unlike=("t1",)), "no direction"),
        (Question("dog", like=("t1",), mode="keyword"), "cannot be like"),
        (Question(like=("t1",), vector=np.ones(3)), "not both"),
        (Question(like=("t1",) * 101), "100 examples"),
        (Question(like=("t1",), mode="hybrid"), "'query' is empty"),
    ]:
        with pytest.raises(InvalidInput, match=what):
            await filled.search(wrong)


async def test_an_id_or_the_content_says_what_is_replaced(
    filled: Collection, runtimes: dict[str, Runtime]
) -> None:
    again = await filled.add([NewText("new words", "t0"), NewText("without an id"), NewText("without an id")])
    assert again.ids == ["t0", content_id("without an id"), content_id("without an id")]
    assert (again.new, again.replaced) == (1, 1)
    assert await filled.count() == 6
    assert content_id("a", "b") != content_id("a") != content_id("ab")
    changed = await filled.update("t1", columns={"n": 100})
    assert changed is not None
    assert (changed.text, changed.document, changed.columns) == (TEXTS[1], "book", {"n": 100})
    before = len(runtimes[WIDE].encoded)
    assert (await filled.update("t1", document="other")) is not None
    assert len(runtimes[WIDE].encoded) == before, "the same words were embedded again"
    assert (await filled.update("t2", text="other words")) is not None
    assert runtimes[WIDE].encoded[-1] == "other words"
    assert await filled.update("none", text="x") is None
    exact = (await filled.embed(["other words"], kind="document"))[0]
    assert ids(await filled.search(Question(vector=exact, top_k=1))) == ["t2"]
    assert await filled.delete(["t0", "none"], documents=["book"]) == 4
    assert {row.id for row in await filled.get(["t0", "t1", "t2", "t3"])} == {"t1"}


async def test_many_are_changed_at_once(filled: Collection, runtimes: dict[str, Runtime]) -> None:
    before = len(runtimes[WIDE].encoded)
    changes = [
        Change("t2", text="other words", columns={"n": 7}),
        Change("none", text="is not made"),
        Change("t0", text=TEXTS[0], document="other"),
    ]
    rows = await filled.update_many(changes)
    assert [(row.id, row.text, row.document) for row in rows] == [
        ("t2", "other words", rows[0].document),
        ("t0", TEXTS[0], "other"),
    ]
    assert runtimes[WIDE].encoded[before:] == ["other words"]
    (second, first) = await filled.get(["t2", "t0"], vectors=True)
    assert dict(second.columns) == {"n": 7}
    for row in (second, first):
        exact = (await filled.embed([row.text], kind="document"))[0]
        np.testing.assert_allclose(row.vector, exact, atol=1e-6)
    with pytest.raises(InvalidInput, match="once"):
        await filled.update_many([Change("t0", document="a"), Change("t0", document="b")])
    assert await filled.count() == len(TEXTS)


async def test_there_are_only_so_many(collections: Collections, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedder.collections.catalogue.MAX_COLLECTIONS", 2)
    await collections.create("one")
    await collections.create_for_vectors("two", 4)
    for make in (collections.create("three"), collections.create_for_vectors("three", 4)):
        with pytest.raises(TooLarge, match="2 collections"):
            await make
    await collections.delete("one")
    await collections.create("three")


async def test_a_change_beside_others_brings_nothing_back_and_overwrites_nothing(
    filled: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes between an update's reading and its writing is done by hand here, in the middle of it."""
    table, read = filled.table, filled.table.get
    (first, second), between = [ids[0] for ids in [next(table.ids())[start:] for start in (0, 1)]], []

    def get(ids: Sequence[str], *, vectors: bool = False) -> list[Row]:
        rows = read(ids, vectors=vectors)
        if between:
            between.pop()()
        return rows

    monkeypatch.setattr(table, "get", get)
    before = table.count()
    between.append(lambda: table.delete([first]))
    assert await filled.update(first, columns={"k": "new"}) is None
    assert table.count() == before - 1
    between.append(lambda: table.revise([second], lambda row: replace(row, document="theirs")))
    assert await filled.update(second, columns={"k": "new"}) is not None
    (row,) = read([second])
    assert (row.document, dict(row.columns)) == ("theirs", {"k": "new"})
    words = row.text
    theirs = (await filled.embed(["other words"], kind="document"))[0]
    between.append(
        lambda: table.revise([second], lambda row: replace(row, text="other words", vector=theirs))
    )
    await filled.update(second, text=words)
    (row,) = read([second], vectors=True)
    assert row.text == words
    assert row.vector is not None
    np.testing.assert_allclose(row.vector, (await filled.embed([words], kind="document"))[0], atol=1e-6)


async def test_a_text_that_fails_leaves_the_others(filled: Collection) -> None:
    told: list[tuple[int, int]] = []
    added = await filled.add(
        [NewText("fine"), NewText("impossible"), NewText("fine too")],
        progress=lambda *done: told.append(done),
    )
    assert [failed.index for failed in added.failed] == [1]
    assert added.new == 2
    assert told[-1] == (3, 3)
    assert await filled.count() == 7


async def test_another_model_is_refused_with_a_sentence(
    collections: Collections, filled: Collection, engine: Engine, tmp_path: Path, runtimes: dict[str, Runtime]
) -> None:
    vectors = np.ones((1, 32), dtype=np.float32)
    with pytest.raises(ModelMismatch, match="re-embed"):
        await filled.add([NewText("x")], vectors=vectors, fingerprint="another")
    with pytest.raises(InvalidInput, match="32 dimensions"):
        await filled.add([NewText("x")], vectors=np.ones((1, 16)))
    assert (await filled.add([NewText("x")], vectors=vectors, fingerprint="hashing-32-64")).new == 1
    settings = Settings.load({"model": NARROW})
    async with Engine(settings, loader=lambda *_: Runtime(NARROW, dimensions=16)) as narrow:
        others = Collections(LanceStore(tmp_path / "store"), narrow)
        stranger = await others.open("things")
        with pytest.raises(ModelMismatch, match=f"made by {WIDE}.*of {NARROW}"):
            await stranger.search(Question("cat"))
        with pytest.raises(ModelMismatch):
            await stranger.add([NewText("x")])
        assert (await stranger.search(Question("cat", mode="keyword"))).hits
        await others.close()
    with pytest.raises(UnknownModel):
        await collections.create("other", model="nobody/knows")


async def test_the_same_model_under_another_name_is_welcome(filled: Collection, tmp_path: Path) -> None:
    settings = Settings.load({"model": "alias"})
    async with (
        Engine(settings, loader=lambda *_: Runtime("alias", dimensions=32)) as engine,
        Collections(LanceStore(tmp_path / "store"), engine) as others,
    ):
        assert (await (await others.open("things")).search(Question("cat"))).hits


async def test_vectors_without_a_model_are_searched_by_vector_and_words(collections: Collections) -> None:
    made = await collections.create_for_vectors("bare", 2)
    await made.add([NewText("right"), NewText("up")], vectors=[[2, 0], [0, 3]])
    found = await made.search(Question(vector=np.array([1, 0.1], dtype=np.float32)))
    assert [hit.row.text for hit in found.hits] == ["right", "up"]
    assert (await made.search(Question("up", mode="keyword"))).hits[0].row.text == "up"
    with pytest.raises(InvalidInput, match="by words"):
        await made.search(Question("up"))
    for dimensions in (0, 16_385):
        with pytest.raises(InvalidInput):
            await collections.create_for_vectors("bad", dimensions)


@pytest.mark.parametrize(
    ("question", "param"),
    [
        (Question(), "query"),
        (Question("  "), "query"),
        (Question(vector=np.ones(32, dtype=np.float32), mode="hybrid"), "query"),
        (Question("x", top_k=0), "top_k"),
        (Question("x", top_k=1001), "top_k"),
        (Question("x", mode="other"), "mode"),  # type: ignore[arg-type]
        (Question("x", diversity=1.1), "diversity"),
        (Question("x", weights=(0.0, 0.0)), "weights"),
        (Question("x", weights=(-1.0, 2.0)), "weights"),
        (Question("x", weights=(float("nan"), 1.0)), "weights"),
        (Question(vector=np.ones(31, dtype=np.float32)), "vector"),
        (Question(vector=np.full(32, np.nan, dtype=np.float32)), "vector"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(
    filled: Collection, question: Question, param: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await filled.search(question)
    assert refused.value.param == param


@pytest.mark.parametrize(
    "new",
    [
        NewText(""),
        NewText(" \n"),
        NewText("x" * 1_000_001),
        NewText("\ud800"),
        NewText("a\x00b"),
        NewText(None),  # type: ignore[arg-type]
        NewText("x", id="i" * 257),
        NewText("x", id="\ud800"),
        NewText("x", document="d" * 257),
        NewText("x", columns={"k": [1]}),  # type: ignore[dict-item]
        NewText("x", columns={"": 1}),
        NewText("x", columns={"k": float("inf")}),
        NewText("x", columns={f"k{n}": 1 for n in range(65)}),
        NewText("x", columns=[("k", 1)]),  # type: ignore[arg-type]
    ],
)
async def test_texts_that_cannot_be_kept_are_refused_and_nothing_is(filled: Collection, new: NewText) -> None:
    with pytest.raises(InvalidInput):
        await filled.add([NewText("sound"), new])
    assert await filled.count() == 5


async def test_a_cancelled_add_keeps_what_it_said(
    filled: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedder.collections.collection._WRITE_ROWS", 200)
    told = [0]
    reached = asyncio.Event()

    def progress(done: int, total: int) -> None:
        told.append(done)
        reached.set()

    many = [NewText(f"text number {n}", f"m{n}") for n in range(3000)]
    task = asyncio.create_task(filled.add(many, progress=progress))
    await asyncio.wait_for(reached.wait(), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    count = await filled.count() - 5
    assert 0 < told[-1] <= count < 3000
    assert len(await filled.get([f"m{n}" for n in range(told[-1])])) == told[-1]


async def test_backend_failures_of_everything_are_raised(filled: Collection) -> None:
    with pytest.raises(BackendFailed):
        await filled.add([NewText(f"impossible {n}") for n in range(20)])
    assert await filled.count() == 5
