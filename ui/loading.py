"""From what a visitor brings to a dataset on screen, with progress; files are read in `upload`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from urllib.parse import parse_qs

from embedder.config import Settings
from embedder.corpus.jobs import embed_in_slices
from embedder.corpus.pasting import Way, texts_of
from embedder.errors import InvalidInput, TesseraError
from ui.carried import Carried
from ui.chunking import in_chunks
from ui.datasets import Dataset
from ui.growing import Brought, Growing, assemble, said
from ui.map import shown
from ui.owned import Owned, add_places, dataset_of, maker_of
from ui.samples import FIRST_SAMPLE, SAMPLE_ID, SAMPLES, ready_made
from ui.session import Session
from ui.steps import Step
from ui.turns import WAITING, in_turn
from ui.view import Desk, as_text, many, sentence_of, status

MAX_ADDRESS_CHARS = 4_000
PASTE_WAYS: dict[str, Way | None] = {"Lines": "lines", "Paragraphs": "paragraphs", "Guess": None}
GONE = status(
    "The texts of this address are no longer here, for a page keeps them only for a while. A sample instead:",
    kind="error",
)

OPENING = status(
    "This address is of a collection. Who may see it finds it under “Collections”. A sample instead:"
)


async def from_paste(
    desk: Desk, session: Session, value: Any, way: Any, *rest: Any
) -> AsyncGenerator[Step, None]:
    """One text a line or a paragraph, as `way` of `PASTE_WAYS` says; blank lines are left out.

    `rest` is what the controls of chunks say, which may be left out, and the model.
    """
    *wish, model = rest
    try:
        room = desk.settings.page_max_chars
        wanted = PASTE_WAYS.get(way, "lines") if isinstance(way, str) else "lines"
        texts, taken = texts_of(as_text(value, 2 * room, "pasted text"), wanted)
        notes = ("one text a paragraph",) if taken == "paragraphs" else ()
        brought = Brought("Pasted texts", texts, {}, notes)
        if not brought.texts:
            raise InvalidInput("There is no text yet. Write or paste some, one a line.")
        check_size(brought.texts, desk.settings)
        async with aclosing(in_chunks(desk, brought, tuple(wish), model)) as steps:
            async for step in steps:
                if isinstance(step, Brought):
                    brought = step
                else:
                    yield step
    except TesseraError as error:
        yield Step(status(str(error), kind="error"))
        raise
    async with aclosing(load(desk, session, brought, model)) as updates:
        async for update in updates:
            yield update


async def from_sample(desk: Desk, session: Session, name: Any, model: Any) -> AsyncGenerator[Step, None]:
    """One of `SAMPLES`; where its vectors and map are at hand for this model, nothing is computed."""
    if not isinstance(name, str) or name not in SAMPLES:
        raise InvalidInput("There is no such sample.")
    known = await ready_made(desk, name, model)
    if known is not None:
        session.put(session.begin(), known)
        yield Step(summary(known), shown(known, known.first_layout))
        return
    sample = await asyncio.to_thread(SAMPLES[name])
    brought = Brought(sample.name, sample.texts, sample.columns)
    async with aclosing(load(desk, session, brought, model)) as updates:
        async for update in updates:
            yield update


async def from_address(desk: Desk, session: Session, wanted: Any, model: Any) -> AsyncGenerator[Step, None]:
    """What the address asks for, as long as it is kept; else the first sample."""
    asked = parse_qs(wanted[1:MAX_ADDRESS_CHARS]) if isinstance(wanted, str) else {}
    dataset = desk.datasets.get(asked.get("data", [""])[0])
    if dataset is not None and dataset.id in desk.carried:
        async with aclosing(watched(desk, session, dataset.id, session.begin())) as steps:
            async for step in steps:
                yield step
        return
    if dataset is not None and dataset.whole:
        yield put_on_screen(session, dataset, asked.get("layout", [""])[0])
        return
    lost = "data" in asked and not asked["data"][0].startswith(SAMPLE_ID)
    said = OPENING if "collection" in asked else GONE
    async with aclosing(from_sample(desk, session, FIRST_SAMPLE, model)) as updates:
        async for update in updates:
            yield Step(said + update.line, update.map_value) if lost else update


def put_on_screen(session: Session, dataset: Dataset, key: str = "") -> Step:
    """A dataset that is there, on screen, in the layout `key` if it has it."""
    session.put(session.begin(), dataset)
    return Step(
        summary(dataset), shown(dataset, key if key in dataset.workings.layouts else dataset.first_layout)
    )


async def ensure_some(desk: Desk, session: Session) -> None:
    """The first sample for a page without texts: it came back to some that were cancelled then."""
    if session.dataset is None:
        known = await ready_made(desk, FIRST_SAMPLE, None)
        if known is not None:
            put_on_screen(session, known)


async def load(desk: Desk, session: Session, brought: Brought, model: Any) -> AsyncGenerator[Step, None]:
    """Embed `brought` and put it on screen, what there is of it from the first slice on.

    Raises:
        TesseraError: said in a status line before.
    """
    job = session.begin()
    if brought.owned is not None:
        taking = take(desk, session, brought, brought.owned, job)
        async with aclosing(in_turn(desk.turns, taking, Step(WAITING))) as steps:
            async for step in steps:
                yield step
        return
    growing = Growing(desk.datasets, brought)
    desk.carried[growing.id] = Carried(
        in_turn(desk.turns, embed(desk, growing, brought, model), Step(WAITING)),
        ended=lambda: desk.carried.pop(growing.id),
    )
    async with aclosing(watched(desk, session, growing.id, job)) as steps:
        async for step in steps:
            yield step


async def embed(desk: Desk, growing: Growing, brought: Brought, model: Any) -> AsyncGenerator[Step, None]:
    """Grow a dataset to all of `brought`; where that fails nothing of it is kept."""
    try:
        if model is not None and not isinstance(model, str):
            raise InvalidInput("A model is named by a text.")
        if not desk.engine.ready:
            yield Step(status("The model is being loaded; this begins by itself when it is ready.", share=0))
        info = await desk.engine.model_info(model)
        yield Step(status(f"Embedding {many(len(brought.texts), 'text')}…", share=0))
        async with aclosing(embed_in_slices(desk.engine, brought.texts, model=info.id)) as made:
            async for part in made:
                partial = await growing.add(part)
                yield Step(said(part.progress), shown(partial) if partial else None)
        desk.datasets.put(await asyncio.to_thread(assemble, brought, growing.slices, growing.id))
    except BaseException:
        growing.drop()
        raise


async def watched(desk: Desk, session: Session, made_as: str, job: int) -> AsyncGenerator[Step, None]:
    """What becomes of texts that are being embedded, for a page that brought them or has come back to them.

    Raises:
        TesseraError: said in a status line before.
    """
    try:
        async with aclosing(desk.carried[made_as].watch()) as steps:
            async for step in steps:
                yield step if job == session.job else Step(step.line)
    except Exception as error:
        yield Step(
            status(sentence_of(error), kind="error"), shown(session.dataset) if session.dataset else None
        )
        raise
    dataset = desk.datasets.get(made_as)
    if dataset is not None and session.put(job, dataset):
        yield Step(summary(dataset), shown(dataset))


async def take(
    desk: Desk, session: Session, brought: Brought, owned: Owned, job: int
) -> AsyncGenerator[Step, None]:
    """`load` of texts whose vectors came with them; nothing is embedded."""
    yield Step(status(f"Taking {many(len(brought.texts), 'vector')} from the file…", share=0))
    try:
        model = await maker_of(desk.engine, owned, tuple(desk.settings.allowed_models))
        dataset = await asyncio.to_thread(
            dataset_of, brought.name, brought.texts, brought.columns, brought.notes, owned, model
        )
        if brought.places is not None:
            await asyncio.to_thread(add_places, dataset, brought.places)
    except Exception as error:
        yield Step(
            status(sentence_of(error), kind="error"), shown(session.dataset) if session.dataset else None
        )
        raise
    if session.put(job, dataset):
        yield Step(summary(dataset), shown(dataset))


def summary(dataset: Dataset) -> str:
    """What is on screen, and what was cut or left out."""
    parts = [
        dataset.name,
        many(len(dataset.texts), "text"),
    ]
    if dataset.counted:
        parts.append(many(int(dataset.prompt_tokens.sum()), "token"))
    if dataset.truncated:
        parts.append(
            f"{many(len(dataset.truncated), 'text')} longer than {dataset.model.max_tokens} tokens, cut there"
        )
    remark = dataset.workings.remarks.get(dataset.workings.newest)
    return status(" · ".join([*parts, *([remark] if remark else []), *dataset.notes]), kind="done")


def check_size(texts: list[str], settings: Settings) -> None:
    """Refuse more than one visitor may have.

    Raises:
        InvalidInput
    """
    if len(texts) > settings.page_max_texts:
        raise InvalidInput(
            f"These are {len(texts):,} texts; the page shows up to {settings.page_max_texts:,} at once. "
            "Take fewer, or use the API or `tessera embed` for all of them."
        )
    chars = sum(map(len, texts))
    if chars > settings.page_max_chars:
        raise InvalidInput(
            f"These texts have {chars:,} characters; the page takes up to {settings.page_max_chars:,}. "
            "Take fewer, or use the API or `tessera embed` for all of them."
        )
