"""Who waits for a turn is told so, can leave, and never waits for what it replaces."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from embedder import Settings
from ui import loading
from ui.layout import LayoutWorker
from ui.page import cancel, with_cancel
from ui.session import Session
from ui.view import Desk

from .conftest import hashing_engine

LONG = "\n".join(f"text {number}" for number in range(400))


async def brought(desk: Desk, session: Session, texts: str) -> list[Any]:
    """The page's lines while `texts` are embedded; what ends it early is part of them."""
    import gradio as gr

    lines = []
    try:
        async with aclosing(with_cancel(loading.from_paste)(desk, session, texts, "Lines", None)) as updates:
            async for line, _, _ in updates:
                lines.append(line)
    except gr.Error as error:
        lines.append(str(error))
    return lines


@pytest.mark.parametrize("ends", ["by itself", "by cancelling"])
async def test_a_second_visitor_waits_and_a_replaced_load_holds_nothing(tmp_path: Path, ends: str) -> None:
    settings = Settings(cache_dir=tmp_path, batch_tokens=32, page_max_jobs=1)
    async with hashing_engine(settings, delay_s=0.01) as engine:
        await engine.model_info()
        desk = Desk(engine, settings, LayoutWorker(settings.cache_dir))
        first, second = desk.sessions.of("first"), desk.sessions.of("second")
        running = asyncio.create_task(brought(desk, first, LONG))
        await asyncio.sleep(0.1)
        assert desk.turns.locked()
        waiting = asyncio.create_task(brought(desk, second, "another visitor's"))
        await asyncio.sleep(0.05)
        if ends == "by cancelling":
            await cancel(desk, second)
            lines = await asyncio.wait_for(waiting, 1)
            assert any("yours are next" in str(line) for line in lines)
            assert "Cancelled" in lines[-1]
            assert not running.done()
        # In the place of the first one's own: that one ends, and has let go of its turn.
        again = asyncio.create_task(brought(desk, first, "instead"))
        assert (await asyncio.wait_for(running, 2))[-1] == "'Replaced'"
        lines = await asyncio.wait_for(again, 5)
        assert first.dataset is not None
        assert first.dataset.texts == ["instead"]
        if ends == "by itself":
            assert any("yours are next" in str(line) for line in await asyncio.wait_for(waiting, 5))
            assert second.dataset is not None
            assert second.dataset.texts == ["another visitor's"]
        assert not desk.turns.locked()
