"""Neighbours and layouts from a process of their own, so that the API keeps its pace.

A plain subprocess rather than `multiprocessing` or an executor: it doesn't import the program's
main module again, its environment (one thread, its own compile cache) is set before numba
loads, and it can be killed at once in the middle of a layout, which no executor of Python 3.11 can.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from embedder.analysis.neighbours import KEPT_NEIGHBOURS, Neighbours
from embedder.analysis.projection import LayoutOptions, Projection
from embedder.analysis.similarity import Floats, OnProgress, as_vectors
from embedder.errors import TesseraError
from ui.layout_process import (
    FRAME,
    OK,
    PROGRESS,
    REQUEST,
    SHARE,
    sent_neighbours,
    unpacked,
    unpacked_neighbours,
)

log = logging.getLogger("tessera.page")

LIMIT_S = 300.0
MAX_WAITING = 16
REMEMBERED = 32
MAX_ANSWER_BYTES = 2**28
_Made = TypeVar("_Made")
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)


class LayoutFailed(TesseraError):
    """No such layout this time; the one on screen stays."""


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """What the process is sent: rows, a wish as JSON, and neighbours of the rows, if they are known."""

    rows: Floats
    asked: bytes
    neighbours: Neighbours | None

    @classmethod
    def of(cls, vectors: Floats, asked: dict[str, Any], neighbours: Neighbours | None) -> _Work:
        rows = np.ascontiguousarray(as_vectors(vectors), dtype="<f4")
        return cls(rows, json.dumps(asked).encode(), neighbours)


class LayoutWorker:
    """One process, one piece of work at a time, the rest waiting in order.

    Starts with the first one (or `warm`), again after it was killed or died. `folder` keeps
    what numba compiles. `threads` search neighbours; a layout takes one.
    """

    def __init__(
        self, folder: Path, *, threads: int = 1, limit_s: float = LIMIT_S, max_waiting: int = MAX_WAITING
    ) -> None:
        self.folder = folder
        self.threads = threads
        self.limit_s = limit_s
        self.max_waiting = max_waiting
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._process: Process | None = None
        self._stopped = False
        self._known: OrderedDict[bytes, Projection] = OrderedDict()

    @property
    def process_id(self) -> int | None:
        """The running process, if there is one."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def warm(self) -> None:
        """Start the process and have it compile; failure is only logged."""
        random = np.random.default_rng(0)
        try:
            await self.project(random.normal(size=(64, 8)).astype(np.float32))
        except LayoutFailed as error:
            log.warning("The layout process did not warm up: %s", error)

    async def project(
        self,
        vectors: Floats,
        options: LayoutOptions = LayoutOptions(),  # frozen
        progress: OnProgress | None = None,
        neighbours: Neighbours | None = None,
    ) -> Projection:
        """The layout of float32 `(n, d)` with its clusters; cancelling kills the process in mid-work.

        `neighbours` of the same rows, where they are known, spare it finding them.

        Raises:
            LayoutFailed: too many wait, it took longer than `limit_s`, or the process died.
        """
        work = _Work.of(vectors, {"layout": asdict(options)}, neighbours)
        key = await asyncio.to_thread(_digest, work)
        async with self._at_work():
            if key not in self._known:
                made = await self._compute(work, progress, unpacked)
                if made.points.shape != (len(vectors), options.dimensions):
                    raise _failed("wrong shape")
                self._remember(key, made)
            self._known.move_to_end(key)
            return self._known[key]

    async def neighbours(self, vectors: Floats, progress: OnProgress | None = None) -> Neighbours:
        """The `KEPT_NEIGHBOURS` nearest of every row of float32 `(n, d)`; cancelling kills the process.

        Raises:
            LayoutFailed: as `project`.
        """
        work = _Work.of(vectors, {"neighbours": KEPT_NEIGHBOURS, "threads": self.threads}, None)
        async with self._at_work():
            made = await self._compute(work, progress, unpacked_neighbours)
        if made.indices.shape != (len(vectors), min(KEPT_NEIGHBOURS, len(vectors))):
            raise _failed("wrong shape")
        return made

    @contextlib.asynccontextmanager
    async def _at_work(self) -> AsyncGenerator[None, None]:
        """Waits for its turn, unless too many wait already."""
        if self._stopped or self._waiting >= self.max_waiting:
            raise LayoutFailed("Too many layouts are waiting; the map stays as it is. Try again in a minute.")
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1

    async def stop(self) -> None:
        """Kill the process and take no more work; returns when all that was at work has ended."""
        self._stopped = True
        await self._kill()
        async with self._turn:  # whoever was cancelled in mid-work still reaps the process
            await self._kill()  # and one that was just being started is killed too

    def _remember(self, key: bytes, layout: Projection) -> None:
        self._known[key] = layout
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    async def _compute(
        self, work: _Work, progress: OnProgress | None, unpack: Callable[[bytes], _Made]
    ) -> _Made:
        answered = False
        try:
            async with asyncio.timeout(self.limit_s):
                process = await self._started()
                kind, payload = await _exchange(process, work, progress or (lambda share: None))
            answered = True
        except TimeoutError:
            raise LayoutFailed(
                f"The layout took longer than {self.limit_s:.0f} s; the map stays as it is."
            ) from None
        except (OSError, asyncio.IncompleteReadError) as error:
            raise LayoutFailed("The process that computes layouts ended; the map stays as it is.") from error
        finally:
            if not answered:  # cancelled, too late or dead: what it says next belongs to nobody
                await self._kill()
        if kind != OK:
            raise _failed(payload[:80].decode(errors="replace"))
        try:
            return await asyncio.to_thread(unpack, payload)
        except (ValueError, KeyError, OSError):
            raise _failed("an answer that makes no sense") from None

    async def _started(self) -> Process:
        if self._stopped:
            raise LayoutFailed("The server is shutting down.")
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "ui.layout_process", stdin=PIPE, stdout=PIPE, env=self._environment()
            )
        return self._process

    def _environment(self) -> dict[str, str]:
        """Ours without keys and settings; one thread for each product; this source tree or wheel first."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("TESSERA_", "EMBED_"))
        }
        root = str(Path(__file__).resolve().parent.parent)
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        return kept | ONE_THREAD | {"NUMBA_CACHE_DIR": str(self.folder / "numba"), "PYTHONPATH": path}

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        # Reaped even if our own caller is cancelled meanwhile.
        await asyncio.shield(process.wait())


async def _exchange(process: Process, work: _Work, progress: OnProgress) -> tuple[int, bytes]:
    """Send the work, tell of progress, read status and payload."""
    assert process.stdin is not None
    assert process.stdout is not None
    known = 0 if work.neighbours is None else work.neighbours.k
    process.stdin.write(REQUEST.pack(len(work.asked), *work.rows.shape, known) + work.asked)
    process.stdin.write(work.rows.tobytes())  # a transport would slice a two-dimensional view by rows
    process.stdin.write(await asyncio.to_thread(sent_neighbours, work.neighbours))
    await process.stdin.drain()
    while True:
        kind, length = FRAME.unpack(await process.stdout.readexactly(FRAME.size))
        if length > MAX_ANSWER_BYTES:
            raise OSError("the answer's length makes no sense")
        payload = await process.stdout.readexactly(length)
        if kind != PROGRESS:
            return kind, payload
        progress(*SHARE.unpack(payload))


def _failed(why: str) -> LayoutFailed:
    return LayoutFailed(f"The layout failed ({why}); the map stays as it is.")


def _digest(work: _Work) -> bytes:
    """Of rows and wish; neighbours follow from the rows."""
    digest = hashlib.blake2b(work.rows.data, digest_size=16, person=str(work.rows.shape[1]).encode())
    digest.update(work.asked)
    return digest.digest()
