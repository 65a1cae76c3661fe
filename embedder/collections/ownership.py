"""Which process works on a file of a collection, and whether it still does.

The collection itself says so, so any process may ask and any may go on with what another left. A
process that works tells every `BEAT_S` that it lives; one that was silent for `LEASE_S` is taken
for dead, or at once where it ran on this machine and is there no more. If it was frozen only, a
file is done twice, which leaves the same chunks under the same ids.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from dataclasses import dataclass
from typing import Literal

from embedder.collections.rows import Columns

State = Literal["in_progress", "completed", "failed", "cancelled"]

BEAT_S, LEASE_S = 10.0, 60.0


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
        return bool(self.owner) and time.time() - self.alive < LEASE_S and not _is_gone(self.owner)

    @property
    def abandoned(self) -> bool:
        """Whether it waits for somebody to go on with it."""
        return self.state == "in_progress" and not self.worked_on


def new_owner() -> str:
    """A name for one who works in this process."""
    return f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"


def _is_gone(owner: str) -> bool:
    """Whether `owner` was a process of this machine that has ended."""
    host, _, rest = owner.partition("/")
    pid = rest.partition("/")[0]
    if os.name != "posix" or host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
