"""Many texts as a job: slices through `Engine.embed`, in order, with progress, cancelled as one."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedder.engine import Engine
from embedder.errors import BackendFailed, ContextLengthExceeded, TooLarge
from embedder.types import Embeddings, EmbedOptions, Kind, ModelInfo, Priority

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SLICE_TEXTS = 256
_SLICE_CHARS = 16_384
_SLICES_IN_FLIGHT = 3
"""One being computed, one tokenised and waiting, one on its way, so that the worker never idles."""
_HOPELESS_TEXTS = 16
"""A slice of at least so many texts that all fail is the runtime's fault and ends the job."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is; `remaining_s` is judged by characters, `rate_texts_s` since its first slice."""

    done: int
    total: int
    rate_texts_s: float
    remaining_s: float


@dataclass(frozen=True, slots=True)
class FailedText:
    """A text without a vector: its index in the job, and why."""

    index: int
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """Consecutive texts of a job, from `start` on.

    `rows` is int64 `(n,)`: row i of `embeddings` is of text `rows[i]` of the job. It is all of
    the slice, in order, without the texts in `failed`.
    """

    start: int
    embeddings: Embeddings
    rows: NDArray[np.int64]
    progress: Progress
    failed: tuple[FailedText, ...] = ()


@dataclass(frozen=True, slots=True)
class _Job:
    """What all slices of one job share."""

    engine: Engine
    texts: Sequence[str]
    info: ModelInfo
    kind: Kind | None
    dimensions: int | None

    async def embed(self, start: int, stop: int) -> tuple[list[tuple[int, Embeddings]], list[FailedText]]:
        """The texts from `start` to `stop` as (first text, embeddings) parts, and those that failed.

        A failing part is halved until the text at fault stands alone: a few calls for each such
        text, and those that were computed meanwhile come from the cache.
        """
        try:
            embeddings = await self.engine.embed(
                self.texts[start:stop],
                model=self.info.id,
                kind=self.kind,
                dimensions=self.dimensions,
                options=EmbedOptions(priority=Priority.BULK, wait_for_room=True, caller=id(self)),
            )
        except (BackendFailed, ContextLengthExceeded, TooLarge) as error:
            if stop - start == 1:
                return [], [FailedText(start, _about_it(error))]
            middle = (start + stop) // 2
            left_parts, left_failed = await self.embed(start, middle)
            right_parts, right_failed = await self.embed(middle, stop)
            failed = left_failed + right_failed
            if len(failed) == stop - start >= _HOPELESS_TEXTS:
                raise
            return left_parts + right_parts, failed
        return [(start, embeddings)], []

    async def slice(self, start: int, stop: int) -> tuple[Embeddings, NDArray[np.int64], list[FailedText]]:
        """One slice, its parts joined."""
        import numpy as np

        parts, failed = await self.embed(start, stop)
        rows = [np.arange(first, first + len(part.vectors)) for first, part in parts]
        return self._join(parts, start), np.concatenate([np.empty(0, dtype=np.int64), *rows]), failed

    def _join(self, parts: list[tuple[int, Embeddings]], start: int) -> Embeddings:
        import numpy as np

        if len(parts) == 1 and parts[0][0] == start:
            return parts[0][1]
        width = self.dimensions or self.info.dimensions
        vectors = [np.empty((0, width), dtype=np.float32), *(part.vectors for _, part in parts)]
        counts = [np.empty(0, dtype=np.int64), *(part.prompt_tokens for _, part in parts)]
        truncated: list[int] = []
        before = 0
        for _, part in parts:
            truncated += [before + index for index in part.truncated]
            before += len(part.vectors)
        return Embeddings(
            vectors=np.concatenate(vectors),
            prompt_tokens=np.concatenate(counts),
            truncated=tuple(truncated),
            cached=sum(part.cached for _, part in parts),
            model=self.info,
        )


async def embed_in_slices(
    engine: Engine,
    texts: Sequence[str],
    *,
    model: str | None = None,
    kind: Kind | None = None,
    dimensions: int | None = None,
) -> AsyncGenerator[Slice, None]:
    """Embed `texts` as bulk, slice by slice in order, each when it is done.

    A text that fails is reported in its slice; the others get their vectors. Closing the
    generator (`contextlib.aclosing`), or cancelling the task that reads it, cancels what is in
    flight and waits for it to be gone.

    Raises:
        InvalidInput, UnknownModel, ModelUnavailable, ShuttingDown: as `Engine.embed`.
        BackendFailed: every text of a slice failed.
    """
    info = await engine.model_info(model)
    job = _Job(engine, texts, info, kind, dimensions)
    clock = _Clock(texts)
    in_flight: deque[tuple[int, int, asyncio.Task[tuple[Embeddings, NDArray[np.int64], list[FailedText]]]]]
    in_flight = deque()
    spans = _spans(texts)
    try:
        while True:
            while len(in_flight) < _SLICES_IN_FLIGHT and (span := next(spans, None)):
                in_flight.append((*span, asyncio.create_task(job.slice(*span))))
            if not in_flight:
                return
            start, stop, task = in_flight[0]
            embeddings, rows, failed = await task
            in_flight.popleft()
            yield Slice(start, embeddings, rows, clock.progress(start, stop), tuple(failed))
    finally:
        for _, _, task in in_flight:
            task.cancel()
        await asyncio.gather(*(task for _, _, task in in_flight), return_exceptions=True)


def _about_it(error: Exception) -> str:
    """The message of a call with one text, which it would name as its text 0."""
    return re.sub(r"\b([Tt])ext 0\b", lambda found: "It" if found[1] == "T" else "it", str(error))


class _Clock:
    """Progress from the characters and texts done since it was made."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._total_chars = sum(map(len, texts))
        self._done_chars = 0
        self._started_s = time.monotonic()

    def progress(self, start: int, stop: int) -> Progress:
        """After the texts from `start` to `stop`."""
        self._done_chars += sum(len(self._texts[index]) for index in range(start, stop))
        elapsed_s = max(time.monotonic() - self._started_s, 1e-9)
        left_chars = self._total_chars - self._done_chars
        remaining_s = elapsed_s * left_chars / max(self._done_chars, 1)
        return Progress(stop, len(self._texts), stop / elapsed_s, remaining_s)


def _spans(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """(start, stop) of each slice: up to `_SLICE_TEXTS` texts of `_SLICE_CHARS` in all, at least one."""
    start = chars = 0
    for index, text in enumerate(texts):
        if index > start and (index - start == _SLICE_TEXTS or chars + len(text) > _SLICE_CHARS):
            yield start, index
            start, chars = index, 0
        chars += len(text)
    if start < len(texts):
        yield start, len(texts)
