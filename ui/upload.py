"""A file of a visitor's: looked at first, with its text column to choose, then embedded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedder.corpus.reading import SUFFIXES, TextTable, read_texts
from embedder.corpus.skipped import skipped_csv, worth_telling
from embedder.errors import FileUnreadable, InvalidInput, TesseraError
from ui.chunking import ChunkControls, chunking_of, cut
from ui.chunking import build as build_chunking
from ui.guard import inside
from ui.loading import Brought, Step, check_size, load
from ui.owned import owned_of
from ui.session import Session
from ui.view import QUIET, Desk, bind, many, sentence_of, status, uploads_folder

FILE_TYPES = list(SUFFIXES)
MAX_COLUMNS = 40
PREVIEW_ROWS, PREVIEW_CHARS, PREVIEW_COLUMNS = 20, 160, 8
MANY_NAMES = 12
"""A longer list of columns can be typed into."""
JUDGED_TEXTS, JUDGED_CHARS = 64, 4000
"""So many texts are split into tokens, so far, to judge how long all will take."""


@dataclass
class UploadView:
    """Components of the tab."""

    file: Any
    column: Any
    preview: Any
    note: Any
    embed: Any
    take: Any
    skipped: Any
    chunks: ChunkControls

    @property
    def sources(self) -> list[Any]:
        """What embedding the file asks of the visitor."""
        return [self.file, self.column, self.take, *self.chunks.all]

    @property
    def outputs(self) -> list[Any]:
        """What a file changes."""
        shown = [self.note, self.column, self.preview, self.embed, self.take, self.skipped]
        return [*shown, *self.chunks.all]


def build(desk: Desk) -> UploadView:
    """Lay the tab out and wire what happens before anything is embedded."""
    import gradio as gr

    file = gr.File(
        label="CSV, Parquet, Excel, JSON, PDF, text or NumPy",
        file_types=FILE_TYPES,
        type="filepath",
        height=130,
        elem_id="upload",
    )
    note = gr.HTML(status(limits(desk)), elem_classes="note", elem_id="upload-note")
    with gr.Row(elem_classes="controls"):
        column = gr.Dropdown(
            [], label="Column of the texts", visible=False, filterable=False, elem_id="column"
        )
        take = gr.Checkbox(
            True, label="Take the vectors it has, embed nothing", visible=False, elem_id="take-vectors"
        )
        skipped = gr.DownloadButton("Rows left out, CSV", visible=False, size="sm", elem_id="skipped")
        chunks = build_chunking()
        embed = gr.Button("Embed this file", variant="primary", visible=False, elem_id="embed-file")
    preview = gr.Dataframe(
        visible=False,
        interactive=False,
        show_label=False,
        wrap=True,
        max_height=260,
        buttons=[],
        elem_id="preview",
        elem_classes="cells",
    )
    view = UploadView(file, column, preview, note, embed, take, skipped, chunks)
    file.upload(bind(desk, look), [file], view.outputs, **QUIET)
    file.clear(bind(desk, forget), [], view.outputs, **QUIET)
    column.input(bind(desk, look), [file, column, take], view.outputs, **QUIET)
    take.input(bind(desk, look), [file, column, take], view.outputs, **QUIET)
    return view


def limits(desk: Desk) -> str:
    """How much a file may bring."""
    texts = many(desk.settings.page_max_texts, "text")
    size = f"{desk.settings.page_max_upload_bytes / 2**20:,.3g} MB"
    return f"Up to {texts}, {size}. A column named “text” is found by itself."


async def look(desk: Desk, session: Session, path: Any, column: Any = None, take: Any = True) -> Any:
    """What a file holds, and about how long it would take; nothing is embedded yet."""
    import gradio as gr

    try:
        table = await asyncio.to_thread(read, desk, path, column, take)
        judged, longer = await estimate(desk, table)
        left_out = await asyncio.to_thread(write_skipped, Path(path), table)
    except Exception as error:
        said = status(sentence_of(error), kind="error")
        # With the file's vectors declined, the way back to them stays.
        hidden = gr.update(visible=False)
        return said, hidden, hidden, hidden, gr.update(visible=not take), hidden, *no_chunks()
    column_of = {table.text_column or "text": table.texts, **table.columns}
    shown = list(column_of)[:PREVIEW_COLUMNS]
    rows = range(min(PREVIEW_ROWS, len(table.texts)))
    cells = [[column_of[name][row][:PREVIEW_CHARS] for name in shown] for row in rows]
    names = list(column_of) if table.text_column else []
    return (
        status(judged),
        gr.update(
            choices=names, value=table.text_column, visible=len(names) > 1, filterable=len(names) > MANY_NAMES
        ),
        gr.update(value={"headers": shown, "data": cells}, visible=True),
        gr.update(visible=True, value="Embed this file" if table.vectors is None else "Show this file"),
        gr.update(visible=bool(table.given.vectors)),
        gr.update(visible=left_out is not None, value=left_out),
        *(no_chunks() if not longer else (gr.update(visible=True), gr.skip(), gr.skip())),
    )


async def forget(desk: Desk, session: Session) -> Any:
    """As it was before there was a file."""
    import gradio as gr

    return (
        status(limits(desk)),
        *[gr.update(visible=False)] * 3,
        gr.update(visible=False, value=True),
        gr.update(visible=False),
        *no_chunks(),
    )


def no_chunks() -> tuple[Any, Any, Any]:
    """The controls of chunks as they are for texts that are short enough."""
    import gradio as gr

    hidden = gr.update(visible=False)
    return gr.update(visible=False, value=False), hidden, hidden


async def from_file(desk: Desk, session: Session, *values: Any) -> AsyncGenerator[Step, None]:
    """Embed a file that was looked at; it is deleted once its texts are on screen.

    `values` are those of `UploadView.sources`, of which chunks may be left out, and the model.
    """
    path, column, take, *wish, model = values
    try:
        table = await asyncio.to_thread(read, desk, path, column, take)
        chunking = chunking_of(tuple(wish))
        columns = dict(list(table.columns.items())[:MAX_COLUMNS])
        brought = Brought(Path(path).name[:80], table.texts, columns, remarks(table), owned_of(table))
        if chunking is not None and brought.owned is None:
            async with aclosing(cut(desk, brought, chunking, model)) as steps:
                async for step in steps:
                    if isinstance(step, Brought):
                        brought = step
                    else:
                        yield step
    except Exception as error:
        yield Step(status(sentence_of(error), kind="error"))
        raise
    async with aclosing(load(desk, session, brought, model)) as updates:
        async for update in updates:
            yield update
    await asyncio.to_thread(Path(path).unlink, missing_ok=True)


def read(desk: Desk, path: Any, column: Any = None, take: Any = True) -> TextTable:
    """An uploaded file's texts, within what the page takes; one that gives none is deleted.

    Raises:
        FileUnreadable, InvalidInput
    """
    if not isinstance(path, str) or not inside(path, uploads_folder(desk.settings)):
        raise FileUnreadable("The page reads only files that were uploaded to it.")
    file = Path(path)
    try:
        chosen = column if isinstance(column, str) and column else None
        table = read_texts(
            file, column=chosen, max_bytes=desk.settings.page_max_upload_bytes, take_vectors=bool(take)
        )
        check_size(table.texts, desk.settings)
    except TesseraError:
        if column is None and take:
            file.unlink(missing_ok=True)
        raise
    return table


async def estimate(desk: Desk, table: TextTable) -> tuple[str, bool]:
    """Rows, what was left out, about how long embedding takes; and whether some are longer than it reads."""
    count, longer = len(table.texts), False
    step = max(1, count // JUDGED_TEXTS)
    told = [many(count, "text"), *remarks(table)]
    if table.vectors is not None:
        told.append(
            f"vectors of {table.vectors.shape[1]:,} dimensions from the column “{vector_name(table)}”"
        )
        told.append("nothing is embedded")
    elif desk.engine.ready:
        try:
            some = [*table.texts[::step][:JUDGED_TEXTS], max(table.texts, key=len)]
            *spans, longest = await desk.engine.tokenize([text[:JUDGED_CHARS] for text in some])
        except InvalidInput:  # a text that cannot be read by itself; embedding will name it
            return " · ".join(told) + ".", False
        longer = longest.truncated
        if longer:
            told.append("some longer than the model reads: cut them into chunks, or they are cut off")
        tokens = sum(len(one.tokens) for one in spans) / max(len(spans), 1) * count
        seconds = desk.engine.estimate_s(int(tokens))
        told.append(f"about {seconds:,.0f} s to embed" if seconds >= 1 else "embedded in less than a second")
    return " · ".join(told) + ".", longer


def remarks(table: TextTable) -> tuple[str, ...]:
    """What reading a file left out, and where its texts came from."""
    said_of = [f"texts from the column “{table.text_column[:40]}”"] if table.text_column else []
    said_of += table.notes
    if table.vectors is not None and table.points is not None:
        lost = f", {table.unplaced:,} without a place put in the middle" if table.unplaced else ""
        said_of.append(f"places from the file{lost}")
    if len(table.columns) > MAX_COLUMNS:
        said_of.append(f"the first {MAX_COLUMNS} of {len(table.columns):,} other columns kept")
    rows = worth_telling(table.skipped)
    if rows:
        said_of.append(f"{many(len(rows), 'row')} left out ({table.unit} {rows[0].line:,}: {rows[0].why})")
    return tuple(said_of)


def vector_name(table: TextTable) -> str:
    """The column whose vectors are taken."""
    return (table.given.vector_column or "")[:40]


def write_skipped(path: Path, table: TextTable) -> str | None:
    """A CSV of the rows left out beside the file, which is swept as uploads are; None without any."""
    rows = worth_telling(table.skipped)
    if not rows:
        return None
    sink = path.parent / f"{path.stem[:40]}-left-out.csv"
    sink.write_bytes(skipped_csv(rows, table.unit))
    return str(sink)
