"""The map: every text a point, PCA at once, UMAP in its place when it is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from embedder.analysis.projection import SMALLEST_UMAP, Projection
from ui.figures import as_plot, escape, map_figure
from ui.layout import LayoutFailed
from ui.session import Dataset, Session
from ui.view import QUIET, Desk, bind, bind_stream, status

NO_COLOUR, TOKENS = "one colour", "tokens"
MAX_GROUPS = 200
WAITING = "PCA for the moment; UMAP is being computed…"
EMPTY = "No map yet. Paste texts, upload a file or choose a sample."


@dataclass
class MapView:
    """Components of the tab."""

    layout: Any
    colour: Any
    plot: Any
    note: Any


def build(desk: Desk) -> MapView:
    """Lay the tab out and wire its own events."""
    import gradio as gr

    with gr.Row(elem_classes="controls"):
        layout = gr.Radio(
            ["UMAP", "PCA"], value="UMAP", label="Layout", container=False, elem_id="layout", min_width=150
        )
        gr.HTML('<span class="label">Colour by</span>', elem_classes="labelled")
        colour = gr.Dropdown(
            [NO_COLOUR],
            value=NO_COLOUR,
            label="Colour by",
            container=False,
            filterable=False,
            elem_id="colour",
        )
        note = gr.HTML(status(EMPTY), elem_classes="note grow", elem_id="map-note")
    plot = gr.Plot(show_label=False, container=False, elem_id="map", elem_classes="figure")
    view = MapView(layout, colour, plot, note)
    for control in (layout, colour):
        control.input(
            bind_stream(desk, redraw), [layout, colour], [plot, note], trigger_mode="always_last", **QUIET
        )
    return view


def wire_load(desk: Desk, view: MapView, loaded: Any) -> None:
    """After a load: colours and PCA first, then UMAP."""
    quiet = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
    painted = loaded.success(
        bind(desk, first_look), [view.layout], [view.colour, view.plot, view.note], **quiet
    )
    painted.success(bind_stream(desk, redraw), [view.layout, view.colour], [view.plot, view.note], **quiet)


async def first_look(desk: Desk, session: Session, layout: Any) -> Any:
    """Choices of colour, and the map as PCA draws it."""
    import gradio as gr

    dataset = session.dataset
    if dataset is None:
        return gr.skip()
    choices = colour_choices(dataset)
    chosen = choices[2] if len(choices) > 2 else NO_COLOUR
    figure = await asyncio.to_thread(draw, dataset, None, chosen)
    note = note_of(dataset, None) if layout == "PCA" else WAITING
    return gr.Dropdown(choices, value=chosen), figure, status(note)


async def redraw(desk: Desk, session: Session, layout: Any, colour: Any) -> AsyncGenerator[Any, None]:
    """The map as asked for; where UMAP isn't there yet, PCA until it is."""
    import gradio as gr

    dataset = session.dataset
    if dataset is None:
        yield None, status(EMPTY)
        return
    if layout != "PCA" and len(dataset.texts) >= SMALLEST_UMAP and session.layout is None:
        yield gr.skip(), status(WAITING)
        try:
            computed = await desk.worker.project(dataset.vectors)
        except LayoutFailed as error:
            yield await asyncio.to_thread(draw, dataset, None, colour), status(str(error))
            return
        if session.dataset is not dataset:  # other texts came meanwhile, and with them their own map
            yield gr.skip(), gr.skip()
            return
        session.layout = computed
    shown = None if layout == "PCA" else session.layout
    yield await asyncio.to_thread(draw, dataset, shown, colour), status(note_of(dataset, shown))


def draw(dataset: Dataset, layout: Projection | None, colour: Any) -> Any:
    """The figure; a colour that isn't a column of this dataset is one colour."""
    column = dataset.columns.get(colour) if isinstance(colour, str) else None
    amounts = dataset.prompt_tokens if colour == TOKENS and column is None else None
    points = (layout or dataset.flat).points
    return as_plot(map_figure(points, hovers(dataset), groups=column, amounts=amounts, amount_name="tokens"))


def hovers(dataset: Dataset) -> list[str]:
    """What stands beside a point: its text, and its short columns."""
    columns = [column for column in dataset.columns.values() if max(map(len, column), default=0) <= 80][:4]
    labels = []
    for row, text in enumerate(dataset.texts):
        beside = " · ".join(escape(column[row], lines=1) for column in columns if column[row])
        labels.append(escape(text) + (f"<br><i>{beside}</i>" if beside else ""))
    return labels


def colour_choices(dataset: Dataset) -> list[str]:
    """Columns worth a colour, those with the fewest values first."""
    groups = {name: len(set(column)) for name, column in dataset.columns.items()}
    n = len(dataset.texts)
    useful = [name for name, count in groups.items() if 1 < count <= min(MAX_GROUPS, max(2, n // 2))]
    return [NO_COLOUR, TOKENS, *sorted(useful, key=lambda name: groups[name])]


def note_of(dataset: Dataset, layout: Projection | None) -> str:
    """What the picture means, and what it doesn't."""
    if layout is not None:
        return "UMAP: neighbours stay neighbours; distances between groups and their sizes mean little."
    share = dataset.flat.explained_share
    if share is None:
        return "PCA: these vectors don't differ, so they are one point."
    few = " Too few texts for UMAP." if len(dataset.texts) < SMALLEST_UMAP else ""
    return f"PCA: these two directions hold {share:.0%} of what sets the vectors apart.{few}"
