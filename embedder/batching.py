"""Which waiting texts make the next batch: arithmetic over lengths, nothing else."""

from __future__ import annotations

from collections.abc import Sequence


def choose_batch(lengths_tokens: Sequence[int], budget_tokens: int, *, pads: bool) -> list[int]:
    """Indices of the texts of the next batch, always with the first, the oldest one, among them.

    `lengths_tokens` are those of waiting texts in order of arrival. Where the runtime pads, the
    neighbours of the first text by length join while `texts x longest` stays within
    `budget_tokens`; else texts join in order of arrival while their sum does. A text longer
    than the budget makes a batch of its own.
    """
    return _padded(lengths_tokens, budget_tokens) if pads else _packed(lengths_tokens, budget_tokens)


def _packed(lengths_tokens: Sequence[int], budget_tokens: int) -> list[int]:
    chosen, total = [0], lengths_tokens[0]
    for index in range(1, len(lengths_tokens)):
        total += lengths_tokens[index]
        if total > budget_tokens:
            break
        chosen.append(index)
    return chosen


def _padded(lengths_tokens: Sequence[int], budget_tokens: int) -> list[int]:
    order = sorted(range(len(lengths_tokens)), key=lengths_tokens.__getitem__)
    lengths = [lengths_tokens[index] for index in order]
    low = high = order.index(0)
    first = lengths[low]
    while True:
        texts = high - low + 2
        down_fits = low > 0 and texts * lengths[high] <= budget_tokens
        up_fits = high + 1 < len(order) and texts * lengths[high + 1] <= budget_tokens
        if up_fits and (not down_fits or lengths[high + 1] - first < first - lengths[low - 1]):
            high += 1
        elif down_fits:
            low -= 1
        else:
            return order[low : high + 1]
