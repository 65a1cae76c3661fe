"""`tessera map`: a file of texts as a map in a file, by default one page that opens anywhere, offline."""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path
from typing import Any

from embedder.cli.input import (
    TERMINATED,
    cancel_when_terminated,
    read_table,
    refuse_same_file,
    report_reading,
    say,
    settings_of,
)
from embedder.cli.output import STDOUT, check_writable, open_output
from embedder.cli.stages import stages
from embedder.config import Settings
from embedder.corpus.reading import TextTable
from embedder.corpus.rows import counted
from embedder.engine import Engine
from embedder.errors import ConfigError

_NAMES = {".html": "html", ".htm": "html", ".zip": "projector"}
FORMATS = ("html", "csv", "jsonl", "parquet", "npz", "projector")


def draw_map(args: argparse.Namespace) -> int:
    """Draw `args.file` into `args.output`; returns 0.

    Raises:
        TesseraError: nothing is written, and why.
    """
    settings = settings_of(args.model)
    output = args.output or f"{Path(args.file).stem if args.file != STDOUT else 'texts'}.html"
    suffix = Path(output).suffix.lower()
    wanted = args.format or _NAMES.get(suffix, suffix.removeprefix("."))
    if output == STDOUT and not args.format:
        wanted = "html"
    if wanted not in FORMATS:
        raise ConfigError(
            f"No map is written as {suffix or output}. Name one of {', '.join(FORMATS)} by --format."
        )
    refuse_same_file(args.file, output)
    rows = read_table(args.file, args.column, take_vectors=not args.embed)
    report_reading(rows, args.file)
    check_writable(output)
    started_s = time.monotonic()
    try:
        told = asyncio.run(_draw(rows, settings, args, output, wanted))
    except (KeyboardInterrupt, asyncio.CancelledError) as stop:
        say(f"tessera: Stopped. Written to {output}: nothing.")
        if isinstance(stop, KeyboardInterrupt):
            raise
        return TERMINATED
    say(f"{told}, {time.monotonic() - started_s:.1f} s, written to {output}.")
    return 0


async def _draw(
    rows: TextTable, settings: Settings, args: argparse.Namespace, output: str, wanted: str
) -> str:
    # Only the wiring knows both the command line and the page.
    from app import drawing

    cancel_when_terminated()
    name = "Texts" if args.file == STDOUT else Path(args.file).name[:80]
    async with Engine(settings) as engine:
        with stages(args.progress) as tell:
            dataset, key = await drawing().draw(engine, settings, (name, rows), _asked(args), tell)
        parts = await drawing().written(dataset, key, wanted)
        with open_output(output) as sink:
            for part in parts:
                sink.write(part)
    layout = dataset.layout(key)
    found = 0 if layout.clusters is None else int(layout.clusters.max(initial=-1)) + 1
    return f"{counted(len(dataset.texts), 'text')} in {counted(found, 'cluster')} by {layout.method}"


def _asked(args: argparse.Namespace) -> dict[str, Any]:
    """How to lay out, as far as anything of it was asked for."""
    asked = {
        "method": args.method,
        "n_neighbors": args.neighbors,
        "min_dist": args.min_dist,
        "seed": args.seed,
        "dimensions": 3 if args.space else None,
    }
    return {name: value for name, value in asked.items() if value is not None}
