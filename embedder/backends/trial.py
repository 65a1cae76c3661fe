"""Which of several ways is the fastest here: tried in turn, so that other work meets all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

CLEARLY = 0.95
"""Share of the usual way's time below which another is taken: a tie is noise."""


@contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread and without gradients, as a worker computes, until the block ends."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(threads)


def best_s(ways: Sequence[Callable[[], object]], rounds: int, pause_s: float = 0.0) -> list[float]:
    """Seconds of the best round of each way, each begun after a pause."""
    best = [float("inf")] * len(ways)
    for _ in range(rounds):
        for number, work in enumerate(ways):
            time.sleep(pause_s)
            started_s = time.perf_counter()
            work()
            best[number] = min(best[number], time.perf_counter() - started_s)
    return best
