"""A file of a visitor's: looked at first, with its text column to choose, then embedded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedder.corpus.reading import SUFFIXES
from embedder.errors import InvalidInput
from ui.chunking import ChunkControls, chunking_of, in_chunks, no_chunks
from ui.chunking import build as build_chunking
from ui.growing import Brought
from ui.loading import carry
from ui.owned import owned_of, places_of
from ui.preview import MAX_COLUMNS, OUTPUTS, look, looked_at, read, remarks, still_there
from ui.session import Session
from ui.steps import Step
from ui.stopping import Replaced
from ui.tickets import Looked
from ui.view import QUIET, Desk, bind, bind_stream, many, status

FILE_TYPES = list(SUFFIXES)
# This tab of the browser's keeps the ticket; `assets/explorer/bringing.js` notes there under which id the
# file's texts come, and lets go of it when they are there.
KEEP_TICKET = """(ticket) => {
  try {
    if (ticket) sessionStorage.setItem("tessera:upload", JSON.stringify({ ticket }));
    else sessionStorage.removeItem("tessera:upload");
  } catch (error) { /* storage may be closed to us; then a reload forgets the file */ }
  return [];
}"""
KEPT_TICKET = """() => {
  try {
    const { ticket, as } = JSON.parse(sessionStorage.getItem("tessera:upload"));
    return [as && as === new URLSearchParams(location.search).get("data") ? "" : ticket];
  } catch (error) { /* there is none */ }
  return [""];
}"""


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
    ticket: Any
    """Of the file that is looked at, to find it by after a reload; hidden."""

    @property
    def sources(self) -> list[Any]:
        """What embedding the file asks of the visitor."""
        return [self.file, self.column, self.take, *self.chunks.all]

    @property
    def outputs(self) -> list[Any]:
        """What a file changes, `OUTPUTS` components."""
        shown = [self.note, self.column, self.preview, self.embed, self.take, self.skipped]
        return [*shown, *self.chunks.all]


def build(desk: Desk) -> UploadView:
    """Lay the tab out and wire what happens before anything is embedded."""
    import gradio as gr

    file = gr.File(
        label="File of texts",
        show_label=False,
        file_types=FILE_TYPES,
        type="filepath",
        height=120,
        elem_id="upload",
    )
    note = gr.HTML(status(limits(desk)), elem_classes="note", elem_id="upload-note")
    with gr.Row(elem_classes=["controls", "choices"]):
        column = gr.Dropdown(
            [], label="Column of the texts", visible=False, filterable=False, elem_id="column"
        )
        take = gr.Checkbox(
            True, label="Take the vectors it has, embed nothing", visible=False, elem_id="take-vectors"
        )
        chunks = build_chunking()
        embed = gr.Button("Embed this file", variant="primary", visible=False, elem_id="embed-file")
        skipped = gr.DownloadButton("Rows left out, as CSV", visible=False, elem_id="skipped")
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
    ticket = gr.Textbox(visible="hidden", elem_id="ticket")
    view = UploadView(file, column, preview, note, embed, take, skipped, chunks, ticket)
    looked = bind_stream(desk, looked_at)
    # A choice made while an earlier one is looked at counts; by default Gradio would drop it.
    changes = [
        file.upload(looked, [file], view.outputs, trigger_mode="multiple", **QUIET),
        *(
            choice.input(looked, [file, column, take], view.outputs, trigger_mode="multiple", **QUIET)
            for choice in (column, take)
        ),
        file.clear(bind(desk, forget), [], view.outputs, **QUIET),
    ]
    for changed in changes:
        given = changed.then(bind(desk, ticket_for), [file, column, take, ticket], [ticket], **QUIET)
        given.then(None, [ticket], [], js=KEEP_TICKET, api_visibility="private")
    return view


def wire_load(desk: Desk, view: UploadView, blocks: Any) -> None:
    """After a reload the file that was looked at is there again."""
    blocks.load(bind(desk, again), [view.ticket], [view.file, *view.outputs], js=KEPT_TICKET, **QUIET)


async def ticket_for(  # noqa: PLR0917  # what the page knows of the file
    desk: Desk, session: Session, path: Any, column: Any, take: Any, before: Any = None
) -> str:
    """A ticket for a file that is looked at, in place of the one `before`; empty where there is none."""
    if not await asyncio.to_thread(still_there, desk, path):
        return ""
    chosen = column if isinstance(column, str) else None
    return desk.tickets.give(Looked(path, chosen, bool(take), session.user), before)


async def again(desk: Desk, session: Session, ticket: Any) -> Any:
    """The file of that ticket, looked at as it was; nothing changes where it is not there any more."""
    import gradio as gr

    unchanged = [gr.skip()] * (1 + OUTPUTS)
    kept = desk.tickets.get(ticket, session.user)
    if kept is None or not await asyncio.to_thread(still_there, desk, kept.path):
        return unchanged
    session.looks += 1
    turn = session.looks
    known = await look(desk, session, kept.path, kept.column, kept.take, again=True)
    return (kept.path, *known) if turn == session.looks else unchanged


def wire_embedded(desk: Desk, view: UploadView, embedded: Any) -> None:
    """Once a file's texts are on screen, the tab is ready for another one."""
    embedded.success(bind(desk, emptied), [view.file], [view.file, *view.outputs], **QUIET)


