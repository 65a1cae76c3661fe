"""The map: every text a point, PCA at once, UMAP in its place when it is there.

What is looked at and clicked is our own script (`assets/explorer`) over the routes of `ui.routes`;
Gradio tells it which texts are on screen, and computes layouts.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from embedder.analysis.maps import map_of
from embedder.analysis.projection import (
    EXACT_NEIGHBOURS_LIMIT,
    MOST_TSNE_IN_SPACE,
    SMALLEST_UMAP,
    LayoutOptions,
)
from embedder.errors import InvalidInput
from ui.components import script_component
from ui.datasets import AXES, FROM_FILE, NEIGHBOURS, PCA, PCA_3D, Dataset
from ui.last_call import LastCall
from ui.layout import LayoutFailed
from ui.owned import RUNTIME
from ui.session import Session
from ui.view import Desk, many, status, time_left

TOLD_S = 0.25
EMPTY = "Reading a sample… Paste texts, upload a file, or choose a sample above."
_LIMITS: dict[str, tuple[type, float, float]] = {
    "n_neighbors": (int, 2, 100),
    "min_dist": (float, 0.0, 0.99),
    "perplexity": (float, 2, 100),
    "seed": (int, 0, 9999),
}

_DEFAULTS = LayoutOptions()


def build(desk: Desk) -> Any:
    """The component; its value says which dataset is on screen, in which layout."""
    return script_component("main", "map", EMPTY)


def shown(dataset: Dataset, key: str | None = None) -> str:
    """The component's value for `dataset`."""
    version = f"{len(dataset.texts)}{'' if dataset.whole else ' and more'}, {dataset.workings.edition}"
    return json.dumps({"id": dataset.id, "layout": key or dataset.workings.newest, "version": version})


def coming(made_as: str, meanwhile: Dataset | None = None) -> str:
    """The component's value once `made_as` is the id of texts of which nothing is there yet.

    What is shown stays, or `meanwhile` is shown; the address names what is coming.
    """
    value = json.loads(shown(meanwhile, meanwhile.first_layout)) if meanwhile else {}
    return json.dumps({**value, "coming": made_as})


def instead(value: str) -> str:
    """A value of the component's that takes the place of what was coming, if anything was."""
    return json.dumps(json.loads(value) | {"coming": None})


def as_before(session: Session, dataset: Dataset) -> str:
    """The component's value when what was coming does not: what this page was given last of `dataset`.

    Told anew though it may be the same: the controls and the address say again what is shown.
    """
    value = json.loads(instead(session.seen() or shown(dataset)))
    return json.dumps(value | {"told": secrets.token_hex(4)})


def options_of(told: Any) -> LayoutOptions:
    """What the toolbar asks for.

    Raises:
        InvalidInput: no such layout, or a number out of its range.
    """
    asked = told if isinstance(told, dict) else {}
    method = asked.get("method", "umap")
    if method not in ("umap", "tsne", "pca"):
        raise InvalidInput("There is no such layout; choose UMAP, t-SNE or PCA.")
    dimensions = asked.get("dimensions", 2)
    if type(dimensions) is not int or dimensions not in (2, 3):
        raise InvalidInput("A map has two dimensions or three.")
    numbers: dict[str, Any] = {}
    for name, (kind, low, high) in _LIMITS.items():
        value = asked.get(name, getattr(_DEFAULTS, name))
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise InvalidInput(f"{name} is a number from {low:g} to {high:g}.")
        numbers[name] = kind(value)
    return LayoutOptions(method=method, dimensions=dimensions, **numbers)


def check_space(options: LayoutOptions, texts: int) -> None:
    """Return if so many texts can be laid out in these dimensions.

    Raises:
        InvalidInput
    """
    if options.method == "tsne" and options.dimensions == 3 and texts > MOST_TSNE_IN_SPACE:
        raise InvalidInput(
            f"t-SNE has three dimensions for up to {MOST_TSNE_IN_SPACE:,} texts. Choose 2-D, or UMAP or PCA."
        )


def axes_of(told: Any) -> str:
    """The key of a layout by two semantic axes, if that is what is asked for; `ui.axes` has made it."""
    key = told.get("key") if isinstance(told, dict) and told.get("method") == "axes" else ""
    return key if isinstance(key, str) and key.startswith(AXES) else ""


def key_of(options: LayoutOptions) -> str:
    """Names a layout among those of its dataset; the page's script and its address read it."""
    if options.method == "pca":
        return PCA if options.dimensions == 2 else PCA_3D
    if options.method == "tsne":
        flat = f"tsne-{options.perplexity:g}-{options.seed}"
    else:
        flat = f"umap-{options.n_neighbors}-{options.min_dist:g}-{options.seed}"
    return flat if options.dimensions == 2 else f"{flat}-3d"


