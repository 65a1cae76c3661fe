"""What is done with collections on the page: kept, opened, added to, deleted from, put back, searched.

Each is a stream of steps: `share` while it goes on, then what became of it. `data` in the last one
is the dataset that is to be on screen from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from embedder.analysis.projection import part_of, pca_2d
from embedder.collections import Collection, Question
from embedder.collections.deleted import delete_texts, delete_whole, undo
from embedder.collections.drawing import Drawn, columns_of, draw
from embedder.collections.keeping import add_with_vectors, keep, new_texts
from embedder.collections.notes import title_of
from embedder.errors import InvalidInput, TesseraError
from ui.datasets import Dataset, new_id
from ui.following import Steps, Work
from ui.mapped import keep_shown, take_kept
from ui.owned import UNNAMED, Owned, dataset_of, maker_of
from ui.preview import MAX_COLUMNS
from ui.shelf import Before, Part, as_told, made, mark_of
from ui.written import embed_beside

if TYPE_CHECKING:
    from ui.view import Desk

HITS = 100
MAX_CHARS, MAX_CELLS, MAX_CELL_CHARS = 400, 8, 200


async def keep_steps(desk: Desk, name: str, dataset: Dataset) -> Steps:
    """What is on screen as a new collection, with its vectors; nothing is embedded."""
    _check_whole(dataset)
    new = await asyncio.to_thread(new_texts, dataset.texts, dataset.columns)
    shelf, made_by = desk.shelf, _made_by(dataset)
    work = Work(
        "Keeping",
        lambda told: keep(shelf.collections, name, new, dataset.vectors, made_by, progress=told),
    )
    async with aclosing(work.steps()) as steps:
        async for step in steps:
            yield step
    opened = work.made
    # Another dataset: the one on screen may be everybody's, as samples are.
    copy = replace(dataset, id=new_id(), name=name, workings=dataset.workings.copied())
    part = Part(name, await made(opened), [one.id for one in new], len(new), await mark_of(opened))
    desk.datasets.put(copy)
    shelf.place(copy, part)
    await keep_shown(desk, copy)
    yield {"data": copy.id, "kept": len(new)}


async def open_steps(desk: Desk, name: str) -> Steps:
    """A collection on the map: all of it, or a sample; its vectors are taken as they are."""
    opened = await desk.shelf.collections.open(name)
    known = await desk.shelf.known(desk.datasets, opened, await mark_of(opened))
    if known is not None:
        yield {"data": known.id}
        return
    settings = desk.settings
    work = Work(
        "Opening",
        lambda told: draw(opened, settings.page_max_texts, settings.page_max_chars, progress=told),
    )
    async with aclosing(work.steps()) as steps:
        async for step in steps:
            yield step
    dataset = await _dataset(desk, opened, work.made)
    yield {"data": dataset.id}


async def add_steps(desk: Desk, name: str, dataset: Dataset) -> Steps:
    """What is on screen into a collection, with its vectors; then the collection is opened."""
    _check_whole(dataset)
    opened = await desk.shelf.collections.open(name)
    part = dataset.workings.part
    if part is not None and (part.name, part.made) == (name, await made(opened)):
        raise InvalidInput(
            f"These texts are those of {name!r} already. Paste or upload others, then add them."
        )
    new = await asyncio.to_thread(new_texts, dataset.texts, dataset.columns)
    work = Work(
        "Adding",
        lambda told: add_with_vectors(opened, new, dataset.vectors, _made_by(dataset), progress=told),
    )
    async with aclosing(work.steps()) as steps:
        async for step in steps:
            yield step
    added = work.made
    async with aclosing(open_steps(desk, name)) as steps:
        async for step in steps:
            yield step | ({"new": added.new, "replaced": added.replaced} if "data" in step else {})


async def delete_steps(desk: Desk, name: str, dataset: Dataset, rows: Sequence[int]) -> Steps:
    """Rows of what is on screen, out of their collection; the others stay where they are on the map."""
    shelf = desk.shelf
    opened, part = await shelf.opened(name, dataset)
    gone = np.unique(np.array(rows, dtype=np.int64))
    if not len(gone):
        raise InvalidInput("Nothing is selected. Lasso some points on the map, or search there.")
    before = await mark_of(opened)
    ids = [part.ids[row] for row in gone]
    work = Work("Deleting", lambda told: delete_texts(shelf.collections, name, ids, progress=told))
    async with aclosing(work.steps()) as steps:
        async for step in steps:
            yield step
    if work.made is None:
        raise InvalidInput("These texts are not in the collection any more. Open it again.")
    mark = await mark_of(opened)
    if before == part.mark:  # else others wrote meanwhile, and there is no way back but to read it anew
        shelf.remember(work.made.id, Before(dataset.id, part, mark))
    told = {"deleted": as_told(work.made)}
    if len(gone) == len(dataset.texts):
        dataset.workings.part = None  # they stay on screen, and are in no collection any more
        yield told
        return
    left = np.setdiff1d(np.arange(len(dataset.texts)), gone)
    rest = await asyncio.to_thread(_only, dataset, left)
    desk.datasets.put(rest)
    known = mark if before == part.mark else -1
    total = part.total - work.made.count
    shelf.place(rest, Part(name, part.made, [part.ids[row] for row in left], total, known))
    yield told | {"data": rest.id}


async def drop_steps(desk: Desk, name: str) -> Steps:
    """A whole collection; what is on screen of it stays there."""
    work = Work("Deleting", lambda _: delete_whole(desk.shelf.collections, name))
    async with aclosing(work.steps()) as steps:
        async for step in steps:
            yield step
    yield {"deleted": as_told(work.made)}


async def undo_steps(desk: Desk, deleted_id: str) -> Steps:
    """What was deleted, back; on screen is what was there before where nothing else has changed."""
    shelf = desk.shelf
    before = shelf.before.get(deleted_id)
    unchanged = before is not None and await _unchanged(desk, before)
    work = Work("Putting back", lambda told: undo(shelf.collections, deleted_id, progress=told))
    async with aclosing(work.steps()) as steps:
        async for step in steps:
            yield step
    back = work.made
    shelf.before.pop(deleted_id, None)
    dataset = desk.datasets.get(before.dataset_id) if before else None
    if before is not None and dataset is not None and unchanged and not back.stayed:
        opened = await shelf.collections.open(back.collection)
        shelf.place(dataset, replace(before.part, mark=await mark_of(opened)))
    yield {"collection": back.collection, "put_back": back.put_back, "stayed": back.stayed}


async def found(
    desk: Desk, name: str, dataset: Dataset, question: Question, prompt: str | None = None
) -> dict[str, Any]:
    """The best hits of `question` in all of a collection; those on the map have a `row`.

    Raises:
        InvalidInput: nothing to look for, or words that no model here can read in this collection's space.
    """
    opened, part = await desk.shelf.opened(name, dataset)
    if question.mode != "keyword" and question.query.strip():
        read = await embed_beside(desk.engine, dataset, [question.query], kind="query", prompt=prompt)
        question = replace(question, vector=read.vectors[0])
    answer = await opened.search(question)
    rows = {row_id: row for row, row_id in enumerate(part.ids)}
    hits = [
        {
            "row": rows.get(hit.row.id),
            "score": hit.score,
            "parts": dict(hit.parts),
            "text": hit.row.text[:MAX_CHARS],
            "cut": len(hit.row.text) > MAX_CHARS,
            "cells": {
                column: str(value)[:MAX_CELL_CHARS]
                for column, value in list(hit.row.columns.items())[:MAX_CELLS]
            },
        }
        for hit in answer.hits
    ]
    return {"hits": hits, "score": answer.score, "total": part.total}


async def _dataset(desk: Desk, opened: Collection, drawn: Drawn) -> Dataset:
    """What was drawn of a collection, as texts on screen."""
    name, about = opened.name, await opened.read_about()
    if not len(drawn.rows):
        raise InvalidInput(
            f"The collection {name!r} has no text to show yet. Paste or upload some, then add them to it."
        )
    owned = Owned(drawn.rows.vectors, about.model, about.fingerprint)
    model = await maker_of(desk.engine, owned, tuple(desk.settings.allowed_models))
    columns = await asyncio.to_thread(columns_of, drawn.rows, MAX_COLUMNS)
    # Where nothing is sampled, what cannot be drawn does not make the map a part of more.
    sampled = len(drawn.rows) + drawn.undirected < drawn.total
    total = drawn.total if sampled else len(drawn.rows)
    notes = [f"a sample of {drawn.total:,}, drawn by chance; all are searched"] if sampled else []
    if drawn.undirected:
        notes.append(f"{drawn.undirected:,} without a direction (a vector of zeros) are not drawn")
    texts, titled = list(drawn.rows.texts), title_of(about.metadata) or name
    dataset = await asyncio.to_thread(
        lambda: dataset_of(titled, texts, columns, tuple(notes), owned, model, source="the collection")
    )
    desk.datasets.put(dataset)
    part = Part(name, await made(opened), drawn.rows.ids, total, drawn.mark)
    await take_kept(desk, opened, dataset, part)
    desk.shelf.place(dataset, part)
    return dataset


def _only(dataset: Dataset, rows: np.ndarray[Any, np.dtype[np.int64]]) -> Dataset:
    """Some rows of a dataset, in every layout where they were; PCA is of these alone."""
    place = {int(row): new for new, row in enumerate(rows)}
    vectors = dataset.vectors[rows]
    rest = replace(
        dataset,
        id=new_id(),
        texts=[dataset.texts[row] for row in rows],
        columns={name: [column[row] for row in rows] for name, column in dataset.columns.items()},
        vectors=vectors,
        prompt_tokens=dataset.prompt_tokens[rows],
        truncated=frozenset(place[row] for row in dataset.truncated if row in place),
        flat=pca_2d(vectors),
        workings=type(dataset.workings)(newest=dataset.workings.newest),
    )
    for key, layout in dataset.workings.layouts.items():
        rest.add_layout(key, part_of(layout, rows), newest=False)
    return rest


async def _unchanged(desk: Desk, before: Before) -> bool:
    """Whether nothing was written to the collection since that deletion."""
    with suppress(TesseraError):
        opened = await desk.shelf.collections.open(before.part.name)
        return await made(opened) == before.part.made and await mark_of(opened) == before.mark
    return False


def _made_by(dataset: Dataset) -> tuple[str, str]:
    model = dataset.model
    return ("", "") if model.id == UNNAMED else (model.id, model.fingerprint)


def _check_whole(dataset: Dataset) -> None:
    if not dataset.whole:
        raise InvalidInput("The texts on screen are still being embedded. Wait for that, then keep them.")
