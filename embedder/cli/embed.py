"""`tessera embed`: a file of texts through the engine into a file of vectors."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from embedder.cli.input import (
    TERMINATED,
    cancel_when_terminated,
    progress_bar,
    read_table,
    refuse_same_file,
    report_failed,
    report_reading,
    say,
    settings_of,
)
from embedder.cli.output import (
    STDOUT,
    WRITERS,
    JsonlWriter,
    Writer,
    check_format,
    check_writable,
    open_output,
)
from embedder.config import Settings
from embedder.corpus.jobs import FailedText, Slice, embed_in_slices
from embedder.corpus.reading import TextTable
from embedder.corpus.rows import counted
from embedder.corpus.shards import Shards, job_key
from embedder.engine import Engine
from embedder.errors import ConfigError
from embedder.types import ModelInfo

_FORMAT_NAMES = {"npz": "An NPZ archive", "parquet": "Parquet"}


@dataclass(slots=True)
class _Tally:
    """What has come of the texts so far; `done` counts those from before, too."""

    total: int
    done: int = 0
    embedded: int = 0
    truncated: int = 0
    failed: list[FailedText] = field(default_factory=list)


def embed(args: argparse.Namespace) -> int:
    """Embed `args.file` into `args.output`; returns 0, or 1 where some text could not be embedded.

    Stopped, it keeps what it has beside the output, and the same command goes on from there.

    Raises:
        TesseraError: nothing is written, and why.
    """
    if args.on == "ray":
        from embedder.cli.embed_ray import embed_on_ray

        return embed_on_ray(args)
    settings = settings_of(args.model)
    file_format = _output_format(args)
    refuse_same_file(args.file, args.output)
    table = read_table(args.file, args.column)
    report_reading(table, args.file)
    tally = _Tally(len(table.texts))
    started_s = time.monotonic()
    try:
        if args.output == STDOUT:
            info = asyncio.run(_stream(table, settings, args, tally))
        else:
            check_format(file_format, table)
            check_writable(args.output)
            info = asyncio.run(_collect(table, settings, args, file_format, tally))
    except (KeyboardInterrupt, asyncio.CancelledError) as stop:
        _report_stop(tally, args.output)
        if isinstance(stop, KeyboardInterrupt):
            raise
        return TERMINATED
    _report_result(tally, info, time.monotonic() - started_s, args.output)
    return 1 if tally.failed else 0


async def _stream(table: TextTable, settings: Settings, args: argparse.Namespace, tally: _Tally) -> ModelInfo:
    """Write every slice to standard output as soon as it is there."""
    cancel_when_terminated()
    async with Engine(settings) as engine:
        info = await engine.model_info()
        with open_output(STDOUT) as sink:
            writer = JsonlWriter(sink, table, info)
            async with aclosing(_slices(engine, table.texts, args, tally)) as slices:
                async for part in slices:
                    writer.add(part.rows, part.embeddings.vectors)
                    tally.embedded += len(part.rows)
                    tally.truncated += len(part.embeddings.truncated)
                    tally.failed += part.failed
            writer.finish()
        return info


async def _collect(
    table: TextTable, settings: Settings, args: argparse.Namespace, file_format: str, tally: _Tally
) -> ModelInfo:
    """Embed into shards, going on from those that are there, and make one file of them."""
    cancel_when_terminated()
    async with Engine(settings) as engine:
        info = await engine.model_info()
        key = await asyncio.to_thread(job_key, table.texts, info, args.kind, args.dimensions)
        with _shards(Path(args.output), key, restart=args.restart) as shards:
            if shards.done:
                tally.done = shards.done
                say(f"Going on after {shards.done:,} of {counted(tally.total, 'text')}.")
            async with aclosing(_slices(engine, table.texts[shards.done :], args, tally)) as slices:
                async for part in slices:
                    shards.add(part)  # not in a thread, which a cancel would leave at work
            shards.flush()
            with open_output(args.output) as sink:
                await asyncio.to_thread(_write, shards, WRITERS[file_format](sink, table, info), tally)
        return info


@contextmanager
def _shards(output: Path, key: str, *, restart: bool) -> Iterator[Shards]:
    """What a job of this output keeps; it is gone when the block ends well."""
    shards = Shards(output.with_name(f".{output.name}.tessera"), key)
    if restart:
        shards.clear()
    try:
        yield shards
    except BaseException:
        shards.close(keep=True)
        raise
    shards.close(keep=False)


async def _slices(
    engine: Engine, texts: Sequence[str], args: argparse.Namespace, tally: _Tally
) -> AsyncGenerator[Slice, None]:
    """The slices of these texts, with a progress bar."""
    slices = embed_in_slices(engine, texts, kind=args.kind, dimensions=args.dimensions)
    async with aclosing(slices):
        with progress_bar(tally.total, args.progress, done=tally.done) as bar:
            async for part in slices:
                yield part
                tally.done += len(part.rows) + len(part.failed)
                bar.update(tally.done - bar.n)


def _write(shards: Shards, writer: Writer, tally: _Tally) -> None:
    for shard in shards:
        writer.add(shard.rows, shard.vectors)
        tally.embedded += len(shard.rows)
        tally.truncated += shard.truncated
        tally.failed += shard.failed
    writer.finish()


def _output_format(args: argparse.Namespace) -> str:
    named = Path(args.output).suffix.lower().removeprefix(".")
    file_format: str = args.format or (named if named in WRITERS else "jsonl")
    if file_format == "lance":
        raise ConfigError("A Lance table is written with --on ray, or kept by `tessera collection`.")
    if file_format != "jsonl" and args.output == STDOUT:
        raise ConfigError(
            f"{_FORMAT_NAMES[file_format]} is no text for standard output. Name a file with -o."
        )
    return file_format


def _report_stop(tally: _Tally, output: str) -> None:
    if output == STDOUT:
        say(f"tessera: Stopped. Written to standard output: {counted(tally.embedded, 'text')}.")
    elif tally.done:
        say(
            f"tessera: Stopped after {tally.done:,} of {counted(tally.total, 'text')}. "
            f"The same command goes on from there; {output} is written when all are done."
        )
    else:
        say(f"tessera: Stopped. Written to {output}: nothing.")


def _report_result(tally: _Tally, info: ModelInfo, seconds: float, output: str) -> None:
    if tally.truncated:
        say(f"Cut to the {info.max_tokens} tokens this model reads: {counted(tally.truncated, 'text')}.")
    report_failed(tally.failed)
    say(
        f"{counted(tally.embedded, 'text')}, {seconds:.1f} s with loading {info.id}, "
        f"written to {_shown_output(output)}."
    )


def _shown_output(output: str) -> str:
    return "standard output" if output == STDOUT else output
