"""A collection's map, made or brought up to date: rows read in a thread, all else in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
import threading
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedder.collections.catalogue import Collections
from embedder.collections.collection import Collection
from embedder.collections.kept_map import KeptMap, MapHead, write_arrays, write_rows
from embedder.collections.map_rows import (
    KNOWN,
    RESULT,
    VECTORS,
    WISH,
    Read,
    Wish,
    digests_of,
    is_of_now,
    prepared,
    read_rows,
)
from embedder.errors import InvalidInput, StoreFailed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embedder.analysis.neighbours import Neighbours
    from embedder.analysis.placing import Told
    from embedder.analysis.projection import Projection

_APART: dict[str, Any] = {"start_new_session": True} if os.name == "posix" else {}
"""Ctrl-C in a terminal reaches every process of it; here the parent decides when its child ends."""
_FEWER_LOOKED_AT = 1000
"""In this process, beside everything else: half a second of 50,000."""
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class MapWish:
    """How a map is to be made: `options` as `LayoutOptions` calls them, `threads` to search with."""

    options: dict[str, Any] = field(default_factory=dict)
    sample: int = 0
    threads: int = 1
    anew: bool = False
    """Make another also where there is one."""


async def make_map(
    collections: Collections,
    name: str,
    cache_dir: Path,
    wish: MapWish = MapWish(),  # frozen
    told: Told | None = None,
) -> KeptMap:
    """The map of the collection `name`, kept from now on; the one that is kept where nothing has changed.

    A map of older texts is brought up to date: its places stay where they were, but for settling a little.
    Cancelled or killed, what was kept before stays.

    Raises:
        UnknownCollection, CollectionBusy, StoreFailed
        InvalidInput: there is nothing to map, or maps are not kept.
        TooLarge: there are too many texts for one.
    """
    opened, maps = await collections.open(name), collections.maps
    if maps is None:
        raise InvalidInput("Maps are not kept here.")
    say = told or (lambda stage, share: None)
    options = _whole(wish.options)
    old = await asyncio.to_thread(maps.load, name, opened.about)
    if old is not None and (wish.anew or old.head.options != options):
        old = None
    if old is not None and await asyncio.to_thread(is_of_now, old, opened.table):
        return old
    started_s = time.monotonic()
    leave = threading.Event()
    folder = await asyncio.to_thread(maps.begin)
    try:
        read = await asyncio.to_thread(read_rows, opened.table, folder, say, leave)
        asked = Wish(len(read.ids), opened.table.dimensions, options, wish.sample, 0, max(1, wish.threads))
        asked = await asyncio.to_thread(prepared, old, read, folder, asked)
        result = await _result(folder, asked, cache_dir, say)
        head = _head(opened, read, options, result, time.monotonic() - started_s)
        await asyncio.to_thread(write_rows, folder, read.ids, read.digests)
        for file in (VECTORS, WISH, KNOWN):
            (folder / file).unlink(missing_ok=True)
        names = await asyncio.to_thread(collections.store.names)
        return await asyncio.to_thread(maps.keep, name, folder, head, names)
    finally:
        leave.set()
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))


@dataclass(frozen=True, slots=True, eq=False)
class MadeMap:
    """A whole collection's map that was made elsewhere; row i of everything is the text `ids[i]`.

    `neighbours` are exact; `mark` is how far the collection was written when its rows were read.
    """

    ids: Sequence[str]
    vectors: NDArray[np.float32]
    layout: Projection
    neighbours: Neighbours
    options: dict[str, Any]
    mark: int


async def keep_map(collections: Collections, name: str, made: MadeMap) -> KeptMap | None:
    """Keep a map that is there already; None where the collection has changed since, or maps are not kept.

    Raises:
        UnknownCollection, StoreFailed
    """
    opened = await collections.open(name)
    return await keep_filled(collections, opened, lambda folder: _written(opened, folder, made))


async def keep_filled(
    collections: Collections, opened: Collection, fill: Callable[[Path], MapHead | None]
) -> KeptMap | None:
    """Keep what `fill` puts into a folder, in a thread, as a collection's map; None where it gives none.

    Raises:
        StoreFailed
    """
    maps = collections.maps
    if maps is None:
        return None
    folder = await asyncio.to_thread(maps.begin)
    try:
        head = await asyncio.to_thread(fill, folder)
        if head is None:
            return None
        names = await asyncio.to_thread(collections.store.names)
        return await asyncio.to_thread(maps.keep, opened.name, folder, head, names)
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))


def _written(opened: Collection, folder: Path, made: MadeMap) -> MapHead | None:
    """The map's files in `folder`, and what is to be said of it."""
    from embedder.analysis.similarity import unit_rows
    from embedder.analysis.trust import trust_of

    started_s = time.monotonic()
    total = opened.table.count()
    if opened.table.mark != made.mark or made.layout.clusters is None:
        return None
    trust = trust_of(unit_rows(made.vectors), made.layout.points, looked_at=_FEWER_LOOKED_AT)
    write_arrays(folder, made.layout.points, made.layout.clusters, made.neighbours)
    read = Read(list(made.ids), total, made.mark, digests_of(made.vectors))
    write_rows(folder, read.ids, read.digests)
    told = {
        "laid_out": len(made.ids),
        "trustworthiness": trust.trustworthiness,
        "looked_at": trust.looked_at,
        "recall": 1.0,
        "exact": True,
    }
    return _head(opened, read, _whole(made.options), told, time.monotonic() - started_s)


def _whole(options: dict[str, Any]) -> dict[str, Any]:
    from embedder.analysis.projection import LayoutOptions

    return asdict(LayoutOptions(**options))


def _head(
    opened: Collection, read: Read, options: dict[str, Any], result: dict[str, Any], took_s: float
) -> MapHead:
    about = opened.about
    return MapHead(
        created=about.created,
        fingerprint=about.fingerprint,
        mark=read.mark,
        total=read.total,
        rows=len(read.ids),
        method=options["method"],
        options=options,
        made=int(time.time()),
        took_s=round(took_s, 2),
        **result,
    )


async def _result(folder: Path, asked: Wish, cache_dir: Path, told: Told) -> dict[str, Any]:
    """What the process that makes the map says of it at its end; who is cancelled kills it.

    Raises:
        StoreFailed: it ended before that.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "embedder.collections.map_process",
        str(folder),
        stdout=PIPE,
        env=_environment(cache_dir, asked.threads),
        **_APART,
    )
    try:
        assert process.stdout is not None
        async for line in process.stdout:
            message = json.loads(line)
            if isinstance(message, dict):
                result: dict[str, Any] = message[RESULT]
                return result
            told(*message)
    except (ValueError, KeyError, TypeError):
        pass  # it was killed in the middle of a line
    finally:
        await _ended(process)
    raise StoreFailed(
        "The process that makes the map ended before it was done, perhaps for want of memory. "
        "What was kept before is still there."
    )


async def _ended(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    await asyncio.shield(process.wait())


def _environment(cache_dir: Path, threads: int) -> dict[str, str]:
    """Ours without keys and settings; so many threads; this source tree or wheel first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TESSERA_", "EMBED_"))}
    root = str(Path(__file__).resolve().parent.parent.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    limits = dict.fromkeys(_THREADS, str(threads))
    return (
        kept
        | limits
        | {"NUMBA_NUM_THREADS": str(threads), "NUMBA_CACHE_DIR": str(cache_dir / "numba"), "PYTHONPATH": path}
    )
