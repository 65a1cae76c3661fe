"""`tessera collection map`: a collection laid out, its map and its neighbours kept."""

from __future__ import annotations

import argparse
import asyncio

from embedder.cli.input import say
from embedder.cli.stages import stages
from embedder.collections.catalogue import Collections
from embedder.collections.mapping import MapWish, make_map
from embedder.config import Settings
from embedder.errors import ConfigError

_LIMITS = {"neighbors": (2, 100), "min_dist": (0.0, 0.99), "seed": (0, 9999), "sample": (1000, 1_000_000)}


async def map_collection(collections: Collections, args: argparse.Namespace) -> int:
    """Make and keep the map of `args.name`; returns 0.

    Raises:
        TesseraError
    """
    for name, (low, high) in _LIMITS.items():
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            raise ConfigError(f"--{name.replace('_', '-')} is a number from {low:,} to {high:,}.")
    settings = Settings.load()
    asked = {"n_neighbors": args.neighbors, "min_dist": args.min_dist, "seed": args.seed}
    options = {name: value for name, value in asked.items() if value is not None}
    wish = MapWish(options, args.sample or 0, settings.cpu_threads, args.anew)
    made = False

    with stages(args.progress) as bar:

        def told(stage: str, share: float) -> None:
            nonlocal made
            made = True
            bar(stage, share)

        try:
            kept = await make_map(collections, args.name, settings.cache_dir, wish, told)
        except (KeyboardInterrupt, asyncio.CancelledError):
            say("tessera: Stopped. The map that was kept before, if there was one, is still there.")
            raise
    head = kept.head
    found = "exact" if head.exact else f"by cells, recall {head.recall:.3f}"
    say(f"{args.name}: {head}; neighbours {found}.")
    say(
        f"Made in {head.took_s:.1f} s and kept."
        if made
        else "Nothing has changed: it is the map that was kept."
    )
    return 0
