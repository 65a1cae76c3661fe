"""Search by meaning over the texts on screen."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from embedder.analysis.similarity import top_k
from embedder.errors import InvalidInput
from embedder.types import EmbedOptions
from ui.figures import as_plot, hits_figure, shorten
from ui.map import hovers
from ui.session import Session
from ui.snippets import LastCall
from ui.view import QUIET, Desk, as_text, bind, many, status

HITS = 10
MAX_QUERY_CHARS = 4_000
HEADERS = ["rank", "score", "text", "#"]
EMPTY = "Ask in your own words: texts are found by meaning, not by letters."
_ROOM = EmbedOptions(wait_for_room=True)


@dataclass
class SearchView:
    """Components of the tab."""

    query: Any
    note: Any
    table: Any
    plot: Any
    searched: list[Any]


def build(desk: Desk) -> SearchView:
    """Lay the tab out and wire its own events."""
    import gradio as gr

    with gr.Row(elem_classes="controls"):
        query = gr.Textbox(
            placeholder="What are you looking for?",
            label="Search",
            show_label=False,
            container=False,
            scale=1,
            max_length=MAX_QUERY_CHARS,
            elem_id="query",
        )
        go = gr.Button("Search", variant="primary", scale=0, min_width=100, elem_id="search")
    note = gr.HTML(status(EMPTY), elem_classes="note")
    with gr.Row(elem_classes="hits"):
        table = gr.Dataframe(
            headers=HEADERS,
            datatype=["number", "str", "str", "number"],
            value=[],
            interactive=False,
            show_label=False,
            wrap=True,
            column_widths=[58, 74, 300, 60],
            buttons=[],
            elem_id="hits",
            elem_classes="cells",
            min_width=320,
        )
        plot = gr.Plot(
            show_label=False, container=False, elem_id="hits-map", elem_classes="figure", min_width=320
        )
    outputs = [note, table, plot]
    wired = [trigger(bind(desk, search), [query], outputs, **QUIET) for trigger in (go.click, query.submit)]
    return SearchView(query, note, table, plot, wired)


def wire_load(desk: Desk, view: SearchView, loaded: Any) -> None:
    """After a load: hits of other texts go, the query stays."""
    loaded.success(bind(desk, clear), [], [view.note, view.table, view.plot], **QUIET)


async def clear(desk: Desk, session: Session) -> Any:
    """No hits yet."""
    return status(EMPTY), [], None


async def search(desk: Desk, session: Session, query: Any) -> Any:
    """The nearest texts, best first, and where they lie."""
    dataset = session.dataset
    wanted = as_text(query, MAX_QUERY_CHARS, "question").strip()
    if dataset is None:
        raise InvalidInput("There are no texts to search yet. Paste some, upload a file or choose a sample.")
    if not wanted:
        raise InvalidInput("There is nothing to look for yet. Write a few words.")
    found = await desk.engine.embed([wanted], model=dataset.model.id, kind="query", options=_ROOM)
    session.last_call = LastCall.of(dataset.model.id, [wanted], "query")
    indices, scores = await asyncio.to_thread(top_k, found.vectors, dataset.vectors, HITS)
    hits, values = indices[0].tolist(), scores[0].tolist()
    table = [
        [rank, f"{value:.4f}", shorten(dataset.texts[hit], 400), hit + 1]
        for rank, (hit, value) in enumerate(zip(hits, values, strict=True), start=1)
    ]
    points = (session.layout or dataset.flat).points
    figure = await asyncio.to_thread(hits_figure, points, hovers(dataset), hits, values)
    cut = " The question was cut to fit the model." if found.truncated else ""
    sentence = (
        f"The nearest {len(hits)} of {many(len(dataset.texts), 'text')}. Score: cosine of question and text "
        f"in all {dataset.model.dimensions} dimensions; 1 is the same direction, 0 is unrelated.{cut}"
    )
    return status(sentence), table, as_plot(figure)
