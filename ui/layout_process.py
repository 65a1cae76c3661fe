"""The process that computes UMAP layouts: `python -m ui.layout_process`, started by `ui.layout`.

Vectors come in on standard input, layouts leave on standard output, one after the other until
input ends. It imports neither gradio nor torch, and leaves when its parent has gone.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
import threading
import time
from typing import BinaryIO

import numpy as np

from embedder.analysis.projection import umap_2d

REQUEST = struct.Struct("<II")
"""Rows and columns; float32 `(n, d)` follows."""
ANSWER = struct.Struct("<BI")
"""`OK` or `FAILED`, and how many bytes follow: float32 `(n, 2)`, or an error's class name."""
OK, FAILED = 0, 1
NICENESS = 10


def answer(source: BinaryIO, sink: BinaryIO) -> bool:
    """Compute one layout; False where input has ended."""
    head = source.read(REQUEST.size)
    if len(head) < REQUEST.size:
        return False
    n, d = REQUEST.unpack(head)
    body = source.read(4 * n * d)
    if len(body) < 4 * n * d:
        return False
    try:
        points = umap_2d(np.frombuffer(body, dtype="<f4").reshape(n, d)).points
        status, payload = OK, points.astype("<f4").tobytes()
    except Exception as error:
        status, payload = FAILED, type(error).__name__.encode()
    sink.write(ANSWER.pack(status, len(payload)) + payload)
    sink.flush()
    return True


def leave_with_parent(parent: int) -> None:
    """End this process, at work or not, once it belongs to another parent."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(0)


def main() -> None:
    """Answer until input ends."""
    # Ctrl-C in a terminal reaches every process of it; the parent decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    threading.Thread(target=leave_with_parent, args=(os.getppid(),), daemon=True).start()
    sink = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints must not be read as an answer
    while answer(sys.stdin.buffer, sink):
        pass


if __name__ == "__main__":
    main()
