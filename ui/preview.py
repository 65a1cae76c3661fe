"""What a file would bring: its first rows, its columns, what is left out, how long embedding takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from embedder.corpus.reading import TextTable, read_texts
from embedder.corpus.skipped import skipped_csv, worth_telling
from embedder.errors import FileUnreadable, InvalidInput, TesseraError
from ui.chunking import no_chunks
from ui.guard import inside
from ui.loading import check_size
from ui.owned import PLACES, places_of
from ui.session import Session
from ui.view import Desk, many, sentence_of, status, uploads_folder

MAX_COLUMNS = 40
PREVIEW_ROWS, PREVIEW_CHARS, PREVIEW_COLUMNS = 20, 160, 8
MANY_NAMES = 12
"""A longer list of columns can be typed into."""
OUTPUTS = 9
"""So many components are changed by what is known of a file: `UploadView.outputs`."""
TOLD_S = 0.25
"""A file that is read sooner needs no line that says so."""
JUDGED_TEXTS, JUDGED_CHARS = 64, 4000
"""So many texts are split into tokens, so far, to judge how long all will take."""


async def looked_at(
    desk: Desk, session: Session, path: Any, column: Any = None, take: Any = True
) -> AsyncGenerator[Any, None]:
    """As `look`, with a line while it takes long; nothing once the visitor has another file or wish."""
    import gradio as gr

    session.looks += 1
    turn = session.looks
    unchanged = [gr.skip()] * OUTPUTS
    work = asyncio.create_task(look(desk, session, path, column, take))
    try:
        if not (await asyncio.wait([work], timeout=TOLD_S))[0]:
            name = Path(path).name[:80] if isinstance(path, str) else "the file"
            yield status(f"Reading {name}…"), *unchanged[1:]
        known = await work
        yield known if turn == session.looks else unchanged
    finally:
        work.cancel()


def widths(columns: int) -> list[str]:
    """Of the preview's columns: the texts' own is wide; more than the page has room for scroll."""
    few = {1: ["100%"], 2: ["70%", "30%"], 3: ["50%", "25%", "25%"]}
    share = max(100 - 15 * (columns - 1), 25)
    return few.get(columns, [f"max(320px, {share}cqw)", *["max(140px, 15cqw)"] * (columns - 1)])


async def look(
    desk: Desk, session: Session, path: Any, column: Any = None, take: Any = True, *, again: bool = False
) -> Any:
    """What a file holds, and about how long it would take; nothing is embedded yet.

    With `again` for a page that has been loaded anew: its controls do not know yet what was chosen.
    """
    import gradio as gr

    try:
        table = await asyncio.to_thread(read, desk, path, column, take)
        judged, longer = await estimate(desk, table)
        left_out = await asyncio.to_thread(write_skipped, Path(path), table)
    except Exception as error:
        said = status(sentence_of(error), kind="error")
        # With another column chosen, or the file's vectors declined, the way back stays.
        chosen = gr.update(visible=bool(column) and still_there(desk, path))
        hidden = gr.update(visible=False)
        return said, chosen, hidden, hidden, gr.update(visible=not take), hidden, *no_chunks()
    column_of = {table.text_column or "text": table.texts, **table.columns}
    shown = list(column_of)[:PREVIEW_COLUMNS]
    rows = range(min(PREVIEW_ROWS, len(table.texts)))
    cells = [[column_of[name][row][:PREVIEW_CHARS] for name in shown] for row in rows]
    names = list(column_of) if table.text_column else []
    choices = {"choices": names, "value": table.text_column, "filterable": len(names) > MANY_NAMES}
    if column and not again:  # the list may be open, and by now another column chosen
        choices = {}
    taken = {"value": bool(take)} if again else {}
    return (
        status(judged),
        gr.update(visible=len(names) > 1, **choices),
        gr.update(value={"headers": shown, "data": cells}, column_widths=widths(len(shown)), visible=True),
        gr.update(visible=True, value="Embed this file" if table.vectors is None else "Show this file"),
        gr.update(visible=bool(table.given.vectors), **taken),
        gr.update(visible=left_out is not None, value=left_out),
        *(no_chunks() if not longer else (gr.update(visible=True), gr.skip(), gr.skip())),
    )


def still_there(desk: Desk, path: Any) -> bool:
    """Whether `path` is an uploaded file that was not deleted yet."""
    return isinstance(path, str) and inside(path, uploads_folder(desk.settings)) and Path(path).exists()


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
    if places_of(table) is not None:
        lost = f", {table.unplaced:,} without a place put in the middle" if table.unplaced else ""
        said_of.append(f"{PLACES}{lost}")
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
