"""From how many tokens on another way of computing is faster here, found by trials of milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from embedder.backends.encoder import Group
from embedder.backends.trial import CLEARLY, best_s, one_thread

if TYPE_CHECKING:
    from torch import Tensor

Encode = Callable[["Tensor", "Tensor", Sequence[Group]], "Tensor"]

GRAPH_TOKENS = (16, 32, 64, 128, 256)
SHARED_TOKENS = (16, 32, 48, 64, 96, 128, 192, 256)
_TEXT_TOKENS, _TRIALS = 16, 5
_PAUSE_S = 0.002
"""Before a trial of several cores, as between requests: the other cores' threads sleep by then."""


def graph_up_to(packed: Encode, graph: Encode) -> int:
    """Up to how many tokens `graph` is the faster of both, each on one thread; 0 where it never is.

    A trial of about a second, for batches of short texts.
    """
    found = 0
    with one_thread():
        for tokens in GRAPH_TOKENS:
            short = [_TEXT_TOKENS] * (tokens // _TEXT_TOKENS)
            # Twice where need be: other work beside a trial must not be kept as a machine's nature.
            if not any(_is_faster(graph, packed, short) for _ in range(2)):
                break
            found = tokens
    return found


def shared_from(alone: Callable[[int], Encode], shared: Encode, most_tokens: int) -> int | None:
    """From how many tokens on one text is computed faster by `shared`, on all cores, than on one.

    `alone` gives the way that a text of so many tokens takes on one core; a text has `most_tokens` at most.
    None where no trial is won: that may be the other work beside it, and is not to be kept.
    """
    import torch

    with torch.inference_mode():
        for tokens in SHARED_TOKENS:
            if tokens > most_tokens:
                break
            # Both times: all cores are taken from others, so a tie is no reason to.
            if all(_is_faster(shared, alone(tokens), [tokens], _PAUSE_S) for _ in range(2)):
                return tokens
    return None


def _is_faster(one: Encode, other: Encode, lengths: Sequence[int], pause_s: float = 0.0) -> bool:
    """Whether `one` takes clearly less time than `other` for a batch of texts of these lengths."""
    import torch

    places = torch.cat([torch.arange(length) for length in lengths])
    groups = [(len(lengths), lengths[0])]

    def timed(encode: Encode) -> Callable[[], object]:
        return lambda: encode(places, places, groups)

    one_s, other_s = best_s([timed(one), timed(other)], _TRIALS, pause_s)
    return one_s <= CLEARLY * other_s
