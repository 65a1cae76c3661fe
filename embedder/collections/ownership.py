"""Which process works on a file of a collection, and whether it still does.

The collection itself says so, so any process may ask and any may go on with what another left. A
process that works tells every `BEAT_S` that it lives; one that says the same for `LEASE_S`, by the
clock of who looks, is taken for dead, or at once where it ran on this machine and is there no more.
Clocks of two machines are compared only past `CLOCKS_APART_S`. If it was frozen only, a file is done
twice, which leaves the same chunks under the same ids.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import secrets
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from embedder.collections.rows import Columns

State = Literal["in_progress", "completed", "failed", "cancelled"]

BEAT_S, LEASE_S = 10.0, 60.0
CLOCKS_APART_S = 600.0
"""Nobody who lives was last heard of so long ago, however wrong its clock is."""
_MOST_HEARD = 10_000
_heard: dict[tuple[str, str], tuple[float, float]] = {}
"""What a worker on a file said last, and since when this process knows it, in monotonic seconds."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file in a collection; `tokens` and `overlap` of its chunks are as `Chunking` has them.

    `error` is why it failed, and `at_fault` whether another try may do better.
    `owner` is the process that works on it, "" for none, and `alive` when it last said so, in Unix seconds.
    """

    file_id: str
    filename: str
    state: State
    created: int
    attributes: Columns
    tokens: int
    overlap: int
    chunks: int = 0
    usage_bytes: int = 0
    error: str = ""
    at_fault: Literal["file", "server"] = "file"
    owner: str = ""
    alive: float = 0.0

    @property
    def worked_on(self) -> bool:
        """Whether a process has it, which may have been told to stop but has not yet."""
        return bool(self.owner) and not _is_gone(self.owner) and not self._silent

    @property
    def _silent(self) -> bool:
        if time.time() - self.alive > CLOCKS_APART_S:
            return True
        worker, now_s = (self.file_id, self.owner), time.monotonic()
        said, since_s = _heard.get(worker, (None, now_s))
        if said != self.alive:
            if len(_heard) >= _MOST_HEARD:
                _heard.clear()
            _heard[worker] = self.alive, now_s
            return False
        return now_s - since_s > LEASE_S

    @property
    def abandoned(self) -> bool:
        """Whether it waits for somebody to go on with it."""
        return self.state == "in_progress" and not self.worked_on


def new_owner() -> str:
    """A name for one who works in this process."""
    return f"{_here()}/{os.getpid()}/{secrets.token_hex(4)}"


@functools.cache
def _here() -> str:
    """This machine, and which numbers of processes are meant: containers may share a name, and not those."""
    numbers = hashlib.blake2b(digest_size=4)
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with contextlib.suppress(OSError):
            told = os.readlink(path) if os.path.islink(path) else Path(path).read_text()
            numbers.update(told.encode())
    return f"{socket.gethostname()}-{numbers.hexdigest()}"


def _is_gone(owner: str) -> bool:
    """Whether `owner` was a process of this machine that has ended."""
    host, _, rest = owner.partition("/")
    pid = rest.partition("/")[0]
    if os.name != "posix" or host != _here() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
