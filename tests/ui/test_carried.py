"""Texts that are being embedded outlive their page for a while, and no longer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from embedder import Settings
from embedder.errors import InvalidInput
from ui import growing, loading, upload
from ui.carried import Carried
from ui.layout import LayoutWorker
from ui.page import cancel, with_cancel
from ui.session import Session
from ui.steps import Step
from ui.view import Desk, uploads_folder

from .conftest import hashing_engine

TEXTS = [f"text number {number}" for number in range(600)]


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[Desk]:
    settings = Settings(cache_dir=tmp_path, batch_tokens=64)
    async with hashing_engine(settings, delay_s=0.01) as engine:
        await engine.model_info()
        yield Desk(engine, settings, LayoutWorker(settings.cache_dir))


async def begun(desk: Desk, session: Session) -> str:
    """The id under which texts grow, once some are there and their page has gone away."""
    stream = with_cancel(loading.from_paste)(desk, session, "\n".join(TEXTS), "Lines", None)
    async with aclosing(stream) as updates:
        async for _, _, value in updates:
            if isinstance(value, str) and "id" in json.loads(value):
                break
    return str(json.loads(value)["id"])


async def first_word(stream: AsyncIterator[Any]) -> dict[str, Any]:
    """What the map is told first, after which the page goes away."""
    async with aclosing(stream) as updates:
        async for _, _, value in updates:
            if isinstance(value, str):
                return dict(json.loads(value))
    raise AssertionError("nothing was told")


async def comes_back(desk: Desk, made_as: str) -> tuple[Session, list[tuple[str, Any]]]:
    """A page at the address of these texts, and all that it was told."""
    again = desk.sessions.of(f"after {made_as}")
    stream = with_cancel(loading.from_address)(desk, again, f"?data={made_as}", None)
    return again, [(line, value) async for line, _, value in stream]


async def test_texts_have_their_address_before_anything_of_them_is_there(slow: Desk) -> None:
    before = slow.sessions.of("before")
    stream = with_cancel(loading.from_paste)(slow, before, "\n".join(TEXTS), "Lines", None)
    told = await first_word(stream)
    assert list(told) == ["coming"]
    assert slow.datasets.get(told["coming"]) is None
    again, seen = await comes_back(slow, told["coming"])
    first = json.loads(seen[0][1])
    assert first["coming"] == told["coming"], "it is named on the page that comes back, too"
    assert again.dataset is not None
    assert (again.dataset.id, again.dataset.texts) == (told["coming"], TEXTS)
    assert json.loads(seen[-2][1])["id"] == told["coming"]


async def test_a_file_and_chunks_have_it_before_they_are_read(slow: Desk) -> None:
    file = uploads_folder(slow.settings) / "x" / "texts.txt"
    file.parent.mkdir(parents=True)
    some = TEXTS[:60]
    file.write_text("\n".join(some))
    own = uploads_folder(slow.settings) / "x" / "own.jsonl"
    own.write_text("\n".join(json.dumps({"text": one, "embedding": [n, 1]}) for n, one in enumerate(some)))
    streams = {
        "file": with_cancel(upload.from_file)(slow, slow.sessions.of("a"), str(file), None, True, None),
        "vectors": with_cancel(upload.from_file)(slow, slow.sessions.of("b"), str(own), None, True, None),
        "chunks": with_cancel(loading.from_paste)(
            slow, slow.sessions.of("c"), "\n".join(some), "Lines", True, 50, 5, None
        ),
    }
    for name, stream in streams.items():
        again, _ = await comes_back(slow, (await first_word(stream))["coming"])
        assert again.dataset is not None, name
        assert again.dataset.whole
        assert again.dataset.texts == some
    assert not file.exists(), "embedded though its page went away, it is deleted"
    assert not own.exists()


async def test_what_does_not_come_gives_the_address_back(slow: Desk) -> None:
    import gradio as gr

    session = slow.sessions.of("a")
    async for _ in loading.from_paste(slow, session, "kept", "Lines", None):
        pass
    kept = session.dataset_id
    empty = uploads_folder(slow.settings) / "empty.txt"
    empty.parent.mkdir(parents=True)
    empty.write_text("\n\n")
    stream = with_cancel(upload.from_file)(slow, session, str(empty), None, True, None)
    values = []

    async def watch() -> None:
        async for _, _, value in stream:
            if isinstance(value, str):
                values.append(json.loads(value))

    with pytest.raises(gr.Error, match="blank lines"):
        await watch()
    assert list(values[0]) == ["coming"]
    assert (values[-1]["id"], values[-1]["coming"]) == (kept, None)
    assert session.dataset is not None
    taken = loading.put_on_screen(session, session.dataset).map_value
    assert json.loads(taken or "")["coming"] is None, "nor does what other texts take the place of"


async def test_a_reload_finds_texts_that_are_still_coming(slow: Desk) -> None:
    made_as = await begun(slow, slow.sessions.of("before"))
    partial = slow.datasets.get(made_as)
    assert partial is not None
    assert not partial.whole
    again = slow.sessions.of("after")
    stream = with_cancel(loading.from_address)(slow, again, f"?data={made_as}", None)
    seen = [(line, value) async for line, _, value in stream]
    assert json.loads(seen[0][1])["id"] == made_as, "what there is of them is there at once"
    assert "600 texts" in seen[-1][0]
    assert again.dataset is not None
    assert again.dataset.whole
    assert again.dataset.texts == TEXTS
    assert again.last_call is not None
    assert not slow.carried
    assert not slow.turns.locked()


async def test_who_reloads_can_cancel_them(slow: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    import gradio as gr

    monkeypatch.setattr(growing, "GRACE_S", 1.0)
    made_as = await begun(slow, slow.sessions.of("before"))
    again = slow.sessions.of("after")
    stream = with_cancel(loading.from_address)(slow, again, f"?data={made_as}", None)
    await anext(stream)
    await cancel(slow, again)
    with pytest.raises(gr.Error, match="Cancelled"):
        async for _ in stream:
            pass
    await asyncio.sleep(0)
    assert not slow.carried
    assert slow.datasets.get(made_as) is not None, "a page that was shown a part may be asking for it"
    await asyncio.sleep(1.1)
    assert slow.datasets.get(made_as) is None


async def test_one_of_two_pages_that_cancels_leaves_them_to_the_other(slow: Desk) -> None:
    made_as = await begun(slow, slow.sessions.of("before"))
    pages = [slow.sessions.of(name) for name in ("one", "two")]
    streams = [with_cancel(loading.from_address)(slow, page, f"?data={made_as}", None) for page in pages]
    for stream in streams:
        await anext(stream)
    await cancel(slow, pages[0])
    assert [line async for line, _, _ in streams[1]]
    assert pages[1].dataset is not None
    assert pages[1].dataset.whole


async def counting(most: int) -> AsyncIterator[Step]:
    for number in range(most):
        await asyncio.sleep(0.01)
        yield Step(str(number))


async def test_nobody_comes_back_and_it_ends() -> None:
    ended = asyncio.Event()
    carried = Carried(counting(1000), ended=ended.set, alone_s=0.05)
    async with aclosing(carried.watch()) as steps:
        await anext(steps)
    assert carried.goes_on
    await asyncio.wait_for(ended.wait(), 2)
    with pytest.raises(InvalidInput, match="given up"):
        async for _ in carried.watch():
            pass


async def test_all_who_watch_see_the_end() -> None:
    carried = Carried(counting(5), ended=lambda: None)

    async def last() -> str:
        return [step.line async for step in carried.watch()][-1]

    assert await asyncio.gather(last(), last()) == ["4", "4"]
    assert await last() == "4", "and who comes late"
