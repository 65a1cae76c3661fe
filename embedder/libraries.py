"""How the libraries underneath behave in this process: threads, and what they tell others."""

from __future__ import annotations

import os


def settle_environment() -> None:
    """Set how torch, the tokenizers and ONNX Runtime behave in this process; cheap to repeat."""
    # Spinning OpenMP threads fall to a fifth of their speed where the cores are shared. The
    # tokenizers' own thread pool would compete with the batches. Both may be set by the owner.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # ONNX Runtime's builds report to their maker and keep an id of the machine in the home folder;
    # its Privacy.md names this as what stops all of it. `disable_telemetry_events` comes too late.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def multiply_alone() -> None:
    """Have numpy's products take one thread each from now on, in a process that serves.

    Unlike OpenMP's, threads of OpenBLAS only ever wait by yielding. Where the workers have the cores, every
    product of two waits for a turn of the scheduler's: PCA of 3,000 vectors took 800 ms in place of 50.
    """
    if "OPENBLAS_NUM_THREADS" in os.environ:  # the owner's word
        return
    from threadpoolctl import threadpool_limits

    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # for scipy's own copy, which is loaded later
    threadpool_limits(1, user_api="blas")