def limits(desk: Desk) -> str:
    """How much a file may bring."""
    texts = many(desk.settings.page_max_texts, "text")
    size = f"{desk.settings.page_max_upload_bytes / 2**20:,.3g} MB"
    return f"CSV, Excel, Parquet, JSON, PDF, text, Markdown or NumPy, up to {texts} and {size}."


async def emptied(desk: Desk, session: Session, path: Any) -> Any:
    """Room for the next file, once the texts of the one at `path` are on screen and it is deleted.

    A file that is still there is another one, chosen meanwhile.
    """
    import gradio as gr

    if await asyncio.to_thread(still_there, desk, path):
        return [gr.skip()] * (1 + OUTPUTS)
    return None, *await forget(desk, session)


async def forget(desk: Desk, session: Session) -> Any:
    """As it was before there was a file; what is still looked at is not shown any more."""
    import gradio as gr

    session.looks += 1
    return (
        status(limits(desk)),
        *[gr.update(visible=False)] * 3,
        gr.update(visible=False, value=True),
        gr.update(visible=False),
        *no_chunks(),
    )


async def from_file(desk: Desk, session: Session, *values: Any) -> AsyncGenerator[Step, None]:
    """Embed a file that was looked at; it is deleted once its texts are on screen.

    `values` are those of `UploadView.sources`, of which chunks may be left out, and the model.
    """
    path, column, take, *wish, model = values
    if path and path == session.embedded:  # a second click on its button
        raise Replaced
    try:
        chunking_of(tuple(wish))
    except InvalidInput as error:
        yield Step(status(str(error), kind="error"))
        raise

    async def deleted() -> None:
        session.embedded = path
        with suppress(OSError):  # else its time comes, as that of all uploads
            await asyncio.to_thread(Path(path).unlink, missing_ok=True)

    bringing = brought_from(desk, path, column, take, tuple(wish), model)
    async with aclosing(carry(desk, session, bringing, model, deleted)) as updates:
        async for update in updates:
            yield update


async def brought_from(  # noqa: PLR0917  # what embedding a file asks of the visitor
    desk: Desk, path: Any, column: Any, take: Any, wish: tuple[Any, ...], model: Any
) -> AsyncGenerator[Step | Brought, None]:
    """The file's texts, in chunks where that is wished, after the steps on the way there."""
    yield Step(status("Reading the file…", share=0))
    table = await asyncio.to_thread(read, desk, path, column, take)
    columns = dict(list(table.columns.items())[:MAX_COLUMNS])
    name = Path(path).name[:80]
    brought = Brought(name, table.texts, columns, remarks(table), owned_of(table), places_of(table))
    async with aclosing(in_chunks(desk, brought, wish, model)) as steps:
        async for step in steps:
            yield step
