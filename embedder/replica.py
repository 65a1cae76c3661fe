"""One allowed model: how it comes to be loaded, and the calls that reach its runtime."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence, Sized
from concurrent.futures import Executor
from typing import TypeVar

from embedder.admission import Admission
from embedder.config import Settings
from embedder.errors import InvalidInput, ModelUnavailable, ShuttingDown
from embedder.metrics import Metrics
from embedder.protocols import Backend, EmbeddingCache
from embedder.scheduler import Scheduler
from embedder.types import EmbedOptions, Kind, ModelInfo, ModelState, ModelStatus, Prompt

_LOG = logging.getLogger(__name__)

T = TypeVar("T", bound=Sized)
R = TypeVar("R")

BackendLoader = Callable[[str, str, Settings], Backend]
"""(model id, its source, settings) to a loaded backend; runs in a thread."""

_TOKENIZE_TEXTS, _TOKENIZE_CHARS = 64, 65_536
"""Tokenised in one go; a few milliseconds, so that a large call does not hold up a small one."""

_INLINE_TEXTS, _INLINE_CHARS = 4, 1024
"""Tokenised on the loop: a fraction of a millisecond, where a thread is one away and back."""

_PROMPT_NAMES: dict[Kind, tuple[str, ...]] = {
    "query": ("query",),
    "document": ("document", "passage", "corpus"),
}
"""Which of a model's prompts a kind means, as in sentence-transformers' `encode_query`/`_document`."""


_NOT_LOADED = "could not be loaded. The server's log says why."
_NOT_YET = "could not be loaded yet, and is tried again. The server's log says why."


class Replica:
    """A model of the allow-list and, once `load` is done, its runtime and scheduler."""

    def __init__(self, model_id: str, source: str) -> None:
        self.id = model_id
        self.source = source
        self._state: ModelState = "loading"
        self._closed = False
        self._backend: Backend | None = None
        self._scheduler: Scheduler | None = None
        self._loaded = asyncio.Event()
        self.retry_after_s: float | None = None
        """When to call `load` again, where what failed may pass; None where it won't."""

    @property
    def status(self) -> ModelStatus:
        """How far the model has come."""
        info = self._backend.info if self._backend else None
        return ModelStatus(self.id, self._state, info, self._why_not if self._state == "failed" else None)

    @property
    def _why_not(self) -> str:
        return _NOT_LOADED if self.retry_after_s is None else _NOT_YET

    def load(
        self,
        loader: BackendLoader,
        settings: Settings,
        *,
        admission: Admission,
        cache: EmbeddingCache,
        metrics: Metrics,
    ) -> None:
        """Load the runtime and start its threads; blocking, in a thread. Never raises: see `status`."""
        started_s = time.perf_counter()
        try:
            backend = loader(self.id, self.source, settings)
            self._scheduler = Scheduler(
                backend,
                batch_tokens=settings.batch_tokens or backend.batch_tokens,
                admission=admission,
                cache=cache,
                metrics=metrics,
            )
        except Exception as error:
            self._state = "failed"
            self.retry_after_s = error.retry_after_s if isinstance(error, ModelUnavailable) else None
            # For the owner: the words may name folders, which clients are not told.
            _LOG.error("The model %s could not be loaded (%s): %s", self.id, type(error).__name__, error)
        else:
            self._backend, self._state, self.retry_after_s = backend, "ready", None
            if self._closed:
                self.stop()
                self.free(0.0)
                return
            seconds = time.perf_counter() - started_s
            _LOG.info("The model %s is ready after %.1f s (%s).", self.id, seconds, backend.info.runtime)

    def announce(self) -> None:
        """Wake those who wait in `runtime`; on the loop, after `load`."""
        self._loaded.set()

    async def runtime(self) -> tuple[Backend, Scheduler]:
        """The loaded runtime; waits while it loads.

        Raises:
            ModelUnavailable: loading failed.
            ShuttingDown: the server left while it loaded.
        """
        await self._loaded.wait()
        if self._backend is not None and self._scheduler is not None:
            return self._backend, self._scheduler
        if self._state == "failed":
            why = f"The model {self.id} {self._why_not}"
            raise ModelUnavailable(why, retry_after_s=self.retry_after_s)
        raise ShuttingDown

    def abandon(self) -> None:
        """Let go of those who wait for a model that is still loading; it ends as soon as it is loaded."""
        self._closed = True
        self._loaded.set()

    def stop(self) -> None:
        """Answer what still waits with ShuttingDown."""
        if self._scheduler is not None:
            self._scheduler.close()

    def free(self, timeout_s: float) -> None:
        """Free the runtime once its threads are out of it; blocking.

        Waits for the threads `timeout_s` at most; a runtime that is still making a part of itself ends that.
        """
        if self._scheduler is not None:
            self._scheduler.join(timeout_s)
        if self._backend is not None:
            self._backend.close()


async def in_slices(
    work: Callable[[Sequence[T], Prompt], list[R]], texts: Sequence[T], prompt: Prompt, executor: Executor
) -> list[R]:
    """`work(texts, prompt)` off the loop, a few texts at a time so that other calls come in between.

    What takes less than the way to a thread and back is done at once.
    """
    if len(texts) <= _INLINE_TEXTS and sum(len(text) + len(prompt.text) for text in texts) <= _INLINE_CHARS:
        return work(texts, prompt)
    loop = asyncio.get_running_loop()
    done: list[R] = []
    for part in _slices(texts):
        done += await loop.run_in_executor(executor, work, part, prompt)
    return done


def _slices(texts: Sequence[T]) -> Iterator[Sequence[T]]:
    start = chars = 0
    for index, text in enumerate(texts):
        chars += len(text)
        if index > start and (index - start >= _TOKENIZE_TEXTS or chars > _TOKENIZE_CHARS):
            yield texts[start:index]
            start, chars = index, len(text)
    yield texts[start:]


def resolve_prompt(info: ModelInfo, kind: Kind | None, options: EmbedOptions) -> Prompt:
    """The prompt that `kind` or `options.prompt_name` means for this model; neither: its default.

    `options.prompt` takes its place; the branch of a routed model is still that of `kind`.

    Raises:
        InvalidInput: both names are given, or the model has no such prompt.
    """
    if options.prompt is not None:
        return Prompt(options.prompt, kind if info.routed else None)
    name = options.prompt_name
    if name is not None and kind is not None:
        raise InvalidInput("Give input_type or prompt_name, not both.", param="prompt_name")
    if name is not None and name not in info.prompts:
        known = ", ".join(sorted(info.prompts)) or "none"
        raise InvalidInput(f"The model has no prompt of that name. It has: {known}.", param="prompt_name")
    if kind is not None:
        name = next((known for known in _PROMPT_NAMES[kind] if known in info.prompts), None)
    if name is None:
        name = info.default_prompt_name
    return Prompt(info.prompts.get(name, "") if name else "", kind if info.routed else None)
