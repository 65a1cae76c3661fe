"""Which waiting texts make the next batch: arithmetic over lengths, nothing else."""

from __future__ import annotations

from collections.abc import Sequence


def choose_batch(lengths_tokens: Sequence[int], budget_tokens: int, *, pads: bool) -> list[int]:
    """Indices of the texts of the next batch, always with the first, the oldest one, among them.

    `lengths_tokens` are those of waiting texts in order of arrival. The first text's neighbours by
    length join while the batch costs at most `budget_tokens`: `texts x longest` where the runtime
    pads, else the sum. A text longer than the budget makes a batch of its own.
    """
    order = sorted(range(len(lengths_tokens)), key=lengths_tokens.__getitem__)
    lengths = [lengths_tokens[index] for index in order]
    low = high = order.index(0)
    first = total = lengths[low]
    while True:
        up = lengths[high + 1] if high + 1 < len(order) else None
        down = lengths[low - 1] if low > 0 else None
        texts = high - low + 2
        up_fits = up is not None and (texts * up if pads else total + up) <= budget_tokens
        down_fits = down is not None and (texts * lengths[high] if pads else total + down) <= budget_tokens
        if up is not None and up_fits and (down is None or not down_fits or up - first < first - down):
            high, total = high + 1, total + up
        elif down is not None and down_fits:
            low, total = low - 1, total + down
        else:
            return order[low : high + 1]
