"""Maps that are kept with collections, on the page: taken as they are, brought up to date, made, kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from embedder.analysis.projection import LayoutOptions
from embedder.collections import Collection
from embedder.collections.kept_map import KeptMap
from embedder.collections.map_parts import Placed, placed_rows
from embedder.collections.map_rows import EXACT_ROWS, is_of_now
from embedder.collections.map_stages import Whole
from embedder.collections.mapping import MadeMap, MapWish, keep_map, make_map
from embedder.errors import InvalidInput, TesseraError
from ui.datasets import FEW_TEXTS, NEIGHBOURS, Dataset
from ui.following import Steps, Work
from ui.map import followed, key_of, shown
from ui.shelf import Part, made

if TYPE_CHECKING:
    from embedder.analysis.trust import Trust
    from ui.session import Session
    from ui.view import Desk

_PARTS = 1000
"""Work tells how far it is in whole numbers."""


async def take_kept(desk: Desk, opened: Collection, dataset: Dataset, part: Part) -> None:
    """Put `dataset` on the map that is kept with its collection, if one is; new texts are placed at once."""
    maps = desk.shelf.collections.maps
    if maps is None:
        return
    try:
        kept = await asyncio.to_thread(maps.load, opened.name, await opened.read_about())
        if kept is None:
            return
        placed = await asyncio.to_thread(placed_rows, kept, part.ids, dataset.vectors)
        if placed is None:
            return
        now = await asyncio.to_thread(is_of_now, kept, opened.table)
    except TesseraError:  # a map that cannot be read is none: one is made as for any texts
        return
    _put(dataset, kept, placed, now=now)


def _put(dataset: Dataset, kept: KeptMap, placed: Placed, *, now: bool) -> None:
    key = key_of(LayoutOptions(**kept.head.options))
    dataset.add_layout(key, placed.layout)
    later = f"; {placed.new:,} new since, placed beside them{_trusted(placed.trust)}" if placed.new else ""
    dataset.workings.remarks[key] = f"the map kept with the collection: {kept.head}{later}"
    dataset.workings.mapped, dataset.workings.outdated = True, not now
    dataset.workings.known = known = placed.known if now else None
    if known is not None and known.exact and known.whole:
        dataset.workings.give(NEIGHBOURS, known)


def _trusted(trust: Trust | None) -> str:
    if trust is None:
        return ""
    return f" (trustworthiness of these at {trust.k}: {trust.trustworthiness:.3f}, on {trust.looked_at:,})"


async def brought_up_to_date(desk: Desk, dataset: Dataset) -> AsyncGenerator[str, None]:
    """Lay the map out again where its collection has changed since, in the background; yields lines."""
    part, shelf, maps = dataset.workings.part, desk.shelf, desk.shelf.collections.maps
    if part is None or maps is None or not dataset.workings.outdated or part.name in shelf.mapping:
        return
    share = 0.0

    def told(done: float) -> None:
        nonlocal share
        share = done

    dataset.workings.outdated = False
    shelf.mapping.add(part.name)
    try:
        opened = await shelf.collections.open(part.name)
        if await made(opened) != part.made:
            return
        work = asyncio.create_task(_made(desk, opened, dataset, part, told))
        async for line in followed(work, lambda: share, "The collection has changed: its map"):
            yield line
    finally:
        shelf.mapping.discard(part.name)


async def _made(
    desk: Desk, opened: Collection, dataset: Dataset, part: Part, told: Callable[[float], None]
) -> KeptMap:
    """The map of a whole collection, made or brought up to date; `dataset`, a part of it, stands on it then.

    Raises:
        TesseraError: as `make_map`.
    """
    collections, whole = desk.shelf.collections, Whole()
    maps = collections.maps
    old = await asyncio.to_thread(maps.load, part.name, await opened.read_about()) if maps else None
    kept = await make_map(
        collections,
        part.name,
        desk.settings.cache_dir,
        MapWish(old.head.options if old else {}),
        lambda stage, share: told(whole.told(stage, share)),
    )
    placed = await asyncio.to_thread(placed_rows, kept, part.ids, dataset.vectors)
    if placed is not None:
        _put(dataset, kept, placed, now=True)
    return kept


async def map_steps(desk: Desk, name: str, dataset: Dataset) -> Steps:
    """All of a collection mapped of which a sample is on screen; its map is kept, and the sample put on it.

    Raises:
        InvalidInput: what is on screen is of another, or a map is being made already.
        TesseraError: as `make_map`.
    """
    shelf = desk.shelf
    opened, part = await shelf.opened(name, dataset)
    if shelf.mapping:
        raise InvalidInput("A map is being made already. Wait until it is done, then try again.")
    work = Work(
        "Mapping",
        lambda told: _made(desk, opened, dataset, part, lambda share: told(round(share * _PARTS), _PARTS)),
    )
    shelf.mapping.add(name)
    try:
        async with aclosing(work.steps()) as steps:
            async for step in steps:
                yield step
    finally:
        shelf.mapping.discard(name)
    head = work.made.head
    yield {"data": dataset.id, "layout": key_of(LayoutOptions(**head.options)), "mapped": head.rows}


async def arrange(desk: Desk, session: Session) -> AsyncGenerator[tuple[Any, str, bool], None]:
    """As `ui.map.arrange`, for a collection's older map that is on screen: it stays there meanwhile."""
    import gradio as gr

    dataset = session.dataset
    if dataset is None:
        return
    async with aclosing(brought_up_to_date(desk, dataset)) as lines:
        async for line in lines:
            yield gr.skip(), line, True
    if session.dataset is dataset:
        yield shown(dataset), "", False
    else:
        yield gr.skip(), gr.skip(), False


async def keep_shown(desk: Desk, dataset: Dataset) -> None:
    """Keep neighbours and UMAP of a whole collection on screen with it; if that fails, they are made anew."""
    part, options = dataset.workings.part, LayoutOptions()
    layout, near = dataset.workings.layouts.get(key_of(options)), dataset.known_neighbours
    if part is None or not part.whole or len(part.ids) > EXACT_ROWS:
        return
    if layout is None or desk.shelf.collections.maps is None:
        return
    if near is None and len(part.ids) <= FEW_TEXTS:  # samples come with a map, and nobody has clicked yet
        near = await dataset.neighbours()
    if near is None:
        return
    shown = MadeMap(part.ids, dataset.vectors, layout, near, asdict(options), part.mark)
    with suppress(TesseraError):
        opened = await desk.shelf.collections.open(part.name)
        if await made(opened) == part.made:
            await keep_map(desk.shelf.collections, part.name, shown)
