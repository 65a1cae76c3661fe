"""The process that computes UMAP layouts: `python -m ui.layout_process`, started by `ui.layout`.

Vectors come in on standard input, layouts leave on standard output, one after the other until
input ends. It imports neither gradio nor torch, and leaves when its parent has gone.
"""

from __future__ import annotations

import io
import json
import os
import signal
import struct
import sys
import threading
import time
from typing import BinaryIO, cast

import numpy as np

from embedder.analysis.maps import map_of
from embedder.analysis.neighbours import Neighbours
from embedder.analysis.projection import LayoutOptions, Method, Projection

REQUEST = struct.Struct("<III")
"""Bytes of the options as JSON, rows and columns; the options and float32 `(n, d)` follow."""
FRAME = struct.Struct("<BI")
"""`OK`, `FAILED` or `PROGRESS`, and how many bytes follow: an NPZ, an error's class name, a float32 share."""
OK, FAILED, PROGRESS = 0, 1, 2
SHARE = struct.Struct("<f")
NICENESS = 10


def answer(source: BinaryIO, sink: BinaryIO) -> bool:
    """Compute one layout; False where input has ended."""
    head = source.read(REQUEST.size)
    if len(head) < REQUEST.size:
        return False
    length, n, d = REQUEST.unpack(head)
    asked, body = source.read(length), source.read(4 * n * d)
    if len(body) < 4 * n * d:
        return False

    def send(kind: int, payload: bytes) -> None:
        sink.write(FRAME.pack(kind, len(payload)) + payload)
        sink.flush()

    try:
        options = LayoutOptions(**json.loads(asked))
        vectors = np.frombuffer(body, dtype="<f4").reshape(n, d)
        made = map_of(vectors, options, lambda share: send(PROGRESS, SHARE.pack(share)))
        kind, payload = OK, packed(made)
    except Exception as error:
        kind, payload = FAILED, type(error).__name__.encode()
    send(kind, payload)
    return True


def packed(made: Projection) -> bytes:
    """A layout with its clusters and neighbours as NPZ; int32 holds any row."""
    arrays = {"points": made.points.astype("<f4"), "clusters": np.asarray(made.clusters, dtype="<i4")}
    if made.neighbours is not None:
        arrays["indices"] = made.neighbours.indices.astype("<i4")
        arrays["distances"] = made.neighbours.distances.astype("<f4")
    sink = io.BytesIO()
    np.savez(sink, allow_pickle=False, method=np.array(made.method), **arrays)
    return sink.getvalue()


def unpacked(payload: bytes) -> Projection:
    """What `packed` packed.

    Raises:
        ValueError, KeyError: it isn't that.
    """
    with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
        neighbours = None
        if "indices" in arrays:
            neighbours = Neighbours(arrays["indices"].astype(np.int64), arrays["distances"])
        return Projection(
            arrays["points"],
            cast("Method", str(arrays["method"])),
            neighbours=neighbours,
            clusters=arrays["clusters"],
        )


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
