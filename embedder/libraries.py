"""How the libraries underneath behave in this process: threads, and what they tell others."""

from __future__ import annotations

import ctypes
import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM, _MAP = -1, -3
"""M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of glibc's malloc.h."""


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


def _heap_may_be_set() -> bool:
    """Whether the C library is glibc, and its owner has not set its heap (`MALLOC_…`)."""
    owners_word = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    return not owners_word and platform.libc_ver()[0] == "glibc"


@contextmanager
def large_buffers_apart() -> Iterator[None]:
    """Inside, what this process allocates past 256 kB goes back to the system as soon as it is freed.

    For work whose many short-lived buffers come from several threads: glibc, which takes from such a pool of
    each thread what it has freed before, would hold more than a hundred MB of holes between small objects
    from then on. Mapping each buffer costs time, so it is not for models; other C libraries, and a heap that
    its owner has set (`MALLOC_…`), are as they are.
    """
    if not _heap_may_be_set():
        yield
        return
    _BUFFERS.come(1)
    try:
        yield
    finally:
        _BUFFERS.come(-1)


def give_back_holes() -> None:
    """Have glibc give back the pages of its heaps in which nothing lies, which takes it some milliseconds."""
    if _heap_may_be_set():
        ctypes.CDLL(None).malloc_trim(0)


class _Buffers:
    """How many are inside `large_buffers_apart`; the first and the last set what glibc does."""

    _APART_BYTES = 2**18
    _LARGEST_BYTES = 32 * 2**20
    """To which glibc's own threshold grows as large buffers are freed, and twice of it is kept at the top."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0

    def come(self, more: int) -> None:
        """So many more, or fewer, are inside."""
        with self._lock:
            before, self._inside = self._inside, self._inside + more
            if bool(before) != bool(self._inside):
                mapped_bytes = self._APART_BYTES if self._inside else self._LARGEST_BYTES
                mallopt = ctypes.CDLL(None).mallopt
                mallopt(_MAP, mapped_bytes)
                mallopt(_TRIM, 2 * mapped_bytes)


_BUFFERS = _Buffers()
