"""`tessera collection move`: from one store to another."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from embedder.cli.input import progress_bar, say
from embedder.collections.addresses import resolved, shown
from embedder.collections.catalogue import Collections
from embedder.collections.moving import move
from embedder.collections.opening import open_store, store_url
from embedder.config import Settings
from embedder.corpus.rows import counted
from embedder.errors import ConfigError


async def move_collection(args: argparse.Namespace) -> int:
    """Move `args.name`; returns 0.

    Raises:
        TesseraError
    """
    if args.to is None and args.source is None:
        raise ConfigError("Say where it goes with --to, or where it comes from with --from.")
    ours = store_url(Settings.load())
    source = resolved(args.source) if args.source else ours
    target = resolved(args.to) if args.to else ours
    async with (
        Collections(open_store(source), None) as left,
        Collections(open_store(target), None) as right,
    ):
        with progress_bar(0, args.progress) as bar:
            told = _told(bar)
            try:
                moved = await move(left, args.name, right, args.new_name, delete=args.delete, progress=told)
            except (KeyboardInterrupt, asyncio.CancelledError):
                say("tessera: Stopped. Nothing shows there yet; the old one stays. Move it again to go on.")
                raise
    name = args.new_name or args.name
    say(
        f"{counted(moved.count, 'text')} of {args.name} in {shown(target)} as {name}, compared one by one "
        f"(checksum {moved.checksum})."
    )
    say(f"The old one in {shown(source)} is {'deleted' if args.delete else 'still there'}.")
    return 0


def _told(bar: Any) -> Any:
    stage = ""

    def progress(now: str, done: int, total: int) -> None:
        nonlocal stage
        if now != stage:
            stage = now
            bar.reset(total)
            bar.set_description(now)
        bar.total = total
        bar.update(done - bar.n)

    return progress