async def arrange(
    desk: Desk, session: Session, told: dict[str, Any] | None = None
) -> AsyncGenerator[tuple[Any, str, bool], None]:
    """Lay the dataset on screen out as asked: the component's value, a line, and whether it goes on.

    Yields the present value while it works, so that nothing is taken away meanwhile.
    """
    import gradio as gr

    dataset = session.dataset
    if dataset is None:
        yield gr.skip(), status(EMPTY), False
        return
    asked = (told or {}).get("layout")
    if isinstance(asked, dict) and asked.get("method") == FROM_FILE:
        if FROM_FILE not in dataset.workings.layouts:
            raise InvalidInput("These texts brought no places of their own.")
        dataset.workings.newest = FROM_FILE
        yield shown(dataset, FROM_FILE), "", False
        return
    if laid := axes_of(asked):
        if laid not in dataset.workings.layouts:
            raise InvalidInput("These axes are no longer here. Set them again under “Axes”.")
        yield shown(dataset, laid), "", False
        return
    options = options_of(asked)
    check_space(options, len(dataset.texts))
    few = len(dataset.texts) < SMALLEST_UMAP and options.method != "pca"
    if few:
        options = replace(options, method="pca")
    key = key_of(options)
    # Before any other layout, PCA's plane stands as it is, without clusters.
    if key not in dataset.workings.layouts and not (few and key == PCA):
        async for line in laid_out(desk, dataset, key, options):
            yield gr.skip(), line, True
    if session.dataset is not dataset:  # other texts came meanwhile, and with them their own map
        yield gr.skip(), gr.skip(), False
        return
    dataset.workings.newest = key if key in dataset.workings.layouts else PCA
    if asked is not None and dataset.model.runtime != RUNTIME:
        session.last_call = LastCall.laid_out(dataset.model.id, dataset.texts, options)
    said = f"{many(len(dataset.texts), 'text')}: too few for neighbourhoods, so PCA is drawn."
    yield shown(dataset), status(said, kind="done") if few else "", False


async def laid_out(
    desk: Desk, dataset: Dataset, key: str, options: LayoutOptions
) -> AsyncGenerator[str, None]:
    """Compute a layout and keep it; yields lines with the share of the stage that is done."""
    if options.method == "pca":
        dataset.add_layout(key, await asyncio.to_thread(map_of, dataset.vectors, options))
        return
    name = {"umap": "UMAP", "tsne": "t-SNE"}[options.method]
    shares = dataset.workings.shares
    neighbours = None
    if len(dataset.texts) <= EXACT_NEIGHBOURS_LIMIT:
        finding = asyncio.create_task(dataset.neighbours())
        stage, texts = f"{name}: neighbours", len(dataset.texts)
        async for line in followed(finding, lambda: shares.get(NEIGHBOURS, 0.0), stage, texts=texts):
            yield line
        neighbours = finding.result()
    share = 0.0

    def told(done: float) -> None:
        nonlocal share
        share = max(share, done)

    work = asyncio.create_task(desk.worker.project(dataset.vectors, options, told, neighbours))
    async for line in followed(work, lambda: share, f"{name}: layout"):
        yield line
    made = work.result()
    # Vectors that don't differ have no neighbourhoods: it's PCA's layout that comes back.
    plain = key_of(replace(options, method="pca"))
    laid = plain if made.method == "pca" else key
    if laid not in dataset.workings.layouts:  # else the map of all of its collection came meanwhile
        dataset.add_layout(laid, made)


async def followed(
    work: asyncio.Task[Any], share: Callable[[], float], stage: str, *, texts: int = 0
) -> AsyncGenerator[str, None]:
    """Lines about a stage until `work` is done; who leaves before that cancels it.

    Of a stage that takes `texts` one after the other they tell how many a second.

    Raises:
        TesseraError: what `work` raised.
    """
    started_s = time.monotonic()
    try:
        while not work.done():
            done, passed_s = share(), time.monotonic() - started_s
            left = time_left(started_s, done)
            rate = f", {texts * done / passed_s:,.0f} texts a second" if texts and left else ""
            told = f" {done:.0%}" if done else ""
            yield status(f"{stage}{told}{rate}{left}. The map can be used meanwhile.", share=done)
            await asyncio.wait([work], timeout=TOLD_S)
        await work
    finally:
        if not work.done():
            work.cancel()
            with suppress(asyncio.CancelledError, LayoutFailed):
                await work
