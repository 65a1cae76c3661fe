"""What stands on a node: one engine, and shard after shard through it."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from embedder.config import Settings
from embedder.corpus.bulk.job import Job, Report
from embedder.corpus.bulk.ledger import finished, mark
from embedder.corpus.bulk.parts import part_bytes
from embedder.corpus.bulk.shards import Shard
from embedder.corpus.jobs import FailedText, embed_in_slices
from embedder.corpus.kept import Kept
from embedder.engine import Engine
from embedder.errors import ModelUnavailable, TesseraError
from embedder.replica import BackendLoader
from embedder.types import ModelInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TOLD_ROWS = 20
"""So many of the rows that were left out of a shard are told one by one."""

T = TypeVar("T")


@dataclass(slots=True)
class _Made:
    """What the engine made of a shard's texts."""

    rows: list[int] = field(default_factory=list)
    vectors: list[NDArray[np.float32]] = field(default_factory=list)
    truncated: int = 0
    failed: list[FailedText] = field(default_factory=list)


class Worker:
    """An engine in a thread of its own, for one job.

    Raises:
        ModelUnavailable: the model is not to be had on this node, or is another one than the job's.
    """

    def __init__(self, job: Job, settings: Settings, *, loader: BackendLoader | None = None) -> None:
        self._job = job
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="engine", daemon=True)
        self._thread.start()
        self._engine = Engine(settings, loader=loader)
        try:
            self._run(self._engine.start())
            self._check_model(self._run(self._engine.model_info()))
        except BaseException:
            self.close()
            raise

    def embed(self, shard: Shard) -> Report:
        """Embed a shard and write its part, unless that is there; what went wrong is in the report."""
        began_s = time.time()
        try:
            known = finished(self._job, shard)
            if known is not None:
                return known
            kept = self._job.read(shard)
            made = self._run(self._vectors(kept.texts)) if kept.texts else _Made()
            if made.rows:
                self._job.part(shard).put(self._part(kept, made))
            report = Report(
                shard.number,
                texts=len(made.rows),
                truncated=made.truncated,
                skipped=len(kept.skipped),
                failed=len(made.failed),
                skipped_rows=tuple((row.line, row.why) for row in kept.skipped[:_TOLD_ROWS]),
                failed_rows=tuple((text.index + 1, text.message) for text in made.failed[:_TOLD_ROWS]),
                worker=_name(),
                began_s=began_s,
                ended_s=time.time(),
            )
            mark(self._job.parts, report)
        except TesseraError as error:
            return Report(shard.number, error=str(error), worker=_name())
        return report

    def close(self) -> None:
        """Free the engine."""
        self._run(self._engine.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _check_model(self, found: ModelInfo) -> None:
        if found.fingerprint != self._job.model.fingerprint:
            raise ModelUnavailable(
                f"On the node {socket.gethostname()} the model {found.id} makes other vectors than where "
                "this job began. Give all nodes the same model, precision and kind of device."
            )

    async def _vectors(self, texts: list[str]) -> _Made:
        job, made = self._job, _Made()
        slices = embed_in_slices(self._engine, texts, kind=job.kind, dimensions=job.dimensions)
        async with aclosing(slices):
            async for part in slices:
                made.rows += part.rows.tolist()
                made.vectors.append(part.embeddings.vectors)
                made.truncated += len(part.embeddings.truncated)
                made.failed += part.failed
        return made

    def _part(self, kept: Kept, made: _Made) -> bytes:
        import numpy as np

        columns = {
            name: [column[row] for row in made.rows] for name, column in kept.finished_columns().items()
        }
        texts = [kept.texts[row] for row in made.rows]
        vectors = np.concatenate(made.vectors)
        return part_bytes(self._job.part_format, texts, columns, vectors, self._job.model)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def describe(settings: Settings) -> ModelInfo:
    """The model as it is on this node.

    Raises:
        ModelUnavailable
    """

    async def ask() -> ModelInfo:
        async with Engine(settings) as engine:
            return await engine.model_info()

    return asyncio.run(ask())


def _name() -> str:
    return f"{socket.gethostname()}/{os.getpid()}"
