from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedder import Settings
from embedder.analysis.projection import LayoutOptions
from embedder.errors import FileUnreadable, InvalidInput
from ui import chunking, code, loading, similarity, upload, vectors
from ui import map as map_view
from ui.growing import Brought
from ui.heard import heard
from ui.last_call import LastCall
from ui.layout import LayoutWorker
from ui.owned import Owned
from ui.page import cancel, with_cancel
from ui.preview import OUTPUTS, look, looked_at, read
from ui.session import Session
from ui.steps import Step
from ui.view import Desk, as_gradio, bind_stream, sentence_of, status, uploads_folder

from .conftest import hashing_engine


async def collect(stream: AsyncIterator[Step], lines: list[str]) -> None:
    async for step in stream:
        lines.append(step.line)  # noqa: PERF401  (what came before an error is wanted too)


async def paste(desk: Desk, session: Session, texts: str) -> list[str]:
    return [step.line async for step in loading.from_paste(desk, session, texts, None, None)]


async def test_pasted_lines_become_a_dataset_in_their_order(desk: Desk) -> None:
    session = desk.sessions.of("a")
    lines = await paste(desk, session, "one\n\n  two words \nthree more words\n")
    assert session.dataset is not None
    assert session.dataset.texts == ["one", "two words", "three more words"]
    expected = await desk.engine.embed(["one", "two words", "three more words"])
    np.testing.assert_array_equal(session.dataset.vectors, expected.vectors)
    assert session.dataset.prompt_tokens.tolist() == [3, 4, 5]
    assert "3 texts · 12 tokens" in lines[-1]
    assert session.last_call is not None
    assert session.last_call.texts == ("one", "two words", "three more words")


async def test_vectors_that_came_with_a_file_are_no_call(desk: Desk) -> None:
    session = desk.sessions.of("a")
    await paste(desk, session, "embedded here")
    texts = ["one", "two"]
    theirs = Owned(np.eye(2, dtype=np.float32), "a model of theirs", "")
    async for _ in loading.load(desk, session, Brought("theirs", texts, {}, owned=theirs), None):
        pass
    said, payload, *written = await code.show(desk, session)
    assert "came with their file" in said
    assert not any([payload, *written])


async def test_truncated_texts_are_said(desk: Desk) -> None:
    session = desk.sessions.of("a")
    lines = await paste(desk, session, "short\n" + "word " * 100)
    assert session.dataset is not None
    assert session.dataset.truncated == {1}
    assert "1 text longer than 64 tokens, cut there" in lines[-1]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ("", "no text yet"),
        (" \n \n", "no text yet"),
        ("x\n" * 51, "51 texts; the page shows up to 50"),
        ("y" * 5001, "5,001 characters; the page takes up to 5,000"),
        ("z" * 10_001, "10,001 characters; the page takes 10,000"),
        (["a list"], "must be text"),
    ],
)
async def test_what_is_too_much_or_nothing_is_a_sentence_and_keeps_what_was_there(
    desk: Desk, texts: object, said: str
) -> None:
    session = desk.sessions.of("a")
    await paste(desk, session, "kept")
    lines: list[str] = []
    with pytest.raises(InvalidInput, match=said):
        await collect(loading.from_paste(desk, session, texts, None, None), lines)
    assert said in lines[-1]
    assert 'role="alert"' in lines[-1]
    assert session.dataset is not None
    assert session.dataset.texts == ["kept"]


async def test_an_unknown_model_or_sample_is_refused(desk: Desk) -> None:
    session = desk.sessions.of("a")
    for stream in (
        loading.from_paste(desk, session, "x", None, "../../etc"),
        loading.from_paste(desk, session, "x", None, ["m"]),
        loading.from_sample(desk, session, "no such", None),
        loading.from_sample(desk, session, {"path": "/etc/hostname"}, None),
    ):
        with pytest.raises(Exception, match=r"does not exist|named by a text|no such sample"):
            async for _ in stream:
                pass


