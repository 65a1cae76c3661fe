"""Waiting texts: two classes, and within each the callers taking turns."""

from __future__ import annotations

from collections import OrderedDict
from itertools import chain, islice

from embedder.batching import choose_batch
from embedder.tickets import Entry
from embedder.types import Priority

_WINDOW_TEXTS = 256
"""How many of the oldest waiting texts are looked at, at least, for ones of a like length."""
_SHORT_TEXT_TOKENS = 8
_TURNS = 4
"""While both classes wait, every so many batches one is of bulk, so that bulk never starves."""


class TurnQueue:
    """Entries by caller: each batch begins with the next caller's oldest text.

    So a caller with ten texts is not behind the whole of one with ten thousand. Not
    thread-safe: the scheduler's lock guards it.
    """

    def __init__(self) -> None:
        self._callers: OrderedDict[int, OrderedDict[bytes, Entry]] = OrderedDict()
        self._length = 0
        self.tokens = 0

    def __len__(self) -> int:
        return self._length

    def add(self, entry: Entry) -> None:
        """Behind the caller's other texts; a new caller goes behind the others."""
        self._callers.setdefault(entry.caller, OrderedDict())[entry.key] = entry
        self._length += 1
        self.tokens += entry.tokens

    def discard(self, entry: Entry) -> None:
        """Take an entry out, if it is in."""
        entries = self._callers.get(entry.caller)
        if entries is None or entries.pop(entry.key, None) is None:
            return
        self._length -= 1
        self.tokens -= entry.tokens
        if not entries:
            del self._callers[entry.caller]

    def window(self, texts: int) -> list[Entry]:
        """The next `texts` entries: those of the caller whose turn it is, then the others'."""
        everything = chain.from_iterable(entries.values() for entries in self._callers.values())
        return list(islice(everything, texts))

    def pass_turn(self, caller: int) -> None:
        """`caller` was served and goes to the back, if it still waits for something."""
        if caller in self._callers:
            self._callers.move_to_end(caller)


class Waiting:
    """All texts waiting for one model, and which of them come next.

    Not thread-safe: the scheduler's lock guards it.
    """

    def __init__(self, batch_tokens: int, *, pads: bool) -> None:
        self.queues = {priority: TurnQueue() for priority in Priority}
        self._batch_tokens = batch_tokens
        self._pads = pads
        self._window_texts = max(_WINDOW_TEXTS, batch_tokens // _SHORT_TEXT_TOKENS)
        self._interactive_turns = 0

    def __len__(self) -> int:
        return sum(len(queue) for queue in self.queues.values())

    @property
    def few(self) -> bool:
        """Whether all that waits, if anything does, is much less than a batch."""
        return 0 < sum(queue.tokens for queue in self.queues.values()) < self._batch_tokens // 2

    @property
    def interactive(self) -> bool:
        """Whether a text of the first class waits."""
        return bool(self.queues[Priority.INTERACTIVE])

    def add(self, entry: Entry) -> None:
        """Into the queue of its class."""
        self.queues[entry.priority].add(entry)

    def discard(self, entry: Entry) -> None:
        """Take an entry out, if it is in."""
        self.queues[entry.priority].discard(entry)

    def take(self, *, only_interactive: bool = False) -> list[Entry]:
        """The next batch, of like lengths and one prompt; it no longer waits. Something must."""
        queue = self.queues[Priority.INTERACTIVE if only_interactive else self._next_class()]
        window = queue.window(self._window_texts)
        prompt = window[0].tokenized.prompt
        window = [entry for entry in window if entry.tokenized.prompt == prompt]
        chosen = choose_batch([entry.tokens for entry in window], self._batch_tokens, pads=self._pads)
        batch = [window[index] for index in chosen]
        for entry in batch:
            queue.discard(entry)
        queue.pass_turn(window[0].caller)
        return batch

    def _next_class(self) -> Priority:
        bulk = bool(self.queues[Priority.BULK])
        bulk_turn = bulk and self._interactive_turns >= _TURNS - 1
        if self.interactive and not bulk_turn:
            self._interactive_turns = self._interactive_turns + 1 if bulk else 0
            return Priority.INTERACTIVE
        self._interactive_turns = 0
        return Priority.BULK
