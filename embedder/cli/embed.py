"""`tessera embed`: a file of texts through the engine into a file of vectors."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedder.cli.output import STDOUT, JsonlWriter, NpzWriter, Writer, open_output
from embedder.config import Settings
from embedder.corpus.jobs import FailedText, embed_in_slices
from embedder.corpus.reading import MAX_FILE_BYTES, TextTable, parse_texts, read_texts
from embedder.corpus.rows import counted
from embedder.engine import Engine
from embedder.errors import ConfigError, FileUnreadable
from embedder.types import ModelInfo

_LISTED_ROWS = 20
_TERMINATED = 143


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
    table = _read(args)
    _report_reading(table, args.file)
    tally = _Tally()
    started_s = time.monotonic()
    try:
        with open_output(args.output) as sink:
            writer: Writer = NpzWriter(sink, table) if file_format == "npz" else JsonlWriter(sink, table)
            info = asyncio.run(_embed_table(table, settings, args, writer, tally))
            writer.finish(info)
    except (KeyboardInterrupt, asyncio.CancelledError) as stop:
        written = counted(tally.embedded, "text") if args.output == STDOUT else "nothing"
        _say(f"tessera: Stopped. Written to {_shown_output(args.output)}: {written}.")
        if isinstance(stop, KeyboardInterrupt):
            raise
        return _TERMINATED
    _report_result(tally, info, time.monotonic() - started_s, args.output)
    return 1 if tally.failed else 0


async def _embed_table(
    table: TextTable, settings: Settings, args: argparse.Namespace, writer: Writer, tally: _Tally
) -> ModelInfo:
    _cancel_when_terminated()
    async with Engine(settings) as engine:
        info = await engine.model_info()
        slices = embed_in_slices(engine, table.texts, kind=args.kind, dimensions=args.dimensions)
        async with aclosing(slices):
            with _progress_bar(len(table.texts), args.progress) as bar:
                async for part in slices:
                    writer.add(part)
                    tally.embedded += len(part.rows)
                    tally.truncated += len(part.embeddings.truncated)
                    tally.failed += part.failed
                    bar.update(part.progress.done - part.start)
        return info


def _cancel_when_terminated() -> None:
    """Make SIGTERM what Ctrl-C is already: a cancel, so that nothing half is left behind."""
    task = asyncio.current_task()
    if task is not None:
        with contextlib.suppress(NotImplementedError):  # Windows has no such signal
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _progress_bar(total: int, wanted: bool | None) -> Any:
    """Rate and time left on standard error; `wanted=None` is where that is a terminal."""
    from tqdm import tqdm

    disable = None if wanted is None else not wanted
    return tqdm(total=total, unit=" texts", disable=disable, dynamic_ncols=True, file=sys.stderr)


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


def _read(args: argparse.Namespace) -> TextTable:
    if args.file != "-":
        return read_texts(Path(args.file), column=args.column)
    data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise FileUnreadable(f"Standard input is larger than {MAX_FILE_BYTES // 2**20} MB. Split it.")
    return parse_texts(data, suffix=".txt", column=args.column)


def _report_reading(table: TextTable, file: str) -> None:
    if table.encoding and not table.encoding.startswith("utf"):
        _say(f"{file} is not UTF-8; it was read as {table.encoding}.")
    if table.text_column is not None:
        _say(f"The texts are column {table.text_column!r}.")
    for note in table.notes:
        _say(f"Read: {note}.")
    if table.given.vectors:
        named = ", ".join(map(repr, table.given.vectors))
        _say(f"Left out, for these are vectors already: column {named}.")
    if table.skipped:
        _say(f"Skipped {counted(len(table.skipped), 'row')} that gave no text:")
        for row in table.skipped[:_LISTED_ROWS]:
            _say(f"  {table.unit} {row.line}: {row.why}")
        if len(table.skipped) > _LISTED_ROWS:
            _say(f"  and {len(table.skipped) - _LISTED_ROWS:,} more")


def _report_result(tally: _Tally, info: ModelInfo, seconds: float, output: str) -> None:
    if tally.truncated:
        _say(f"Cut to the {info.max_tokens} tokens this model reads: {counted(tally.truncated, 'text')}.")
    if tally.failed:
        _say(f"Left out, for they could not be embedded: {counted(len(tally.failed), 'text')}.")
        for failure in tally.failed[:_LISTED_ROWS]:
            _say(f"  text {failure.index + 1}: {failure.message}")
        if len(tally.failed) > _LISTED_ROWS:
            _say(f"  and {len(tally.failed) - _LISTED_ROWS:,} more")
    _say(
        f"{counted(tally.embedded, 'text')}, {seconds:.1f} s with loading {info.id}, "
        f"written to {_shown_output(output)}."
    )


def _shown_output(output: str) -> str:
    return "standard output" if output == STDOUT else output


def _say(message: str) -> None:
    print(message, file=sys.stderr)