async def test_an_upload_is_read_and_deleted(desk: Desk) -> None:
    session = desk.sessions.of("a")
    file = uploads_folder(desk.settings) / "x" / "three.csv"
    file.parent.mkdir(parents=True)
    file.write_text("topic,text\nfruit,an apple\nfruit,a pear\ncars,an engine\n")
    lines = [step.line async for step in upload.from_file(desk, session, str(file), None, True, None)]
    assert session.dataset is not None
    assert session.dataset.columns == {"topic": ["fruit", "fruit", "cars"]}
    assert session.dataset.texts[2] == "an engine"
    assert not file.exists()
    assert "three.csv" in lines[-1]


async def test_a_file_is_looked_at_before_anything_is_embedded(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = desk.sessions.of("a")
    file = uploads_folder(desk.settings) / "x" / "three.csv"
    file.parent.mkdir(parents=True)
    file.write_text("topic,text,title\nfruit,an apple,Red\nfruit,,Green\ncars,an engine,Loud\n")
    note, column, preview, embed, *_ = await look(desk, session, str(file))
    assert "2 texts · texts from the column “text” · 1 row left out (line 3: empty text)" in note
    assert "embedded in less than a second" in note
    monkeypatch.setattr(type(desk.engine), "estimate_s", lambda engine, tokens: 11.0 * tokens)
    slow, *_ = await look(desk, session, str(file))
    assert "about 88 s to embed" in slow, "two texts of four tokens each"
    assert "embedded in less than a second" in note
    assert column["choices"] == ["text", "topic", "title"]
    assert column["value"] == "text"
    assert preview["value"]["headers"] == ["text", "topic", "title"]
    assert preview["value"]["data"][1] == ["an engine", "cars", "Loud"]
    assert embed["visible"]
    assert session.dataset is None
    note, column, preview, *_ = await look(desk, session, str(file), "title")
    assert "3 texts" in note, "no row is lost to the column that was guessed first"
    assert preview["value"]["data"][1] == ["Green", "fruit", ""]
    async for _ in upload.from_file(desk, session, str(file), "title", True, None):
        pass
    assert session.dataset is not None
    assert session.dataset.texts == ["Red", "Green", "Loud"]
    assert session.dataset.columns["text"] == ["an apple", "", "an engine"]
    assert not file.exists()
    note, *hidden = await look(desk, session, str(file), "title")
    assert "cannot be read" in note
    assert not any(update["visible"] for update in hidden)
    assert "up to 50 texts" in (await upload.forget(desk, session))[0]


async def test_a_column_without_texts_is_an_error_that_leaves_the_choice(desk: Desk) -> None:
    session = desk.sessions.of("a")
    file = uploads_folder(desk.settings) / "x" / "gaps.csv"
    file.parent.mkdir(parents=True)
    file.write_text("text,title\nan apple,\na pear,\n")
    note, column, *hidden = await look(desk, session, str(file), "title")
    assert "No row of the file gives a text" in note
    assert column["visible"]
    assert not any(update["visible"] for update in hidden)
    note, column, *_ = await look(desk, session, str(file), "text")
    assert "2 texts" in note
    assert "value" not in column, "by now the visitor may have chosen another one"


async def test_a_file_that_takes_long_is_said_to_be_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    session = desk.sessions.of("a")
    file = uploads_folder(desk.settings) / "x" / "long.txt"
    file.parent.mkdir(parents=True)
    file.write_text("an apple\n" * 40)
    told = [step async for step in looked_at(desk, session, str(file))]
    assert len(told) == 1, "what is read at once needs no line"
    monkeypatch.setattr("ui.preview.TOLD_S", 0)
    waiting, known = [step async for step in looked_at(desk, session, str(file))]
    assert "Reading long.txt…" in waiting[0]
    assert "40 texts" in known[0]
    assert len(waiting) == len(known) == OUTPUTS


async def test_what_was_looked_at_before_is_not_shown_in_place_of_what_came_later(desk: Desk) -> None:
    session = desk.sessions.of("a")
    file = uploads_folder(desk.settings) / "x" / "long.txt"
    file.parent.mkdir(parents=True)
    file.write_text("an apple\n" * 40)
    earlier = looked_at(desk, session, str(file))
    first = asyncio.ensure_future(anext(earlier))
    await asyncio.sleep(0)
    await upload.forget(desk, session)
    assert all("value" not in update for update in await first)


async def test_the_tab_is_ready_for_another_file_unless_it_has_one_already(desk: Desk) -> None:
    session = desk.sessions.of("a")
    file = uploads_folder(desk.settings) / "x" / "another.txt"
    file.parent.mkdir(parents=True)
    file.write_text("chosen while the first one was embedded")
    kept = await upload.emptied(desk, session, str(file))
    assert len(kept) == 1 + OUTPUTS
    assert all("value" not in update for update in kept)
    file.unlink()
    chosen, note, *_ = await upload.emptied(desk, session, str(file))
    assert chosen is None
    assert "up to 50 texts" in note


@pytest.mark.parametrize("path", ["/etc/hostname", "../../../etc/hostname", "", None, 7, ["x"], "\0"])
async def test_a_path_outside_the_upload_folder_is_never_opened(desk: Desk, path: object) -> None:
    assert "uploaded" in (await look(desk, desk.sessions.of("a"), path))[0]
    with pytest.raises(FileUnreadable, match="uploaded"):
        async for _ in upload.from_file(desk, desk.sessions.of("a"), path, None, True, None):
            pass


async def test_a_link_in_the_upload_folder_is_not_followed_out(desk: Desk) -> None:
    folder = uploads_folder(desk.settings)
    folder.mkdir(parents=True)
    (folder / "x.txt").symlink_to("/etc/hostname")
    with pytest.raises(FileUnreadable, match="uploaded"):
        await asyncio.to_thread(read, desk, str(folder / "x.txt"))


async def test_what_went_wrong_is_said_once_and_nothing_follows_it(desk: Desk) -> None:
    import gradio as gr

    updates = []

    async def load_nothing() -> None:
        async for update in with_cancel(loading.from_paste)(desk, desk.sessions.of("a"), "", None, None):
            updates.append(update)  # noqa: PERF401  (what came before an error is wanted)

    with pytest.raises(gr.Error) as raised:
        await load_nothing()
    assert not raised.value.visible, "no second message over the page"
    said, button, _ = updates[-1]
    assert "no text yet" in said
    assert 'role="alert"' in said
    assert not button["visible"]


async def test_cancelling_ends_the_embedding_and_keeps_what_was_there(tmp_path: Path) -> None:
    import gradio as gr

    settings = Settings(cache_dir=tmp_path, batch_tokens=32)
    async with hashing_engine(settings, delay_s=0.02) as engine:
        desk = Desk(engine, settings, LayoutWorker(settings.cache_dir))
        session = desk.sessions.of("a")
        await paste(desk, session, "kept")

        updates = []

        async def load_all() -> None:
            stream = with_cancel(loading.from_paste)
            async for update in stream(
                desk, session, "\n".join(f"text {i}" for i in range(2000)), None, None
            ):
                updates.append(update)  # noqa: PERF401  (what came before an error is wanted)

        job = asyncio.create_task(load_all())
        await asyncio.sleep(0.3)
        await cancel(desk, session)
        with pytest.raises(gr.Error) as raised:  # so that what follows a load does not follow this one
            await asyncio.wait_for(job, 5)
        assert not raised.value.visible
        said, button, shown = updates[-1]
        assert "Cancelled" in said
        assert not button["visible"]
        assert session.dataset is not None
        assert session.dataset.texts == ["kept"]
        assert json.loads(shown)["id"] == session.dataset.id, "the map goes back to it"
        assert len(desk.datasets) == 1, "and what was begun is not kept"
        await asyncio.sleep(0.1)
        before = engine.metrics.tokens.labels(settings.default_model)._value.get()
        await asyncio.sleep(0.3)
        assert engine.metrics.tokens.labels(settings.default_model)._value.get() == before


@pytest.mark.parametrize("stage", ["Reading the file", "Cutting long texts"])
async def test_cancelling_ends_reading_and_cutting_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    import gradio as gr

    session, leave = desk.sessions.of("a"), threading.Event()
    await paste(desk, session, "kept")
    file = uploads_folder(desk.settings) / "x" / "long.txt"
    file.parent.mkdir(parents=True)
    file.write_text("word " * 200)
    slow = {"Reading the file": (upload, "read"), "Cutting long texts": (chunking, "split_texts")}[stage]
    whole = getattr(*slow)

    def held_up(*some: Any, **more: Any) -> Any:
        leave.wait(10)
        return whole(*some, **more)

    monkeypatch.setattr(*slow, held_up)
    updates = []

    async def load_all() -> None:
        stream = with_cancel(upload.from_file)
        async for update in stream(desk, session, str(file), None, True, True, 16, 4, None):
            updates.append(update)
            if stage in str(update[0]):
                await cancel(desk, session)

    with pytest.raises(gr.Error):
        await asyncio.wait_for(load_all(), 5)
    leave.set()
    assert "Cancelled" in updates[-1][0]
    assert session.dataset is not None
    assert session.dataset.texts == ["kept"]


async def test_a_slower_load_does_not_replace_a_newer_one(desk: Desk) -> None:
    session = desk.sessions.of("a")
    slow = loading.from_paste(desk, session, "old", None, None)
    await anext(slow)
    await paste(desk, session, "new")
    async for _ in slow:
        pass
    assert session.dataset is not None
    assert session.dataset.texts == ["new"]


async def tell(desk: Desk, session: Session, told: object) -> LastCall | None:
    """What the code tab would show after a view's script told that."""
    if isinstance(told, dict):
        told = {"id": session.dataset_id or "nothing yet", **told}
    async for _ in heard(desk, session, told):
        pass
    return session.last_call


async def test_a_search_on_the_map_is_the_last_call(desk: Desk) -> None:
    session = desk.sessions.of("a")
    assert await tell(desk, session, {"did": "search", "query": "before there were texts"}) is None
    await paste(desk, session, "apples and pears\nan engine")
    asked = {"did": "search", "query": " an engine ", "mode": "semantic", "prompt": None}
    call = await tell(desk, session, asked)
    shown = await code.show(desk, session)
    assert json.loads(shown[1]) == [
        {"model": desk.settings.default_model, "input": ["an engine"], "input_type": "query"}
    ]
    for wrong in (
        {"did": "search", "query": "x" * 20_001},
        {"did": "search", "query": 5},
        {"did": "search", "query": "  "},
        {"did": "search", "query": "x", "mode": "magic"},
        {"did": "search", "like": [2]},
        {"query": "x"},
        {"did": "dance"},
        {},
        None,
        [],
    ):
        with pytest.raises(InvalidInput):
            await tell(desk, session, wrong)
    assert session.last_call == call


async def test_every_way_to_search_is_a_last_call_of_its_own(desk: Desk) -> None:
    session, model = desk.sessions.of("a"), desk.settings.default_model
    await paste(desk, session, "apples\npears\nan engine")
    texts = ["apples", "pears", "an engine"]

    async def search(**asked: object) -> LastCall | None:
        return await tell(desk, session, {"did": "search", **asked})

    assert await search(query="a", mode="hybrid") == LastCall.search(model, "a", texts, "hybrid")
    prompted = await search(query="a", prompt="query: ")
    assert prompted is not None
    assert prompted.bodies == [{"model": model, "input": ["query: a"]}]
    for mode in ("keyword", "regex"):
        call = await search(query="an ", mode=mode)
        assert call is not None
        assert (call.action, call.texts, call.bodies) == (mode, ("an ",), [])
        sentence, payload, *blocks = await code.show(desk, session)
        assert payload == ""
        assert "EMBED_KEY" not in sentence
        assert [block.split()[0] for block in blocks] == ["#", "#", "#", "//", "from"]
    like = await search(query="fruit", like=[0], unlike=[2])
    assert like == LastCall.like(model, (["apples"], ["an engine"]), texts).asked_too("fruit")
    assert like.bodies == [
        {"model": model, "input": ["apples", "an engine"]},
        {"model": model, "input": ["fruit"], "input_type": "query"},
    ]


async def test_what_is_done_with_texts_that_still_come_is_of_those(desk: Desk) -> None:
    session, model = desk.sessions.of("a"), desk.settings.default_model
    await paste(desk, session, "apples\npears")
    assert session.dataset is not None
    growing = replace(session.dataset, texts=["one", "two", "three"], id="growing", whole=False)
    desk.datasets.put(growing)
    near = LastCall.near(model, "three", growing.texts)
    assert await tell(desk, session, {"id": "growing", "did": "near", "row": 2}) == near
    assert await tell(desk, session, {"id": "gone by now", "did": "near", "row": 9}) == near


async def test_what_was_done_in_a_view_is_the_last_call(desk: Desk) -> None:
    session, model = desk.sessions.of("a"), desk.settings.default_model
    await paste(desk, session, "apples\npears\nan engine")
    texts = ["apples", "pears", "an engine"]
    assert await tell(desk, session, {"did": "near", "row": 1}) == LastCall.near(model, "pears", texts)
    alike = LastCall.all_with_all(model, texts, "duplicates", 0.9)
    assert await tell(desk, session, {"did": "duplicates", "value": 0.9}) == alike
    alone = LastCall.all_with_all(model, texts, "outliers", 2)
    assert await tell(desk, session, {"did": "outliers", "value": 2}) == alone
    laid = {"did": "axes", "axes": [{"start": "cheap | poor", "end": "dear"}]}
    assert await tell(desk, session, laid) == LastCall.axes(model, [["cheap", "poor"], ["dear"]], texts)
    cut = await tell(desk, session, {"did": "cut", "dimensions": 4})
    assert cut == LastCall.compare(model, texts, model, 4)
    for wrong in (
        {"did": "near", "row": 3},
        {"did": "near"},
        {"did": "duplicates", "value": float("nan")},
        {"did": "axes", "axes": [{"start": "", "end": "x"}]},
        {"did": "cut", "dimensions": 0},
    ):
        with pytest.raises(InvalidInput):
            await tell(desk, session, wrong)
    assert session.last_call == cut


async def test_what_was_looked_at_closely_is_the_last_call(desk: Desk) -> None:
    session = desk.sessions.of("a")

    async def look(items: object) -> LastCall | None:
        return await tell(desk, session, {"did": "look", "items": items})

    assert await look([{"row": 0}]) is None, "before there were texts"
    await paste(desk, session, "apples\npears\nan engine")
    pair = LastCall.pair(desk.settings.default_model, "an engine", "apples")
    assert await look([{"row": 2}, {"row": 0}]) == pair
    mixed = LastCall.pair(desk.settings.default_model, "pears", "my own")
    assert await look([{"row": 1}, {"text": "my own", "kind": None}]) == mixed
    assert await look([{"row": 1}, {"text": "two kinds", "kind": "query"}]) == mixed
    asked = LastCall.of(desk.settings.default_model, ["a question"], "query")
    assert await look([{"text": "a question", "kind": "query"}]) == asked
    for wrong in (
        None,
        [],
        [{"row": 3}],
        [{"row": -1}],
        [{"row": True}],
        [{"row": 0, "more": 1}],
        [{"text": 5}],
        [{"text": " "}, {"row": 0}],
        [{"text": "x" * 200_001}],
        [{"row": 0}] * 3,
    ):
        with pytest.raises(InvalidInput):
            await look(wrong)
    assert session.last_call == asked


async def test_another_layout_is_the_last_call(desk: Desk) -> None:
    session = desk.sessions.of("a")
    await paste(desk, session, "\n".join(f"text number {number}" for number in range(8)))
    async for _ in map_view.arrange(desk, session, {"layout": {"method": "pca", "dimensions": 3}}):
        pass
    assert session.last_call is not None
    assert session.last_call.layout == LayoutOptions(method="pca", dimensions=3)


async def test_what_is_brought_while_other_texts_come_takes_their_place(tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path, batch_tokens=64)
    async with hashing_engine(settings, delay_s=0.02) as engine:
        desk = Desk(engine, settings, LayoutWorker(settings.cache_dir))
        session = desk.sessions.of("a")
        stream = with_cancel(loading.from_paste)
        first = stream(desk, session, "\n".join(f"old {number}" for number in range(3000)), None, None)
        await anext(first)
        await anext(first)

        async def rest() -> list[object]:
            return [step async for step in first]

        going_on = asyncio.create_task(rest())
        with pytest.raises(InvalidInput):
            _ = [step async for step in loading.from_paste(desk, session, " ", None, None)]
        await asyncio.sleep(0.05)
        assert not going_on.done(), "nothing came in their place"
        newer = [step async for step in stream(desk, session, "new", None, None)]
        with pytest.raises(Exception, match="Replaced"):
            await asyncio.wait_for(going_on, 2)
        assert "1 text" in newer[-1][0]
        assert session.dataset is not None
        assert session.dataset.texts == ["new"]


async def test_texts_are_on_the_map_before_all_have_vectors(tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path, batch_tokens=64)
    async with hashing_engine(settings, delay_s=0.02) as engine:
        desk = Desk(engine, settings, LayoutWorker(settings.cache_dir))
        session = desk.sessions.of("a")
        texts = "\n".join(f"text number {i}" for i in range(1500))
        sizes = []
        async for step in loading.from_paste(desk, session, texts, None, None):
            if step.map_value and "id" in json.loads(step.map_value):
                dataset = desk.datasets.get(json.loads(step.map_value)["id"])
                assert dataset is not None
                assert len(dataset.flat.points) == len(dataset.texts)
                sizes.append((len(dataset.texts), dataset.whole))
        assert sizes[0][0] < 700
        assert not sizes[0][1]
        assert sizes == sorted(sizes)
        assert sizes[-1] == (1500, True)
        assert len(desk.datasets) == 1


async def test_an_address_brings_back_its_texts_or_says_that_they_are_gone(desk: Desk) -> None:
    session, other = desk.sessions.of("a"), desk.sessions.of("b")
    await paste(desk, session, "one\ntwo")
    assert session.dataset is not None
    wanted = f"?data={session.dataset.id}&layout=umap-15-0.1-42"
    steps = [step async for step in loading.from_address(desk, other, wanted, None)]
    assert other.dataset is session.dataset
    assert json.loads(steps[-1].map_value or "")["layout"] == "pca", "such a layout there is not"
    for lost in ("?data=nobody-knows", "", None, 7, "?data=", "nonsense%%%"):
        visitor = desk.sessions.of(str(lost))
        first = await anext(steps_of := loading.from_address(desk, visitor, lost, None))
        assert (loading.GONE in first.line) is (lost == "?data=nobody-knows")
        await steps_of.aclose()


async def test_every_view_has_an_empty_state(desk: Desk) -> None:
    session = desk.sessions.of("nobody")
    assert map_view.EMPTY in (await anext(map_view.arrange(desk, session)))[1]
    assert await similarity.show(desk, session) == ""
    assert await vectors.on_screen(desk, session) == ""
    assert vectors.EMPTY in vectors.build(desk).html_template
    assert code.EMPTY.split(",")[0] in (await code.show(desk, session))[0]


async def test_the_view_of_vectors_is_told_what_is_on_screen(desk: Desk) -> None:
    session = desk.sessions.of("a")
    await paste(desk, session, "one\nzwei 🍕")
    assert session.dataset is not None
    assert json.loads(await vectors.on_screen(desk, session)) == {"id": session.dataset.id}


async def test_the_map_is_pca_then_umap(desk: Desk) -> None:
    session = desk.sessions.of("a")
    await paste(desk, session, "\n".join(f"text {i} {i % 3}" for i in range(25)))
    dataset = session.dataset
    assert dataset is not None
    assert dataset.layout().method == "pca"
    updates = [update async for update in map_view.arrange(desk, session)]
    assert "UMAP: " in updates[0][1]
    assert updates[0][2], "it can be cancelled"
    assert json.loads(updates[-1][0])["layout"] == "umap-15-0.1-42"
    assert not updates[-1][2]
    assert dataset.layout().method == "umap"
    back = [update async for update in map_view.arrange(desk, session, {"layout": {"method": "pca"}})]
    assert json.loads(back[-1][0])["layout"] == "pca"
    np.testing.assert_array_equal(dataset.layout().points, dataset.flat.points)
    assert dataset.layout().clusters is not None


async def test_too_few_texts_for_neighbourhoods_stay_as_pca_draws_them(desk: Desk) -> None:
    session = desk.sessions.of("a")
    await paste(desk, session, "one\ntwo\nthree")
    updates = [update async for update in map_view.arrange(desk, session)]
    assert json.loads(updates[-1][0])["layout"] == "pca"
    assert "3 texts: too few" in updates[-1][1]


async def test_texts_that_are_all_equal_are_not_called_a_umap(desk: Desk) -> None:
    session = desk.sessions.of("a")
    await paste(desk, session, "\n".join(["the same again"] * 30))
    updates = [update async for update in map_view.arrange(desk, session)]
    assert json.loads(updates[-1][0])["layout"] == "pca"


@pytest.mark.parametrize(
    "asked",
    [
        {"method": "rm -rf"},
        {"method": ["umap"]},
        {"n_neighbors": 1},
        {"n_neighbors": 10**9},
        {"min_dist": -1},
        {"min_dist": float("nan")},
        {"seed": "1"},
        {"perplexity": True},
    ],
)
def test_options_of_a_layout_are_checked(asked: dict[str, object]) -> None:
    with pytest.raises((InvalidInput, TypeError)):
        map_view.options_of(asked)


def test_a_space_of_tsne_is_of_so_many_texts() -> None:
    space = map_view.options_of({"method": "tsne", "dimensions": 3})
    assert map_view.key_of(space) == "tsne-30-42-3d"
    map_view.check_space(space, 10_000)
    map_view.check_space(map_view.options_of({"method": "tsne"}), 10_001)
    with pytest.raises(InvalidInput, match="Choose 2-D"):
        map_view.check_space(space, 10_001)


def test_sentences_are_escaped_and_foreign_errors_say_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert "<script>" not in status("<script>alert(1)</script>")
    # A phone shows two lines of a long one, and all when it is tapped or has the focus.
    assert "tabindex" in status("word " * 30, kind="done")
    assert "tabindex" not in status("word " * 30) + status("3 texts", kind="done")
    error = as_gradio(InvalidInput("<img src=x onerror=alert(1)>"))
    assert "<img" not in str(error)
    assert "secret text" not in sentence_of(ValueError("secret text"))
    assert "ValueError" in caplog.text
    assert "secret text" not in caplog.text


async def test_a_handler_that_fails_closes_what_it_holds(desk: Desk) -> None:
    closed = []

    async def stream(_desk: Desk, _session: Session):  # type: ignore[no-untyped-def]
        try:
            yield 1
            raise RuntimeError("secret")
        finally:
            closed.append(True)

    class Request:
        session_hash, username, headers = "a", None, {"host": "h"}

        class url:
            scheme = "http"

    with pytest.raises(Exception, match="Something went wrong"):
        async for _ in bind_stream(desk, stream)(Request()):
            pass
    assert closed == [True]
