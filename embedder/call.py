"""The state of one `Engine.embed` while it lasts: what is known, what is missing, what it cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from embedder.config import Settings
from embedder.errors import BackendFailed, ContextLengthExceeded, TooLarge
from embedder.scheduler import Scheduler
from embedder.tickets import Ticket
from embedder.types import (
    EmbedOptions,
    KnownVector,
    ModelInfo,
    Priority,
    Text,
    Timings,
    TokenizedText,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_JOB_SLICE_TEXTS = 256
"""A job asks for room for so many texts at a time."""

INTERACTIVE_BATCHES = 4
"""A call that fits so many batches goes ahead of larger ones."""


class Call:
    """Rows of one call: `vectors` `(n, d)`, `prompt_tokens` `(n,)`, `truncated` indices."""

    def __init__(
        self, info: ModelInfo, texts: Sequence[Text], options: EmbedOptions, settings: Settings
    ) -> None:
        self.texts = texts
        self.options = options
        self.vectors: NDArray[np.float32] = np.zeros((len(texts), info.dimensions), dtype=np.float32)
        self.prompt_tokens: NDArray[np.int64] = np.zeros(len(texts), dtype=np.int64)
        self.tickets: list[tuple[Ticket, list[int]]] = []
        self.cached = self.from_disk = 0
        self._tokens = self._computed_tokens = 0
        self._info = info
        self._settings = settings
        self._truncated: list[int] = []
        self.missing = list(range(len(texts)))
        self.cache_s = 0.0
        self.spend: Callable[[int], None] = lambda _: None
        """Is told of tokens once they are known, or let in to be computed."""

    @property
    def caller(self) -> int:
        """Who takes turns with whom: this call, or the job it is part of."""
        return id(self) if self.options.caller is None else self.options.caller

    @property
    def truncated(self) -> tuple[int, ...]:
        """Indices of the texts that were cut, in order."""
        return tuple(sorted(self._truncated))

    def recall(self, keys: Sequence[bytes], get: Callable[[bytes], KnownVector | None]) -> None:
        """Fill the missing rows that `get` knows by their key."""
        started_s = time.perf_counter()
        missing = []
        for row in self.missing:
            known = get(keys[row])
            if known is None:
                missing.append(row)
                continue
            self.vectors[row] = known.vector
            self.prompt_tokens[row] = known.prompt_tokens
            self._tokens += known.prompt_tokens
            if known.truncated:
                self._truncated.append(row)
            self.cached += 1
        self.missing = missing
        self.cache_s += time.perf_counter() - started_s

    def slices(self) -> Iterator[list[int]]:
        """Rows to compute: all at once for a request, which is admitted whole, in parts for a job."""
        step = _JOB_SLICE_TEXTS if self.options.wait_for_room else max(1, len(self.missing))
        for start in range(0, len(self.missing), step):
            yield self.missing[start : start + step]

    def count(self, rows: Sequence[int], tokenized: Sequence[TokenizedText]) -> None:
        """Note what the model sees of these rows."""
        for row, text in zip(rows, tokenized, strict=True):
            self.prompt_tokens[row] = text.prompt_tokens
            self._tokens += text.prompt_tokens
            self._computed_tokens += text.prompt_tokens
            if text.truncated:
                self._truncated.append(row)

    def parts(
        self, rows: list[int], tokenized: list[TokenizedText]
    ) -> Iterator[tuple[list[int], list[TokenizedText]]]:
        """What to admit at once: a request whole, a job in parts of at most half the queue."""
        if not self.options.wait_for_room:
            yield rows, tokenized
            return
        most_tokens = self._settings.queue_tokens // 2
        start = tokens = 0
        for index, text in enumerate(tokenized):
            tokens += text.prompt_tokens
            if tokens > most_tokens and index > start:
                yield rows[start:index], tokenized[start:index]
                start, tokens = index, text.prompt_tokens
        yield rows[start:], tokenized[start:]

    def check_lengths(self) -> None:
        """Refuse what is too long, by what is counted so far.

        Raises:
            ContextLengthExceeded: a text was cut though that was not wanted.
            TooLarge: the request holds more tokens than one may.
        """
        truncate = self.options.truncate
        if self._truncated and not (self._settings.truncate if truncate is None else truncate):
            raise ContextLengthExceeded(
                f"Text {self.truncated[0]} is longer than the {self._info.max_tokens} tokens this model "
                "reads. Shorten or split it, or let it be cut with truncate: true."
            )
        limit = self._settings.max_request_tokens
        if self._tokens > limit and not self.options.wait_for_room:
            raise TooLarge(
                f"The request holds {self._tokens} tokens; the most in one request is {limit}. "
                "Send it in smaller parts."
            )

    def priority(self, batch_tokens: int) -> Priority:
        """As the caller says, else interactive if what is to be computed fits a few batches."""
        if self.options.priority is not None:
            return self.options.priority
        few = self._computed_tokens <= INTERACTIVE_BATCHES * batch_tokens
        return Priority.INTERACTIVE if few else Priority.BULK

    async def collect(self) -> None:
        """Await the tickets and put their vectors in place.

        Raises:
            BackendFailed, with `index` counting the call's texts; ShuttingDown
        """
        for ticket, rows in self.tickets:
            try:
                await ticket.future
            except BackendFailed as error:
                if error.index is None:
                    raise
                # The ticket counts its own rows, which leave out what the cache knew.
                raise BackendFailed(str(error), index=rows[error.index]) from None
            self.vectors[rows] = ticket.vectors

    def cancel(self, scheduler: Scheduler) -> None:
        """Let go of everything still waiting."""
        for ticket, _ in self.tickets:
            scheduler.cancel(ticket)
            # An error that is still on its way, or came, is seen: asyncio would log it as lost.
            if not ticket.future.cancel() and not ticket.future.cancelled():
                ticket.future.exception()

    def timings(self, tokenize_s: float, total_s: float) -> Timings:
        """Where the time went; waiting and computing are of the slowest text."""
        tickets = [ticket for ticket, _ in self.tickets]
        return Timings(
            cache_s=self.cache_s,
            tokenize_s=tokenize_s,
            wait_s=max((ticket.wait_s for ticket in tickets), default=0.0),
            compute_s=max((ticket.compute_s for ticket in tickets), default=0.0),
            total_s=total_s,
        )


def cut(vectors: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    """The first `dimensions` of each row `(n, d)`, L2-normalised again where anything was cut.

    A row of zeros stays one.
    """
    if dimensions == vectors.shape[1]:
        return vectors
    kept = vectors[:, :dimensions]
    norms = np.linalg.norm(kept, axis=1, keepdims=True)
    return np.asarray(kept / np.where(norms > 0, norms, 1), dtype=np.float32)
