"""`Engine.embed`: the one way to a vector.

The order is fixed: validate, cache, tokenise, scheduler, runtime, cache, and only if asked for,
cut to `dimensions` and normalise.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from embedder.admission import Admission
from embedder.cache import MemoryCache, TwoLevelCache, cache_keys
from embedder.call import Call, cut
from embedder.checks import check_prompt, check_request, check_texts
from embedder.config import Settings
from embedder.disk_cache import DiskCache
from embedder.errors import InvalidInput, ShuttingDown, UnknownModel
from embedder.metrics import Metrics
from embedder.protocols import Backend, EmbeddingCache, Fellows
from embedder.replica import BackendLoader, Replica, in_slices, resolve_prompt
from embedder.scheduler import Scheduler
from embedder.spending import budget_with_room
from embedder.types import (
    Asked,
    Embeddings,
    EmbedOptions,
    Kind,
    ModelInfo,
    ModelStatus,
    Prompt,
    Text,
    TokenSpans,
)

_INLINE_CHARS = 65_536
"""Up to so many characters are hashed on the loop, in well under a millisecond."""

_LAST_ANSWERS_S, _LAST_BATCH_S, _LAST_WRITE_S = 1.0, 5.0, 5.0
"""After the drain: for callers to take their refusal, for threads to end their batch, for the disk."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
"""Between two trials to load what could not be had, such as servers of others that were away."""

_DEFAULT_OPTIONS = EmbedOptions()


