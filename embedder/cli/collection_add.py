"""`tessera collection add`: a file of texts into a collection, batch by batch."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from embedder.cli.input import progress_bar, read_table, report_failed, report_reading, say
from embedder.collections import Added, Collection, Collections, NewText
from embedder.collections.cells import typed_rows
from embedder.collections.earlier import chunk_id, delete_others_of_document, delete_others_of_sources
from embedder.corpus.chunks import CHUNK, DOCUMENT, Chunking, split_texts
from embedder.corpus.reading import TextTable
from embedder.corpus.rows import counted
from embedder.errors import ConfigError, UnknownCollection

_MOST_CHUNKS = 10_000_000


async def add(collections: Collections, args: argparse.Namespace) -> int:
    """Read `args.file` and add its texts; returns 0, or 1 where some could not be embedded.

    Raises:
        TesseraError
    """
    document = _document(args)
    table = await asyncio.to_thread(read_table, args.file, args.column)
    report_reading(table, args.file)
    opened = await _opened(collections, args.name)
    texts, sources = await _texts(opened, table, document, args)
    kept, started_s = 0, time.monotonic()
    try:
        with progress_bar(len(texts), args.progress) as bar:

            def progress(done: int, _: int) -> None:
                nonlocal kept
                kept = done
                bar.update(done - bar.n)

            added = await opened.add(texts, progress=progress)
        failed = {sources[one.index] for one in added.failed}
        deleted = await delete_others_of_sources(opened, {*sources} - failed - {""}, added.ids)
        if args.replace and not added.failed:
            deleted += await delete_others_of_document(opened, document, added.ids)
    except (KeyboardInterrupt, asyncio.CancelledError):
        say(f"tessera: Stopped. Kept in {args.name}: {counted(kept, 'text')}. Add the file again to go on.")
        raise
    _report(added, deleted, args.name, time.monotonic() - started_s)
    if args.replace and added.failed:
        say(f"Nothing else of {document} was deleted, since not all of it could be embedded.")
    return 1 if added.failed else 0


def _document(args: argparse.Namespace) -> str:
    document = args.document or ("" if args.file == "-" else Path(args.file).name)
    if args.replace and not document:
        raise ConfigError("--replace is of a document, and standard input has no name: say --document.")
    return str(document)


async def _opened(collections: Collections, name: str) -> Collection:
    try:
        return await collections.open(name)
    except UnknownCollection:
        made = await collections.create(name)
        say(f"New collection {name}, for the vectors of {made.about.model}.")
        return made


async def _texts(
    opened: Collection, table: TextTable, document: str, args: argparse.Namespace
) -> tuple[list[NewText], list[str]]:
    """The texts to add, and of each the id of what it was cut from, its own where it is whole."""
    columns = dict(table.columns)
    ids: Sequence[str] = [""] * len(table.texts)
    if args.id_column is not None:
        if args.id_column not in columns:
            there = ", ".join(map(repr, list(columns)[:20])) or "none"
            raise ConfigError(f"No column {args.id_column!r} beside the texts. There are: {there}.")
        ids = columns.pop(args.id_column)
    cells = typed_rows(columns, len(table.texts))
    rows = [
        NewText(text, row_id, document, row)
        for text, row_id, row in zip(table.texts, ids, cells, strict=True)
    ]
    if args.chunk_tokens is None:
        return rows, [row.id for row in rows]
    return await _cut(opened, rows, args)


async def _cut(
    opened: Collection, rows: list[NewText], args: argparse.Namespace
) -> tuple[list[NewText], list[str]]:
    chunking = Chunking(args.chunk_tokens, args.chunk_overlap)
    reads = (await opened.model()).max_tokens
    if reads is not None and chunking.tokens > reads:
        raise ConfigError(f"The model reads {reads} tokens of a text. Take chunks of no more.")
    # Of one id the last counts, with its own chunks only.
    last = {row.id: place for place, row in enumerate(rows)}
    rows = [row for place, row in enumerate(rows) if not row.id or last[row.id] == place]
    count_tokens = await opened.token_counter()
    texts = [row.text for row in rows]
    chunked = await asyncio.to_thread(split_texts, texts, {}, chunking, count_tokens, _MOST_CHUNKS)
    made = []
    for place, (text, row) in enumerate(zip(chunked.texts, chunked.documents, strict=True)):
        whole, number = rows[row], int(chunked.columns[CHUNK][place])
        source = whole.id or chunked.columns[DOCUMENT][place]
        columns = {**(whole.columns or {}), CHUNK: number, DOCUMENT: source}
        row_id = chunk_id(whole.id, number) if whole.id else ""
        made.append(NewText(text, row_id, whole.document, columns))
    return made, [rows[row].id for row in chunked.documents]


def _report(added: Added, deleted: int, name: str, seconds: float) -> None:
    report_failed(added.failed)
    told = f"{counted(added.new, 'new text')} in {name}, {added.replaced:,} changed"
    gone = f", {deleted:,} of earlier ones deleted" if deleted else ""
    say(f"{told}, {added.unchanged:,} as they were{gone}, {seconds:.1f} s.")
