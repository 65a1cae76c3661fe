"""A file's map without a page: what `tessera map` makes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from embedder.analysis.maps import map_of
from embedder.analysis.projection import EXACT_NEIGHBOURS_LIMIT, N_NEIGHBOURS, SMALLEST_UMAP
from embedder.config import Settings
from embedder.corpus.jobs import embed_in_slices
from embedder.corpus.reading import TextTable
from embedder.engine import Engine
from embedder.errors import InvalidInput
from ui.datasets import FROM_FILE, Dataset, new_id
from ui.growing import Brought, assemble
from ui.layout import LayoutWorker
from ui.map import check_space, key_of, options_of
from ui.owned import add_places, dataset_of, maker_of, owned_of, places_of
from ui.preview import MAX_COLUMNS, remarks
from ui.takeaway import FORMATS, offline_page, table, told

HTML = "html"
MAP_FORMATS = (HTML, *FORMATS)


Told = Callable[[str, float], None]
"""Told of a stage, by its name, what share of it is done, 0 to 1."""


async def draw(
    engine: Engine, settings: Settings, brought: tuple[str, TextTable], asked: dict[str, Any], tell: Told
) -> tuple[Dataset, str]:
    """A dataset of a file's name and table, and the key of its layout.

    `asked` is what `LayoutOptions` calls by these names. Vectors that the table has are taken as they
    are, and so are its places where nothing is asked for.

    Raises:
        InvalidInput: no such layout, or none of so many texts.
        TesseraError: what embedding, or the layout, raises.
    """
    wanted = options_of(asked)
    check_space(wanted, len(brought[1].texts))
    dataset = await _dataset(engine, settings, brought, tell)
    if not asked and FROM_FILE in dataset.workings.layouts:
        return dataset, FROM_FILE
    # Up to there UMAP's usual neighbourhoods are all of the texts. Whoever asks for UMAP gets it.
    few = len(dataset.texts) <= N_NEIGHBOURS and not asked.keys() & {"method", "n_neighbors", "min_dist"}
    if few or len(dataset.texts) < SMALLEST_UMAP:
        wanted = replace(wanted, method="pca")
    if wanted.method == "pca":
        layout = await asyncio.to_thread(map_of, dataset.vectors, wanted)
    else:
        worker = LayoutWorker(settings.cache_dir, threads=settings.cpu_threads)
        dataset.workings.find_neighbours = worker.neighbours
        try:
            near = await dataset.neighbours() if len(dataset.texts) <= EXACT_NEIGHBOURS_LIMIT else None
            layout = await worker.project(dataset.vectors, wanted, lambda share: tell("Layout", share), near)
        finally:
            await worker.stop()
    dataset.add_layout(key_of(wanted), layout)
    return dataset, key_of(wanted)


async def written(dataset: Dataset, key: str, wanted: str) -> Iterator[bytes]:
    """The map in one of `MAP_FORMATS`, part by part.

    Raises:
        InvalidInput: there is no such format.
        TooLarge: as NPZ it would take too much room.
    """
    if wanted == HTML:
        return iter([offline_page(await told(dataset, key)).encode()])
    if wanted not in FORMATS:
        raise InvalidInput(f"There is no such format; choose one of {', '.join(MAP_FORMATS)}.")
    rows = await table(dataset, key)
    made = await asyncio.to_thread(FORMATS[wanted].write, rows)
    return iter([made]) if isinstance(made, bytes) else made


async def _dataset(engine: Engine, settings: Settings, brought: tuple[str, TextTable], tell: Told) -> Dataset:
    name, rows = brought
    columns = dict(list(rows.columns.items())[:MAX_COLUMNS])
    owned, places = owned_of(rows), places_of(rows)
    if owned is None:
        whole = Brought(name, rows.texts, columns, remarks(rows), places=places)
        return await _embedded(engine, whole, lambda share: tell("Embedding", share))
    model = await maker_of(engine, owned, tuple(settings.allowed_models))
    dataset = await asyncio.to_thread(dataset_of, name, rows.texts, columns, remarks(rows), owned, model)
    if places is not None:
        add_places(dataset, places)
    return dataset


async def _embedded(engine: Engine, brought: Brought, tell: Callable[[float], None]) -> Dataset:
    slices = []
    async with aclosing(embed_in_slices(engine, brought.texts)) as made:
        async for part in made:
            slices.append(part)
            tell(part.progress.done / part.progress.total)
    return await asyncio.to_thread(assemble, brought, slices, new_id())
