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
    table = await asyncio.to_thread(read_table, args.file, args.column)
    report_reading(table, args.file)
    opened = await _opened(collections, args.name)
    texts = await _texts(opened, table, args)
    kept, started_s = 0, time.monotonic()
    try:
        with progress_bar(len(texts), args.progress) as bar:

            def progress(done: int, _: int) -> None:
                nonlocal kept
                kept = done
                bar.update(done - bar.n)

            added = await opened.add(texts, progress=progress)
    except (KeyboardInterrupt, asyncio.CancelledError):
        say(f"tessera: Stopped. Kept in {args.name}: {counted(kept, 'text')}. Add the file again to go on.")
        raise
    _report(added, args.name, time.monotonic() - started_s)
    return 1 if added.failed else 0


async def _opened(collections: Collections, name: str) -> Collection:
    try:
        return await collections.open(name)
    except UnknownCollection:
        made = await collections.create(name)
        say(f"New collection {name}, for the vectors of {made.about.model}.")
        return made


async def _texts(opened: Collection, table: TextTable, args: argparse.Namespace) -> list[NewText]:
    columns = dict(table.columns)
    ids: Sequence[str] = [""] * len(table.texts)
    if args.id_column is not None:
        if args.id_column not in columns:
            there = ", ".join(map(repr, list(columns)[:20])) or "none"
            raise ConfigError(f"No column {args.id_column!r} beside the texts. There are: {there}.")
        ids = columns.pop(args.id_column)
    document = args.document or ("" if args.file == "-" else Path(args.file).name)
    cells = typed_rows(columns, len(table.texts))
    if args.chunk_tokens is None:
        rows = zip(table.texts, ids, cells, strict=True)
        return [NewText(text, row_id, document, row) for text, row_id, row in rows]
    chunking = Chunking(args.chunk_tokens, args.chunk_overlap)
    reads = (await opened.model()).max_tokens
    if reads is not None and chunking.tokens > reads:
        raise ConfigError(f"The model reads {reads} tokens of a text. Take chunks of no more.")
    count_tokens = await opened.token_counter()
    chunked = await asyncio.to_thread(split_texts, table.texts, {}, chunking, count_tokens, _MOST_CHUNKS)
    numbers = [int(number) for number in chunked.columns[CHUNK]]
    return [
        NewText(
            text,
            f"{ids[row]}#{number}" if ids[row] else "",
            ids[row] or document,
            cells[row] | {CHUNK: number, DOCUMENT: chunked.columns[DOCUMENT][place]},
        )
        for place, (text, row, number) in enumerate(
            zip(chunked.texts, chunked.documents, numbers, strict=True)
        )
    ]


def _report(added: Added, name: str, seconds: float) -> None:
    report_failed(added.failed)
    told = f"{counted(added.new, 'new text')} in {name}, {added.replaced:,} changed"
    say(f"{told}, {added.unchanged:,} as they were, {seconds:.1f} s.")
