"""How many cores torch takes for an operator; each thread that computes says so for itself."""

from __future__ import annotations

import threading

_USED = threading.local()


def use_threads(threads: int) -> None:
    """Have this thread's operators take so many cores; cheap to repeat."""
    import torch

    if getattr(_USED, "number", None) != threads:
        # A thread's first operator would take over the number that was set last in the process;
        # to ask for it has the same effect, but before ours is set.
        torch.get_num_threads()
        torch.set_num_threads(threads)
        _USED.number = threads