class Engine:
    """Allowed models, loaded at start and never by a client's wish, behind one `embed`.

    Settings are stored; nothing is loaded before `start`. Use it from one event loop. `fellows` are
    the other processes, where several are one server.
    """

    def __init__(
        self, settings: Settings, *, loader: BackendLoader | None = None, fellows: Fellows | None = None
    ) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self._loader = loader
        self._fellows = fellows
        self._admission = Admission(settings.queue_tokens, self.metrics, fellows)
        self._memory = MemoryCache(settings.cache_bytes)
        self._cache: EmbeddingCache = self._memory
        self._disk: TwoLevelCache | None = None
        self._replicas: dict[str, Replica] = {}
        self._tokenizers = ThreadPoolExecutor(2, thread_name_prefix="tokenize")
        self._loading: asyncio.Task[None] | None = None
        self._calls = 0
        self._closed = False
        self.reranker: str | None = None

    async def start(self) -> None:
        """Begin loading every allowed model, the default first, and return at once."""
        if self.settings.disk_cache_bytes:
            folder = self.settings.cache_dir / "vectors"
            self._disk = TwoLevelCache(self._memory, DiskCache(folder, self.settings.disk_cache_bytes))
            self._cache = self._disk
        sources = dict(self.settings.allowed_models)
        if self.settings.allowed_reranker is not None:
            model_id, sources[model_id] = self.settings.allowed_reranker
            self.reranker = model_id
        self._replicas = {model_id: Replica(model_id, source) for model_id, source in sources.items()}
        self._loading = asyncio.create_task(self._load_all())

    async def close(self) -> None:
        """Take no new work, finish what is begun within `settings.drain_s`, then leave.

        Whoever is not answered by then gets ShuttingDown.
        """
        self._closed = True
        if self._loading is not None:
            self._loading.cancel()
        for replica in self._replicas.values():
            replica.abandon()
        await self._idle(self.settings.drain_s)
        self._admission.close()
        for replica in self._replicas.values():
            replica.stop()
        if await self._idle(_LAST_ANSWERS_S):
            self._tokenizers.shutdown(wait=False)
        for replica in self._replicas.values():
            await asyncio.to_thread(replica.free, _LAST_BATCH_S)
        if self._disk is not None:
            await asyncio.to_thread(self._disk.close, _LAST_WRITE_S)

    async def __aenter__(self) -> Engine:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    @property
    def ready(self) -> bool:
        """Whether the default model is loaded, here and wherever else this server runs."""
        default = self._replicas.get(self.settings.default_model)
        here = default is not None and default.status.state == "ready"
        return here and (self._fellows is None or self._fellows.all_loaded)

    def models(self) -> list[ModelStatus]:
        """Every allowed model and its state, the default first."""
        return [replica.status for replica in self._replicas.values()]

    async def model_info(self, model: str | None = None) -> ModelInfo:
        """The model's description, once it is loaded (waits); None is the default model.

        Raises:
            UnknownModel, ModelUnavailable
        """
        backend, _ = await self._replica(model).runtime()
        return backend.info

    async def embed(
        self,
        texts: Sequence[Text],
        *,
        model: str | None = None,
        kind: Kind | None = None,
        dimensions: int | None = None,
        options: EmbedOptions = _DEFAULT_OPTIONS,
    ) -> Embeddings:
        """Vectors of `texts`: float32 `(n, d)`, row i for text i.

        At full width they are what the model's own pipeline returns; cut to `dimensions`, they
        are normalised again. Cancelling the call frees what it waits for.

        Raises:
            InvalidInput, ContextLengthExceeded: the texts or what is asked of them is wrong.
            UnknownModel, ModelUnavailable: no such model here, or it could not be loaded.
            TooLarge, Overloaded: no room ever, or not now (never for `options.wait_for_room`).
            RateLimited: whoever asks has spent what he may for now (neither for `options.wait_for_room`).
            BackendFailed: the runtime failed on a text; `index` tells which.
            ShuttingDown
        """
        return await self._embed(self._replica(model), Asked(texts, kind, dimensions, options))

    async def rerank(
        self, query: str, documents: Sequence[str], *, options: EmbedOptions = _DEFAULT_OPTIONS
    ) -> Embeddings:
        """Scores of `documents` for `query` by the owner's cross-encoder: `vectors` float32 `(n, 1)`.

        Raises:
            InvalidInput: no words, or the owner allowed no reranker.
            And what `embed` raises.
        """
        if self.reranker is None:
            raise InvalidInput("No reranker is served here; its owner sets TESSERA_RERANKER.", param="model")
        if not query:
            raise InvalidInput("The query is empty. Say what is looked for.", param="query")
        told = replace(options, prompt=query, prompt_name=None)
        return await self._embed(self._replica(self.reranker), Asked(documents, options=told, task="rerank"))

    async def tokenize(
        self,
        texts: Sequence[str],
        *,
        model: str | None = None,
        kind: Kind | None = None,
        prompt_name: str | None = None,
    ) -> list[TokenSpans]:
        """How the model splits `texts`, prompt and special tokens included.

        Raises:
            InvalidInput, UnknownModel, ModelUnavailable, ShuttingDown
        """
        replica = self._replica(model)
        check_texts(texts)
        backend, _ = await replica.runtime()
        prompt = resolve_prompt(backend.info, kind, EmbedOptions(prompt_name=prompt_name))
        return await in_slices(backend.spans, texts, prompt, self._tokenizers)

    async def token_counter(self, model: str | None = None) -> Callable[[str], int]:
        """A function that counts the tokens the model sees of a text, one more than it reads if cut.

        Raises:
            UnknownModel, ModelUnavailable, ShuttingDown
        """
        backend, _ = await self._replica(model).runtime()
        prompt = resolve_prompt(backend.info, None, _DEFAULT_OPTIONS)

        def count(text: str) -> int:
            (one,) = backend.tokenize([text], prompt)
            return one.prompt_tokens + one.truncated

        return count

    def estimate_s(self, tokens: int) -> float:
        """About how long `tokens` more would take, after what waits already, at the pace of late."""
        return (self._admission.held_tokens + tokens) / self._admission.rate_tokens_s

    async def _idle(self, timeout_s: float) -> bool:
        """Wait until no call is in progress; False when that took longer than `timeout_s`."""
        end = time.monotonic() + timeout_s
        # Polled: it happens once, when the server leaves.
        while self._calls and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return not self._calls

    def _replica(self, model: str | None) -> Replica:
        if self._closed:
            raise ShuttingDown
        model_id = self.settings.default_model if model is None else model
        if model_id not in self._replicas:
            raise UnknownModel(model_id, tuple(self._replicas))
        return self._replicas[model_id]

    async def _load_all(self) -> None:
        """Load one model after the other; later again those that could not be had yet, ever less often."""
        for replica in self._replicas.values():
            await self._load(replica)
        pause_s = _FIRST_PAUSE_S
        while left := [one for one in self._replicas.values() if one.retry_after_s is not None]:
            await asyncio.sleep(max(pause_s, *(one.retry_after_s or 0.0 for one in left)))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            for replica in left:
                await self._load(replica)

    async def _load(self, replica: Replica) -> None:
        from embedder.backends import load_backend, load_reranker

        own = load_reranker if replica.id == self.reranker else load_backend
        await asyncio.to_thread(
            replica.load,
            self._loader or own,
            self.settings,
            admission=self._admission,
            cache=self._cache,
            metrics=self.metrics,
        )
        replica.announce()
        if self._fellows is not None and replica.id == self.settings.default_model:
            self._fellows.tell_loaded(failed=replica.status.state == "failed")

    async def _embed(self, replica: Replica, asked: Asked) -> Embeddings:
        check_texts(asked.texts)
        check_prompt(asked.options.prompt)
        self._calls += 1
        try:
            return await self._answer(replica, asked)
        finally:
            self._calls -= 1

    async def _answer(self, replica: Replica, asked: Asked) -> Embeddings:
        started_s = time.perf_counter()
        backend, scheduler = await replica.runtime()
        info = backend.info
        check_request(info, asked)
        budget = await budget_with_room(wait=asked.options.wait_for_room)
        prompt = resolve_prompt(info, asked.kind, asked.options)
        call = Call(info, asked.texts, asked.options, self.settings)
        if budget is not None:
            call.spend = budget.spend
        keys = await self._keys(info, prompt, asked.texts)
        call.recall(keys, self._memory.get)
        if self._disk is not None and call.missing:
            await self._recall_from_disk(self._disk, call, keys)
        call.check_lengths()
        call.spend(int(call.prompt_tokens.sum()))  # what is computed is counted once it has been let in
        try:
            tokenize_s = await self._compute(call, keys, prompt, backend, scheduler)
        except BaseException:
            call.cancel(scheduler)
            raise
        vectors = call.vectors if asked.dimensions is None else cut(call.vectors, asked.dimensions)
        timings = call.timings(tokenize_s, time.perf_counter() - started_s)
        self.metrics.cache_bytes.set(self._memory.held_bytes)
        counters = self.metrics.of_model(info.id)
        counters.count(len(asked.texts), cached=call.cached, from_disk=call.from_disk, timings=timings)
        return Embeddings(vectors, call.prompt_tokens, call.truncated, call.cached, info, timings)

    async def _recall_from_disk(self, disk: TwoLevelCache, call: Call, keys: Sequence[bytes]) -> None:
        started_s = time.perf_counter()
        missing = [keys[row] for row in call.missing]
        found = await disk.fetch(missing)
        call.cache_s += time.perf_counter() - started_s
        before = call.cached
        call.recall(keys, found.get)
        call.from_disk = call.cached - before

    async def _keys(self, info: ModelInfo, prompt: Prompt, texts: Sequence[Text]) -> list[bytes]:
        if sum(map(len, texts)) <= _INLINE_CHARS:
            return cache_keys(info.fingerprint, prompt, texts)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._tokenizers, cache_keys, info.fingerprint, prompt, texts)

    async def _compute(
        self, call: Call, keys: Sequence[bytes], prompt: Prompt, backend: Backend, scheduler: Scheduler
    ) -> float:
        """Tokenise, queue and await what the cache did not know; returns the seconds of tokenising."""
        tokenize_s = 0.0
        for rows in call.slices():
            tokenize_started_s = time.perf_counter()
            some_texts = [call.texts[row] for row in rows]
            part = await in_slices(backend.tokenize, some_texts, prompt, self._tokenizers)
            tokenize_s += time.perf_counter() - tokenize_started_s
            call.count(rows, part)
            call.check_lengths()
            for some_rows, some in call.parts(rows, part):
                ticket = await scheduler.submit(
                    [keys[row] for row in some_rows],
                    some,
                    priority=call.priority(scheduler.batch_tokens),
                    wait=call.options.wait_for_room,
                    caller=call.caller,
                )
                call.tickets.append((ticket, some_rows))
                call.spend(sum(text.prompt_tokens for text in some))
        await call.collect()
        return tokenize_s
