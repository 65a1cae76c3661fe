"""One queue of texts, batches bounded in tokens, two classes, and threads that outlive failures.

Each text, not each request, is an entry, as in text-embeddings-inference (`core/src/queue.rs`).
Identical texts that wait at once are one entry with several waiters.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from embedder.admission import Admission
from embedder.errors import BackendFailed, ModelUnavailable, ShuttingDown, TesseraError
from embedder.metrics import Metrics
from embedder.protocols import Backend, EmbeddingCache
from embedder.queues import Waiting
from embedder.tickets import Entry, Ticket
from embedder.types import Priority, TokenizedText

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOG = logging.getLogger(__name__)


_GATHER_S, _GATHERINGS = 0.001, 5
_TOGETHER_S = 0.01
"""Who was answered so long ago has not asked again at once."""


class Scheduler:
    """The texts waiting for one model, and the threads that compute them."""

    def __init__(
        self,
        backend: Backend,
        *,
        batch_tokens: int,
        admission: Admission,
        cache: EmbeddingCache,
        metrics: Metrics,
    ) -> None:
        self._backend = backend
        self._admission = admission
        self._cache = cache
        self._metrics = metrics
        self._known: dict[bytes, Entry] = {}
        self.batch_tokens = batch_tokens
        self._waiting = Waiting(batch_tokens, pads=backend.pads)
        self._lengths = []
        for priority, queue in self._waiting.queues.items():
            waiting = metrics.queue_texts.labels(backend.info.id, priority.name.lower())
            if metrics.shared:
                self._lengths.append((waiting, queue))
            else:  # asked when somebody looks, not told at every change
                waiting.set_function(queue.__len__)
        self._computed_tokens = metrics.tokens.labels(backend.info.id)
        self._computing_s = metrics.stage_s.labels("computing")
        self._stopping = False
        self._batches = self._bulk_batches = 0
        lock = threading.RLock()
        self._condition, self._express = threading.Condition(lock), threading.Condition(lock)
        works = [self._work] * backend.workers + [self._work_express] * backend.express_workers
        self._threads = [
            threading.Thread(target=work, name=f"{backend.info.id}-{number}", daemon=True)
            for number, work in enumerate(works)
        ]
        for thread in self._threads:
            thread.start()

    async def submit(
        self,
        keys: Sequence[bytes],
        tokenized: Sequence[TokenizedText],
        *,
        priority: Priority,
        wait: bool,
        caller: int,
    ) -> Ticket:
        """Queue texts; row i of the ticket's vectors is for `tokenized[i]`. Callers take turns.

        Raises:
            Overloaded, TooLarge, ShuttingDown: nothing was queued.
        """
        ticket = Ticket(len(keys), self._backend.info.dimensions, asyncio.get_running_loop())
        if wait:
            granted = sum(max(1, text.prompt_tokens) for text in tokenized)
            await self._admission.wait(granted)
            taken = 0
            try:
                taken = self._enqueue(ticket, keys, tokenized, priority, caller=caller, job=True)
            finally:
                self._admission.release(granted - taken, job=True)
        else:
            self._enqueue(ticket, keys, tokenized, priority, caller=caller, job=False)
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """The caller left: drop what nobody else waits for."""
        with self._condition:
            ticket.leave()
            for entry in ticket.entries:
                entry.waiters = [waiter for waiter in entry.waiters if waiter[0] is not ticket]
                if not entry.waiters and not entry.running and self._known.get(entry.key) is entry:
                    self._metrics.dropped_texts.inc()
                    self._forget(entry)
            ticket.entries.clear()
            self._tell_lengths()

    def close(self) -> None:
        """Stop the threads after their present batch; what still waits is answered with ShuttingDown."""
        with self._condition:
            self._stopping = True
            for entry in list(self._known.values()):
                for waiter, _ in entry.waiters:
                    waiter.fail(ShuttingDown())
                entry.waiters.clear()
                if not entry.running:
                    self._forget(entry)
            self._condition.notify_all()
            self._express.notify_all()

    def join(self, timeout_s: float) -> None:
        """Wait for the threads to end their last batch, `timeout_s` at most; blocking."""
        end = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _enqueue(
        self,
        ticket: Ticket,
        keys: Sequence[bytes],
        tokenized: Sequence[TokenizedText],
        priority: Priority,
        *,
        caller: int,
        job: bool,
    ) -> int:
        """Attach the ticket to known entries and queue the others; returns the tokens these hold."""
        with self._condition:
            if self._stopping:
                raise ShuttingDown
            fresh: dict[bytes, Entry] = {}
            for key, text in zip(keys, tokenized, strict=True):
                if key not in self._known and key not in fresh:
                    fresh[key] = Entry(key, text, priority, caller=caller, job=job)
            tokens = sum(entry.tokens for entry in fresh.values())
            if not job:  # a job's room was taken before
                self._admission.request(tokens)
            self._known.update(fresh)
            for entry in fresh.values():
                self._waiting.add(entry)
            for row, key in enumerate(keys):
                entry = self._known[key]
                entry.waiters.append((ticket, row))
                self._promote(entry, priority)
            ticket.entries = list({id(self._known[key]): self._known[key] for key in keys}.values())
            self._tell_lengths()
            self._condition.notify(max(1, len(fresh)))
            self._call_express()
            return tokens

    def _tell_lengths(self) -> None:
        for waiting, queue in self._lengths:
            waiting.set(len(queue))

    def _promote(self, entry: Entry, priority: Priority) -> None:
        """A text of bulk that somebody interactive wants too goes ahead with theirs."""
        if not entry.running and priority < entry.priority:
            self._waiting.discard(entry)
            entry.priority = priority
            self._waiting.add(entry)

    def _forget(self, entry: Entry) -> None:
        """Take an entry off the books, if it is still on them, and give its room back."""
        if self._known.get(entry.key) is not entry:
            return
        del self._known[entry.key]
        self._waiting.discard(entry)
        self._admission.release(entry.tokens, job=entry.job)

    def _work(self) -> None:
        answered, answered_s = 0, 0.0
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._stopping or len(self._waiting))
            several = answered > 1 and time.monotonic() - answered_s < _TOGETHER_S
            self._gather(several)
            with self._condition:
                if self._stopping:
                    return
                if not len(self._waiting):
                    continue
                batch = self._take()
                bulk = batch[0].priority is Priority.BULK
                self._batches += 1
                self._bulk_batches += bulk
                self._call_express()
            self._run_surely(batch)
            answered, answered_s = len(batch), time.monotonic()
            with self._condition:
                self._batches -= 1
                self._bulk_batches -= bulk

    def _gather(self, several: bool) -> None:
        """While others compute, give requests that are just coming in the time to share a batch.

        Many clients that are answered together ask again together; `several` just were. One that is
        alone never waits.
        """
        for _ in range(_GATHERINGS):
            texts = len(self._waiting)
            if not ((self._batches or several) and self._waiting.few):
                return
            time.sleep(_GATHER_S)
            if len(self._waiting) <= texts:
                return

    def _work_express(self) -> None:
        """Serve interactive texts while every other thread is in a batch of bulk.

        The processor's cores are shared for as long as that takes; the bulk goes on.
        """
        while True:
            with self._express:
                self._express.wait_for(lambda: self._stopping or self._is_held_up())
                if self._stopping:
                    return
                batch = self._take(only_interactive=True)
            self._run_surely(batch)

    def _is_held_up(self) -> bool:
        return self._waiting.interactive and self._bulk_batches >= self._backend.workers

    def _call_express(self) -> None:
        if self._is_held_up():
            self._express.notify()

    def _take(self, *, only_interactive: bool = False) -> list[Entry]:
        batch = self._waiting.take(only_interactive=only_interactive)
        for entry in batch:
            entry.running = True
        self._tell_lengths()
        return batch

    def _run_surely(self, batch: list[Entry]) -> None:
        """The thread outlives anything, MemoryError and SystemExit included, and nobody waits for ever."""
        try:
            self._run(batch)
        except BaseException as error:
            self._fail(batch, error)

    def _run(self, batch: list[Entry]) -> None:
        """Compute a batch; where it fails, halve it until the text at fault stands alone."""
        batch = self._still_wanted(batch)
        if not batch:
            return
        started_s = time.perf_counter()
        try:
            vectors = self._encode(batch)
        except BaseException as error:
            self._metrics.failed_batches.inc()
            if len(batch) == 1 or isinstance(error, ModelUnavailable):
                self._fail(batch, error)
                return
            _LOG.warning("A batch of %d failed with %s; halving it.", len(batch), type(error).__name__)
        else:
            self._deliver(batch, vectors, started_s)
            return
        middle = len(batch) // 2
        self._run(batch[:middle])
        self._run(batch[middle:])

    def _still_wanted(self, batch: list[Entry]) -> list[Entry]:
        """Without the texts whose callers all left after the batch was taken."""
        with self._condition:
            for entry in batch:
                if not entry.waiters:
                    self._metrics.dropped_texts.inc()
                    self._forget(entry)
            return [entry for entry in batch if entry.waiters]

    def _encode(self, batch: list[Entry]) -> NDArray[np.float32]:
        vectors = np.asarray(self._backend.encode([entry.tokenized for entry in batch]))
        expected = (len(batch), self._backend.info.dimensions)
        if vectors.shape != expected or vectors.dtype != np.float32:
            raise BackendFailed(f"The runtime gave {vectors.dtype} {vectors.shape} for float32 {expected}.")
        if not np.isfinite(vectors).all():
            raise BackendFailed("The runtime gave numbers that are not finite.")
        return vectors

    def _deliver(self, batch: list[Entry], vectors: NDArray[np.float32], started_s: float) -> None:
        compute_s = time.perf_counter() - started_s
        tokens = sum(entry.tokens for entry in batch)
        padded = len(batch) * max(entry.tokens for entry in batch) if self._backend.pads else tokens
        self._admission.observe(tokens * self._backend.workers, compute_s)
        self._metrics.batch_texts.observe(len(batch))
        self._metrics.batch_tokens.observe(padded)
        self._computed_tokens.inc(tokens)
        self._computing_s.observe(compute_s)
        for entry, vector in zip(batch, vectors, strict=True):
            self._cache.put(entry.key, entry.known(vector))
        with self._condition:
            for entry in batch:
                self._forget(entry)  # before anyone is answered, who may look at the metrics
            answered: list[Ticket] = []
            try:
                for entry, vector in zip(batch, vectors, strict=True):
                    for ticket, row in entry.waiters:
                        if ticket.fill(row, vector, started_s - entry.queued_s, compute_s):
                            answered.append(ticket)
                    entry.waiters.clear()
            finally:
                Ticket.answer(answered)

    def _fail(self, batch: Sequence[Entry], error: BaseException) -> None:
        """Answer everyone who waits for these entries with the failure, unless they have been answered."""
        name, which = self._backend.info.id, type(error).__name__
        _LOG.error("The runtime of %s failed, with a batch of %d: %s.", name, len(batch), which)
        for entry in batch:
            with self._condition:
                waiters, entry.waiters = entry.waiters, []
                self._forget(entry)
                for ticket, row in waiters:
                    ticket.fail(_told(error, row))


def _told(error: BaseException, row: int) -> TesseraError:
    """What a caller is told of a failure: ours as it is, else without its words, which may quote the text."""
    if isinstance(error, ModelUnavailable):
        return ModelUnavailable(str(error), retry_after_s=error.retry_after_s)
    return BackendFailed(f"The model's runtime failed with {type(error).__name__}.", index=row)
