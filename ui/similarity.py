"""The heatmap: every text against every other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import numpy as np

from embedder.analysis.order import leaf_order
from embedder.analysis.similarity import cosine_similarity
from ui.datasets import Dataset
from ui.figures import as_plot, heatmap_figure
from ui.session import Session
from ui.view import QUIET, Desk, bind, status

MAX_ROWS = 60
EMPTY = "Nothing to compare yet. Paste texts, upload a file or choose a sample."


@dataclass
class SimilarityView:
    """Components of the tab."""

    grouped: Any
    plot: Any
    note: Any


def build(desk: Desk) -> SimilarityView:
    """Lay the tab out and wire its own events."""
    import gradio as gr

    with gr.Row(elem_classes="controls"):
        grouped = gr.Checkbox(True, label="Put like beside like", container=False, elem_id="grouped")
        note = gr.HTML(status(EMPTY), elem_classes="note grow")
    plot = gr.Plot(show_label=False, container=False, elem_id="heatmap", elem_classes="figure")
    view = SimilarityView(grouped, plot, note)
    grouped.input(
        bind(desk, show),
        [grouped],
        [plot, note],
        **QUIET,
    )
    return view


def wire_load(desk: Desk, view: SimilarityView, loaded: Any) -> None:
    """After a load: draw it."""
    loaded.success(
        bind(desk, show),
        [view.grouped],
        [view.plot, view.note],
        **QUIET,
    )


async def show(desk: Desk, session: Session, grouped: Any) -> Any:
    """The heatmap of the dataset, in its order or by likeness."""
    if session.dataset is None:
        return None, status(EMPTY)
    return await asyncio.to_thread(draw, session.dataset, grouped is True)


def draw(dataset: Dataset, grouped: bool) -> tuple[Any, str]:
    """Figure and sentence; of more than `MAX_ROWS` texts a selection spread over the list."""
    n = len(dataset.texts)
    rows = np.unique(np.linspace(0, n - 1, min(n, MAX_ROWS)).round().astype(np.int64))
    if grouped:
        rows = rows[leaf_order(dataset.vectors[rows])]
    scores = cosine_similarity(dataset.vectors[rows])
    sentence = (
        f"Cosine in all {dataset.model.dimensions} dimensions: 1 is the same direction, 0 is unrelated."
    )
    if n > len(rows):
        sentence += f" {len(rows)} of the {n:,} texts are shown, spread evenly over the list."
    figure = heatmap_figure(scores, [dataset.texts[row] for row in rows], [int(row) + 1 for row in rows])
    return as_plot(figure), status(sentence)
