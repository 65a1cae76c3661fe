"""The table of vectors, paged on the server; one vector whole; all of them as a file."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import numpy as np

from embedder.errors import InvalidInput
from ui import downloads
from ui.datasets import Dataset
from ui.figures import as_plot, shorten, vector_figure
from ui.session import Session
from ui.view import QUIET, Desk, bind, bind_event, many, status, uploads_folder

PAGE_ROWS = 20
SHOWN_NUMBERS = 6
SHOWN_CHARS = 160
HEADERS = ["#", "text", "tokens", "norm", *(f"x{i}" for i in range(1, SHOWN_NUMBERS + 1))]
EMPTY = "No vectors yet. Paste texts, upload a file or choose a sample."
CHOOSE = "Choose a row to see its whole vector."


@dataclass
class VectorsView:
    """Components of the tab."""

    number: Any
    table: Any
    note: Any
    chosen: Any
    bars: Any
    numbers: Any
    file: Any

    @property
    def page(self) -> list[Any]:
        """What turning a page changes."""
        return [self.number, self.table, self.note]

    @property
    def detail(self) -> list[Any]:
        """What choosing a row changes."""
        return [self.chosen, self.bars, self.numbers]


def build(desk: Desk) -> VectorsView:
    """Lay the tab out and wire its own events."""
    import gradio as gr

    with gr.Row(elem_classes="controls"):
        before = gr.Button("‹ Previous", size="sm", min_width=90, elem_id="page-before")
        number = gr.Number(
            1, label="Page", precision=0, minimum=1, container=False, min_width=70, elem_id="page"
        )
        after = gr.Button("Next ›", size="sm", min_width=90, elem_id="page-after")
        note = gr.HTML(status(EMPTY), elem_classes="note grow")
    table = gr.Dataframe(
        headers=HEADERS,
        datatype=["number", "str", "number", *["str"] * (1 + SHOWN_NUMBERS)],
        value=[],
        interactive=False,
        wrap=False,
        show_label=False,
        column_widths=[60, 330, 76, 76, *[80] * SHOWN_NUMBERS],
        max_height=520,
        buttons=[],
        elem_id="vectors",
        elem_classes="cells",
    )
    chosen = gr.HTML(status(CHOOSE), elem_classes="note")
    bars = gr.Plot(show_label=False, container=False, visible=False, elem_id="bars", elem_classes="figure")
    numbers = gr.Code(
        language="json", label="The whole vector", visible=False, max_lines=6, interactive=False
    )
    with gr.Row(elem_classes="controls"):
        as_npz = gr.Button("Download as NPZ", size="sm", elem_id="as-npz")
        as_jsonl = gr.Button("Download as JSONL", size="sm", elem_id="as-jsonl")
    file = gr.File(label="Ready to download", visible=False, interactive=False, elem_id="file")
    view = VectorsView(number, table, note, chosen, bars, numbers, file)
    before.click(bind(desk, turn_back), [number], view.page, **QUIET)
    after.click(bind(desk, turn_on), [number], view.page, **QUIET)
    number.submit(bind(desk, turn_to), [number], view.page, **QUIET)
    table.select(bind_event(desk, choose), [number], view.detail, **QUIET)
    as_npz.click(bind(desk, make_npz), [], [file], **QUIET)
    as_jsonl.click(bind(desk, make_jsonl), [], [file], **QUIET)
    return view


def wire_load(desk: Desk, view: VectorsView, loaded: Any) -> None:
    """After a load: the first page, nothing chosen."""
    loaded.success(bind(desk, first_page), [], [*view.page, *view.detail, view.file], **QUIET)


async def first_page(desk: Desk, session: Session) -> Any:
    """Page 1 of a new dataset, and the rest of the tab emptied."""
    import gradio as gr

    hidden = gr.update(value=None, visible=False)
    return *(await turn_to(desk, session, 1)), status(CHOOSE), hidden, hidden, hidden


async def turn_back(desk: Desk, session: Session, number: Any) -> Any:
    """The page before."""
    return await turn_to(desk, session, as_number(number) - 1)


async def turn_on(desk: Desk, session: Session, number: Any) -> Any:
    """The page after."""
    return await turn_to(desk, session, as_number(number) + 1)


async def turn_to(desk: Desk, session: Session, number: Any) -> Any:
    """Page `number`, or the nearest there is."""
    dataset = session.dataset
    if dataset is None:
        return 1, [], status(EMPTY)
    n = len(dataset.texts)
    pages = -(-n // PAGE_ROWS)
    page = min(max(as_number(number), 1), pages)
    start = (page - 1) * PAGE_ROWS
    stop = min(start + PAGE_ROWS, n)
    sentence = f"{start + 1:,} to {stop:,} of {many(n, 'text')}; page {page:,} of {pages:,}"
    return page, rows(dataset, start, stop), status(sentence)


async def choose(desk: Desk, session: Session, row: int | None, number: Any) -> Any:
    """The whole vector of a row of the present page."""
    import gradio as gr

    dataset = session.dataset
    index = (as_number(number) - 1) * PAGE_ROWS + (row or 0)
    if dataset is None or row is None or not 0 <= row < PAGE_ROWS or not 0 <= index < len(dataset.texts):
        return status(CHOOSE), gr.skip(), gr.skip()
    vector = dataset.vectors[index]
    cut = ", cut to fit the model" if index in dataset.truncated else ""
    tokens = many(int(dataset.prompt_tokens[index]), "token")
    said = f"{index + 1}. {shorten(dataset.texts[index], 300)} ({tokens}{cut})"
    numbers = "[" + ", ".join(f"{value:.7g}" for value in vector.tolist()) + "]"
    figure = as_plot(vector_figure(vector))
    return status(said), gr.update(value=figure, visible=True), gr.update(value=numbers, visible=True)


async def make_npz(desk: Desk, session: Session) -> Any:
    """All of them for NumPy."""
    return await offer(desk, session, "vectors.npz")


async def make_jsonl(desk: Desk, session: Session) -> Any:
    """All of them, one text a line."""
    return await offer(desk, session, "vectors.jsonl")


async def offer(desk: Desk, session: Session, name: str) -> Any:
    """A file to download."""
    import gradio as gr

    if session.dataset is None:
        raise InvalidInput(EMPTY)
    folder = uploads_folder(desk.settings).resolve() / "downloads"
    path = await asyncio.to_thread(downloads.write, session.dataset, folder, name)
    return gr.update(value=str(path), visible=True)


def rows(dataset: Dataset, start: int, stop: int) -> list[list[Any]]:
    """Rows of the table: place from 1, text, tokens, norm, first numbers."""
    norms = np.linalg.norm(dataset.vectors[start:stop], axis=1)
    return [
        [
            index + 1,
            shorten(dataset.texts[index], SHOWN_CHARS),
            int(dataset.prompt_tokens[index]),
            f"{norms[index - start]:.4f}",
            *(f"{value:.4f}" for value in dataset.vectors[index, :SHOWN_NUMBERS].tolist()),
        ]
        for index in range(start, stop)
    ]


def as_number(value: Any) -> int:
    """A page number a client sent, 1 where it is none."""
    return int(value) if isinstance(value, int | float) and abs(value) < 1e9 else 1
