"""One allowed model: how it comes to be loaded, and the calls that reach its runtime."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from embedder.admission import Admission
from embedder.cache import MemoryCache
from embedder.config import Settings
from embedder.errors import InvalidInput, ModelUnavailable, TesseraError
from embedder.metrics import Metrics
from embedder.protocols import Backend
from embedder.scheduler import Scheduler
from embedder.types import EmbedOptions, Kind, ModelInfo, ModelState, ModelStatus, Prompt, Text, TokenizedText

_LOG = logging.getLogger(__name__)

BackendLoader = Callable[[str, str, Settings], Backend]
"""(model id, its source, settings) to a loaded backend; runs in a thread."""

_TOKENIZE_TEXTS = 64
"""Tokenised in one go; a few milliseconds, so that a large call does not hold up a small one."""

_PROMPT_NAMES: dict[Kind, tuple[str, ...]] = {
    "query": ("query",),
    "document": ("document", "passage", "corpus"),
}
"""Which of a model's prompts a kind means, as in sentence-transformers' `encode_query`/`_document`."""


class Replica:
    """A model of the allow-list and, once `load` is done, its runtime and scheduler."""

    def __init__(self, model_id: str, source: str) -> None:
        self.id = model_id
        self.source = source
        self._state: ModelState = "loading"
        self._error: str | None = None
        self._backend: Backend | None = None
        self._scheduler: Scheduler | None = None
        self._loaded = asyncio.Event()

    @property
    def status(self) -> ModelStatus:
        """How far the model has come."""
        info = self._backend.info if self._backend else None
        return ModelStatus(self.id, self._state, info, self._error)

    def load(
        self,
        loader: BackendLoader,
        settings: Settings,
        *,
        admission: Admission,
        cache: MemoryCache,
        metrics: Metrics,
    ) -> None:
        """Load the runtime and start its threads; blocking, in a thread. Never raises: see `status`."""
        started_s = time.perf_counter()
        try:
            backend = loader(self.id, self.source, settings)
            self._scheduler = Scheduler(
                backend,
                batch_tokens=settings.batch_tokens,
                admission=admission,
                cache=cache,
                metrics=metrics,
            )
        except Exception as error:
            self._state = "failed"
            self._error = str(error) if isinstance(error, TesseraError) else type(error).__name__
            _LOG.error("The model %s could not be loaded: %s", self.id, self._error)
        else:
            self._backend, self._state = backend, "ready"
            seconds = time.perf_counter() - started_s
            _LOG.info("The model %s is ready after %.1f s (%s).", self.id, seconds, backend.info.runtime)

    def announce(self) -> None:
        """Wake those who wait in `runtime`; on the loop, after `load`."""
        self._loaded.set()

    async def runtime(self) -> tuple[Backend, Scheduler]:
        """The loaded runtime; waits while it loads.

        Raises:
            ModelUnavailable: loading failed.
        """
        await self._loaded.wait()
        if self._backend is None or self._scheduler is None:
            raise ModelUnavailable(f"The model {self.id} could not be loaded: {self._error}")
        return self._backend, self._scheduler

    def close(self) -> None:
        """Stop the threads and free the runtime."""
        if self._scheduler is not None:
            self._scheduler.close()
        if self._backend is not None:
            self._backend.close()


async def tokenize(
    backend: Backend, texts: Sequence[Text], prompt: Prompt, executor: Executor
) -> list[TokenizedText]:
    """Tokenise off the loop, a few texts at a time so that other calls come in between."""
    loop = asyncio.get_running_loop()
    tokenized: list[TokenizedText] = []
    for start in range(0, len(texts), _TOKENIZE_TEXTS):
        part = texts[start : start + _TOKENIZE_TEXTS]
        tokenized += await loop.run_in_executor(executor, backend.tokenize, part, prompt)
    return tokenized


def resolve_prompt(info: ModelInfo, kind: Kind | None, options: EmbedOptions) -> Prompt:
    """The prompt that `kind` or `options.prompt_name` means for this model; neither: its default.

    Raises:
        InvalidInput: both are given, or the model has no such prompt.
    """
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
