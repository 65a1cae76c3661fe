"""`tessera embed`: a file of texts through the engine into a file of vectors."""

from __future__ import annotations

import argparse
import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from embedder.cli.input import (
    LISTED_ROWS,
    TERMINATED,
    cancel_when_terminated,
    progress_bar,
    read_table,
    report_reading,
    say,
)
from embedder.cli.output import STDOUT, JsonlWriter, NpzWriter, Writer, open_output
from embedder.config import Settings
from embedder.corpus.jobs import FailedText, embed_in_slices
from embedder.corpus.reading import TextTable
from embedder.corpus.rows import counted
from embedder.engine import Engine
from embedder.errors import ConfigError
from embedder.types import ModelInfo


@dataclass(slots=True)
class _Tally:
    """What has come of the texts so far."""

    embedded: int = 0
    truncated: int = 0
    failed: list[FailedText] = field(default_factory=list)


def embed(args: argparse.Namespace) -> int:
    """Embed `args.file` into `args.output`; returns 0, or 1 where some text could not be embedded.

    Raises:
        TesseraError: nothing is written, and why.
    """
    settings = Settings.load({"model": args.model, "models": ()})
    file_format = _output_format(args)
    _refuse_same_file(args)
    table = read_table(args.file, args.column)
    report_reading(table, args.file)
    tally = _Tally()
    started_s = time.monotonic()
    try:
        with open_output(args.output) as sink:
            writer: Writer = NpzWriter(sink, table) if file_format == "npz" else JsonlWriter(sink, table)
            info = asyncio.run(_embed_table(table, settings, args, writer, tally))
            writer.finish(info)
    except (KeyboardInterrupt, asyncio.CancelledError) as stop:
        written = counted(tally.embedded, "text") if args.output == STDOUT else "nothing"
        say(f"tessera: Stopped. Written to {_shown_output(args.output)}: {written}.")
        if isinstance(stop, KeyboardInterrupt):
            raise
        return TERMINATED
    _report_result(tally, info, time.monotonic() - started_s, args.output)
    return 1 if tally.failed else 0


async def _embed_table(
    table: TextTable, settings: Settings, args: argparse.Namespace, writer: Writer, tally: _Tally
) -> ModelInfo:
    cancel_when_terminated()
    async with Engine(settings) as engine:
        info = await engine.model_info()
        slices = embed_in_slices(engine, table.texts, kind=args.kind, dimensions=args.dimensions)
        async with aclosing(slices):
            with progress_bar(len(table.texts), args.progress) as bar:
                async for part in slices:
                    writer.add(part)
                    tally.embedded += len(part.rows)
                    tally.truncated += len(part.embeddings.truncated)
                    tally.failed += part.failed
                    bar.update(part.progress.done - part.start)
        return info


def _output_format(args: argparse.Namespace) -> str:
    file_format: str = args.format or ("npz" if args.output.lower().endswith(".npz") else "jsonl")
    if file_format == "npz" and args.output == STDOUT:
        raise ConfigError("An NPZ archive is no text for standard output. Name a file with -o.")
    return file_format


def _refuse_same_file(args: argparse.Namespace) -> None:
    source, target = Path(args.file), Path(args.output)
    both_files = STDOUT not in (args.file, args.output) and source.exists() and target.exists()
    if both_files and source.samefile(target):
        raise ConfigError(f"{target} is the file to be read. Name another with -o.")


def _report_result(tally: _Tally, info: ModelInfo, seconds: float, output: str) -> None:
    if tally.truncated:
        say(f"Cut to the {info.max_tokens} tokens this model reads: {counted(tally.truncated, 'text')}.")
    if tally.failed:
        say(f"Left out, for they could not be embedded: {counted(len(tally.failed), 'text')}.")
        for failure in tally.failed[:LISTED_ROWS]:
            say(f"  text {failure.index + 1}: {failure.message}")
        if len(tally.failed) > LISTED_ROWS:
            say(f"  and {len(tally.failed) - LISTED_ROWS:,} more")
    say(
        f"{counted(tally.embedded, 'text')}, {seconds:.1f} s with loading {info.id}, "
        f"written to {_shown_output(output)}."
    )


def _shown_output(output: str) -> str:
    return "standard output" if output == STDOUT else output
