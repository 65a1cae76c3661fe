"""From what a visitor brings to a dataset on screen, with progress; files are read in `upload`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

from embedder.config import Settings
from embedder.corpus.jobs import embed_in_slices
from embedder.corpus.pasting import Way, texts_of
from embedder.errors import InvalidInput, TesseraError
from ui.carried import Carried
from ui.chunking import chunking_of, in_chunks
from ui.datasets import Dataset, new_id
from ui.growing import Brought, Growing, assemble, said
from ui.map import as_before, coming, instead, shown
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
        chunking_of(tuple(wish))
    except TesseraError as error:
        yield Step(status(str(error), kind="error"))
        raise
    async with aclosing(carry(desk, session, in_chunks(desk, brought, tuple(wish), model), model)) as updates:
        async for update in updates:
            yield update


async def from_sample(desk: Desk, session: Session, name: Any, model: Any) -> AsyncGenerator[Step, None]:
    """One of `SAMPLES`; where its vectors and map are at hand for this model, nothing is computed."""
    if not isinstance(name, str) or name not in SAMPLES:
        raise InvalidInput("There is no such sample.")
    known = await ready_made(desk, name, model)
    if known is not None:
        yield put_on_screen(session, known)
        return
    sample = await asyncio.to_thread(SAMPLES[name])
    brought = Brought(sample.name, sample.texts, sample.columns)
    async with aclosing(load(desk, session, brought, model)) as updates:
        async for update in updates:
            yield update


async def from_address(desk: Desk, session: Session, wanted: Any, model: Any) -> AsyncGenerator[Step, None]:
    """What the address asks for, as long as it is kept; else the first sample."""
    asked = parse_qs(wanted[1:MAX_ADDRESS_CHARS]) if isinstance(wanted, str) else {}
    made_as = asked.get("data", [""])[0]
    dataset = desk.datasets.get(made_as)
    if dataset is None and made_as in desk.carried:  # something to look at until there is some of them
        await ensure_some(desk, session)
        dataset = desk.datasets.get(made_as)
    if made_as in desk.carried:
        watching = watched(desk, session, made_as, session.begin(), session.dataset)
        async with aclosing(watching) as steps:
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
    layout = key if key in dataset.workings.layouts else dataset.first_layout
    return Step(summary(dataset), instead(shown(dataset, layout)))


async def ensure_some(desk: Desk, session: Session) -> None:
    """The first sample for a page without texts: it came back to some that were cancelled then."""
    if session.dataset is None:
        known = await ready_made(desk, FIRST_SAMPLE, None)
        if known is not None:
            put_on_screen(session, known)


def load(desk: Desk, session: Session, brought: Brought, model: Any) -> AsyncGenerator[Step, None]:
    """Embed `brought` and put it on screen, what there is of it from the first slice on.

    Raises:
        TesseraError: said in a status line before.
    """

    async def there() -> AsyncGenerator[Step | Brought, None]:
        yield brought

    return carry(desk, session, there(), model)


async def carry(
    desk: Desk,
    session: Session,
    bringing: AsyncGenerator[Step | Brought, None],
    model: Any,
    done: Callable[[], Awaitable[None]] | None = None,
) -> AsyncGenerator[Step, None]:
    """`load` of what `bringing` ends with, under an id that the page is told at once.

    It runs in a task that outlives the page for a while; `done` is called once all of it is there.

    Raises:
        TesseraError: said in a status line before.
    """
    job, made_as = session.begin(), new_id()
    desk.carried[made_as] = Carried(
        made(desk, made_as, bringing, model, done), ended=lambda: desk.carried.pop(made_as)
    )
    async with aclosing(watched(desk, session, made_as, job)) as steps:
        async for step in steps:
            yield step


async def made(
    desk: Desk,
    made_as: str,
    bringing: AsyncGenerator[Step | Brought, None],
    model: Any,
    done: Callable[[], Awaitable[None]] | None,
) -> AsyncGenerator[Step, None]:
    """The steps to a dataset of what `bringing` ends with; only embedding it waits for a turn."""
    brought: Brought | None = None
    async with aclosing(bringing) as steps:
        async for step in steps:
            if isinstance(step, Brought):
                brought = step
            else:
                yield step
    if brought is None:
        return
    if brought.owned is not None:
        making = take(desk, made_as, brought, brought.owned)
    else:
        making = embed(desk, Growing(desk.datasets, brought, made_as), brought, model)
    async with aclosing(in_turn(desk.turns, making, Step(WAITING))) as steps_on:
        async for step in steps_on:
            yield step
    if done is not None:
        await done()


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


async def watched(
    desk: Desk, session: Session, made_as: str, job: int, meanwhile: Dataset | None = None
) -> AsyncGenerator[Step, None]:
    """What becomes of texts that are coming, for a page that brought them or has come back to them.

    Until there is something of them it shows `meanwhile`, or what it showed before.

    Raises:
        TesseraError: said in a status line before.
    """
    named = False
    try:
        async with aclosing(desk.carried[made_as].watch()) as steps:
            async for step in steps:
                value = step.map_value or (None if named else coming(made_as, meanwhile))
                named = True
                yield Step(step.line, value if job == session.job else None)
    except Exception as error:
        value = None
        if job == session.job:
            await ensure_some(desk, session)
            value = as_before(session, session.dataset) if session.dataset else None
        yield Step(status(sentence_of(error), kind="error"), value)
        raise
    dataset = desk.datasets.get(made_as)
    if dataset is not None and session.put(job, dataset):
        yield Step(summary(dataset), shown(dataset))


async def take(desk: Desk, made_as: str, brought: Brought, owned: Owned) -> AsyncGenerator[Step, None]:
    """A dataset of texts whose vectors came with them; nothing is embedded."""
    yield Step(status(f"Taking {many(len(brought.texts), 'vector')} from the file…", share=0))
    model = await maker_of(desk.engine, owned, tuple(desk.settings.allowed_models))
    dataset = await asyncio.to_thread(
        dataset_of, brought.name, brought.texts, brought.columns, brought.notes, owned, model
    )
    if brought.places is not None:
        await asyncio.to_thread(add_places, dataset, brought.places)
    desk.datasets.put(replace(dataset, id=made_as))


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
