"""The process of neighbours and layouts: `python -m ui.layout_process`, started by `ui.layout`.

Vectors come in on standard input, answers leave on standard output, one after the other until
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
from typing import Any, BinaryIO, cast

import numpy as np

from embedder.analysis.maps import map_of
from embedder.analysis.neighbours import Neighbours, nearest_neighbours
from embedder.analysis.projection import LayoutOptions, Method, Projection
from embedder.analysis.similarity import Floats, OnProgress

REQUEST = struct.Struct("<IIII")
"""Bytes of what is asked as JSON, rows, columns, and neighbours a row, all of which follow in this order.

`{"neighbours": k, "threads": t}` asks for neighbours, `{"layout": options}` for a map; float32 `(n, d)`;
int32 and float32 `(n, k)` where neighbours are known.
"""
FRAME = struct.Struct("<BI")
"""`OK`, `FAILED` or `PROGRESS`, and how many bytes follow: an NPZ, an error's class name, a float32 share."""
OK, FAILED, PROGRESS = 0, 1, 2
SHARE = struct.Struct("<f")
TOLD_S = 0.1
NICENESS = 10


def answer(source: BinaryIO, sink: BinaryIO) -> bool:
    """Do one piece of work; False where input has ended."""
    head = source.read(REQUEST.size)
    if len(head) < REQUEST.size:
        return False
    length, n, d, k = REQUEST.unpack(head)
    told, body, near = source.read(length), source.read(4 * n * d), source.read(8 * n * k)
    if len(body) < 4 * n * d or len(near) < 8 * n * k:
        return False

    def send(kind: int, payload: bytes) -> None:
        sink.write(FRAME.pack(kind, len(payload)) + payload)
        sink.flush()

    last_s = 0.0

    def progress(share: float) -> None:
        nonlocal last_s
        if share == 1 or time.monotonic() - last_s > TOLD_S:
            last_s = time.monotonic()
            send(PROGRESS, SHARE.pack(share))

    try:
        vectors = np.frombuffer(body, dtype="<f4").reshape(n, d)
        payload = done(json.loads(told), vectors, read_neighbours(near, n, k), progress)
        kind = OK
    except Exception as error:
        kind, payload = FAILED, type(error).__name__.encode()
    send(kind, payload)
    return True


def done(asked: dict[str, Any], vectors: Floats, known: Neighbours | None, progress: OnProgress) -> bytes:
    """The work itself, as NPZ."""
    if "neighbours" in asked:
        found = nearest_neighbours(vectors, asked["neighbours"], threads=asked["threads"], progress=progress)
        return packed_neighbours(found)
    return packed(map_of(vectors, LayoutOptions(**asked["layout"]), progress, known))


def packed(made: Projection) -> bytes:
    """A layout with its clusters as NPZ."""
    return _npz(
        points=made.points.astype("<f4"),
        clusters=np.asarray(made.clusters, dtype="<i4"),
        method=np.array(made.method),
    )


def unpacked(payload: bytes) -> Projection:
    """What `packed` packed.

    Raises:
        ValueError, KeyError: it isn't that.
    """
    with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
        method = cast("Method", str(arrays["method"]))
        return Projection(arrays["points"], method, clusters=arrays["clusters"])


def packed_neighbours(made: Neighbours) -> bytes:
    """Neighbours as NPZ; int32 holds any row."""
    return _npz(indices=made.indices.astype("<i4"), distances=made.distances.astype("<f4"))


def unpacked_neighbours(payload: bytes) -> Neighbours:
    """What `packed_neighbours` packed.

    Raises:
        ValueError, KeyError: it isn't that.
    """
    with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
        return Neighbours(arrays["indices"].astype(np.int64), arrays["distances"])


def sent_neighbours(known: Neighbours | None) -> bytes:
    """Neighbours as they follow a request."""
    if known is None:
        return b""
    return known.indices.astype("<i4").tobytes() + known.distances.astype("<f4").tobytes()


def read_neighbours(sent: bytes, n: int, k: int) -> Neighbours | None:
    """What `sent_neighbours` made of `k` neighbours of each of `n` rows."""
    if not k:
        return None
    indices = np.frombuffer(sent, dtype="<i4", count=n * k).astype(np.int64).reshape(n, k)
    return Neighbours(indices, np.frombuffer(sent, dtype="<f4", offset=4 * n * k).reshape(n, k))


def _npz(**arrays: np.ndarray[Any, Any]) -> bytes:
    sink = io.BytesIO()
    np.savez(sink, allow_pickle=False, **arrays)
    return sink.getvalue()


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
