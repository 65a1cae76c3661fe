"""The map: every text a point, PCA at once, UMAP in its place when it is there.

What is looked at and clicked is our own script (`assets/explorer`) over the routes of `ui.routes`;
Gradio tells it which texts are on screen, and computes layouts.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from embedder.analysis.clusters import clusters_of
from embedder.analysis.projection import SMALLEST_UMAP, LayoutOptions, Projection
from embedder.errors import InvalidInput
from ui.components import script_component
from ui.datasets import AXES, FROM_FILE, PCA, Dataset
from ui.layout import LayoutFailed
from ui.owned import RUNTIME
from ui.session import Session
from ui.snippets import LastCall
from ui.view import Desk, as_text, many, status

MAX_QUERY_CHARS = 4_000
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
    version = f"{len(dataset.texts)}{'' if dataset.whole else ' and more'}"
    return json.dumps({"id": dataset.id, "layout": key or dataset.workings.newest, "version": version})


def options_of(told: Any) -> LayoutOptions:
    """What the toolbar asks for.

    Raises:
        InvalidInput: no such layout, or a number out of its range.
    """
    asked = told if isinstance(told, dict) else {}
    method = asked.get("method", "umap")
    if method not in ("umap", "tsne", "pca"):
        raise InvalidInput("There is no such layout; choose UMAP, t-SNE or PCA.")
    numbers: dict[str, Any] = {}
    for name, (kind, low, high) in _LIMITS.items():
        value = asked.get(name, getattr(_DEFAULTS, name))
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise InvalidInput(f"{name} is a number from {low:g} to {high:g}.")
        numbers[name] = kind(value)
    return LayoutOptions(method=method, **numbers)


def axes_of(told: Any) -> str:
    """The key of a layout by two semantic axes, if that is what is asked for; `ui.axes` has made it."""
    key = told.get("key") if isinstance(told, dict) and told.get("method") == "axes" else ""
    return key if isinstance(key, str) and key.startswith(AXES) else ""


def key_of(options: LayoutOptions) -> str:
    """Names a layout among those of its dataset."""
    if options.method == "pca":
        return PCA
    if options.method == "tsne":
        return f"tsne-{options.perplexity:g}-{options.seed}"
    return f"umap-{options.n_neighbors}-{options.min_dist:g}-{options.seed}"


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
    key = key_of(options)
    if len(dataset.texts) < SMALLEST_UMAP and key != PCA:
        few = f"{many(len(dataset.texts), 'text')}: too few for neighbourhoods, so PCA draws them."
        yield shown(dataset, PCA), status(few, kind="done"), False
        return
    if key not in dataset.workings.layouts:
        async for line in laid_out(desk, dataset, key, options):
            yield gr.skip(), line, True
    if session.dataset is not dataset:  # other texts came meanwhile, and with them their own map
        yield gr.skip(), gr.skip(), False
        return
    dataset.workings.newest = key if key in dataset.workings.layouts else PCA
    yield shown(dataset), "", False


async def laid_out(
    desk: Desk, dataset: Dataset, key: str, options: LayoutOptions
) -> AsyncGenerator[str, None]:
    """Compute a layout and keep it; yields lines with the share that is done."""
    if options.method == "pca":
        clusters = await asyncio.to_thread(clusters_of, dataset.flat.points)
        dataset.add_layout(
            key, Projection(dataset.flat.points, "pca", dataset.flat.explained_share, None, clusters)
        )
        return
    name = {"umap": "UMAP", "tsne": "t-SNE"}[options.method]
    share, started_s = 0.0, time.monotonic()

    def told(done: float) -> None:
        nonlocal share
        share = max(share, done)

    work = asyncio.create_task(desk.worker.project(dataset.vectors, options, told))
    try:
        while not work.done():
            left = (time.monotonic() - started_s) * (1 - share) / share if share > 0.05 else 0.0
            time_left = f", about {left:.0f} s left" if left >= 1 else ""
            stage = "neighbours" if share == 0 else f"layout {share:.0%}{time_left}"
            yield status(f"{name}: {stage}. The map can be used meanwhile.", share=share)
            await asyncio.wait([work], timeout=TOLD_S)
        made = await work
        # Vectors that don't differ have no neighbourhoods: it's PCA's layout that comes back.
        dataset.add_layout(PCA if made.method == "pca" else key, made)
    finally:
        if not work.done():
            work.cancel()
            with suppress(asyncio.CancelledError, LayoutFailed):
                await work


async def searched(desk: Desk, session: Session, told: Any) -> None:
    """The map searched by meaning: its call is the last one now, for the code tab."""
    dataset = session.dataset
    query = as_text(
        told.get("query") if isinstance(told, dict) else None, MAX_QUERY_CHARS, "question"
    ).strip()
    if dataset is not None and query and dataset.model.runtime != RUNTIME:
        session.last_call = LastCall.of(dataset.model.id, [query], "query")
