"""Long texts, cut into overlapping chunks where the visitor wants that."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from embedder.corpus.chunks import Chunked, Chunking, split_texts
from embedder.errors import InvalidInput
from ui.growing import Brought
from ui.owned import PLACES
from ui.steps import Step
from ui.view import Desk, many, status, time_left

TOKENS, OVERLAP = 200, 32
TOLD_S = 0.25


@dataclass
class ChunkControls:
    """Components: the wish, how long a chunk may be, and how much of it is said twice."""

    split: Any
    tokens: Any
    overlap: Any

    @property
    def all(self) -> list[Any]:
        """In the order in which handlers get their values."""
        return [self.split, self.tokens, self.overlap]


def build(*, of: str = "", offered: bool = False) -> ChunkControls:
    """The controls; those of a file are hidden until it has texts longer than the model reads.

    `of` begins the ids of a second set on the page.
    """
    import gradio as gr

    def number(value: int, label: str, name: str) -> Any:
        return gr.Number(
            value, label=label, precision=0, visible=False, elem_id=of + name, elem_classes="chunk-number"
        )

    split = gr.Checkbox(
        False, label="Cut long texts into chunks", visible=offered, elem_id=f"{of}split", elem_classes="tick"
    )
    tokens = number(TOKENS, "Tokens a chunk", "chunk-tokens")
    overlap = number(OVERLAP, "Overlap, tokens", "chunk-overlap")
    controls = ChunkControls(split, tokens, overlap)
    split.input(
        lambda wanted: [gr.update(visible=wanted is True)] * 2,
        [split],
        [tokens, overlap],
        show_progress="hidden",
        api_visibility="private",
    )
    return controls


def no_chunks() -> tuple[Any, Any, Any]:
    """The controls of chunks as they are for texts that are short enough."""
    import gradio as gr

    hidden = gr.update(visible=False)
    return gr.update(visible=False, value=False), hidden, hidden


def chunking_of(wish: tuple[Any, ...]) -> Chunking | None:
    """What the controls' values ask for; None where nothing is to be cut.

    Raises:
        InvalidInput: a number that is none, or out of its range.
    """
    split, tokens, overlap = (*wish, None, None, None)[:3]
    if split is not True:
        return None
    for value in (tokens, overlap):
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e9:
            raise InvalidInput("Tokens of a chunk and tokens in two chunks are whole numbers.")
    return Chunking(int(tokens), int(overlap))


async def in_chunks(
    desk: Desk, brought: Brought, wish: tuple[Any, ...], model: Any
) -> AsyncGenerator[Step | Brought, None]:
    """`brought` as the controls' values `wish` ask for, after the steps on the way there.

    Raises:
        InvalidInput: they ask for what cannot be, or for more chunks than the page takes.
    """
    chunking = chunking_of(wish)
    if chunking is None or brought.owned is not None:
        yield brought
        return
    async with aclosing(cut(desk, brought, chunking, model)) as steps:
        async for step in steps:
            yield step


async def cut(
    desk: Desk, brought: Brought, chunking: Chunking, model: Any
) -> AsyncGenerator[Step | Brought, None]:
    """Lines with the share that is cut, then the texts as chunks; leaving ends the work.

    Raises:
        InvalidInput: more chunks than the page takes.
    """
    count_tokens = await desk.engine.token_counter(model if isinstance(model, str) else None)
    share, left, started_s = 0.0, threading.Event(), time.monotonic()

    def told(done: float) -> None:
        nonlocal share
        share = done
        if left.is_set():
            raise InvalidInput("Cancelled.")

    work = asyncio.create_task(
        asyncio.to_thread(
            split_texts,
            brought.texts,
            brought.columns,
            chunking,
            count_tokens,
            desk.settings.page_max_texts,
            progress=told,
        )
    )
    try:
        while not work.done():
            yield Step(status(f"Cutting long texts: {share:.0%}{time_left(started_s, share)}", share=share))
            await asyncio.wait([work], timeout=TOLD_S)
        yield as_brought(brought, work.result(), chunking)
    finally:
        left.set()


def as_brought(brought: Brought, made: Chunked, chunking: Chunking) -> Brought:
    """`brought` with the chunks for its texts, and with what was done among its notes."""
    note = (
        f"{many(made.split, 'long text')} cut into chunks of up to {chunking.tokens:,} tokens, "
        f"{chunking.overlap:,} of them in two"
    )
    brought = replace(brought, texts=made.texts, columns=made.columns)
    if not made.split:
        return replace(brought, notes=(*brought.notes, note))
    # Chunks of one document would lie on one another.
    notes = [one for one in brought.notes if not one.startswith(PLACES)]
    return replace(brought, notes=(*notes, note), places=None)
