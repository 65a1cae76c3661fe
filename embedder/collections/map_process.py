"""The process that makes a collection's map: `python -m embedder.collections.map_process FOLDER`.

In the folder are `vectors.f32` and `wish.json`, and for a map that is brought up to date what was known.
Stages and shares leave on standard output, a line each, and at the end what came of it, as JSON. A
process of its own can be killed in the middle of any of it, and takes its memory with it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedder.analysis.cells import Cells, cells_of, nearest_by_cells
from embedder.analysis.clusters import clusters_of
from embedder.analysis.joining import carried, carried_places, joined
from embedder.analysis.neighbours import KEPT_NEIGHBOURS, Neighbours, nearest_neighbours
from embedder.analysis.placing import EPOCHS, SAMPLE, Effort, Told, large_layout, settled
from embedder.analysis.projection import LayoutOptions
from embedder.analysis.similarity import Floats
from embedder.analysis.trust import trust_of
from embedder.collections.kept_map import write_arrays
from embedder.collections.map_rows import EXACT_ROWS, KNOWN, RESULT, VECTORS, WISH, Wish

FEWER_NEIGHBOURS = 31
"""So many are kept beyond, each itself the first: what UMAP takes twice over."""
_FEW, _FEW_OF_MANY = 2, 64
"""Lists are brought up to date while at most a half of them is to be found anew, of very many a 64th."""
TOLD_S = 0.1
NICENESS = 10
"""Behind the server that has it made, where both want a core."""
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A map's arrays, and how it came to be."""

    points: Floats
    neighbours: Neighbours
    laid_out: int


def make(folder: Path, wish: Wish, told: Told) -> dict[str, Any]:
    """Write the arrays of a map into `folder`; returns what is to be said of it."""
    unit = np.memmap(folder / VECTORS, dtype="<f4", mode="r", shape=(wish.n, wish.d))
    options = LayoutOptions(**wish.options)
    made = _updated(folder, unit, options, wish, told) if wish.known else _anew(unit, options, wish, told)
    told("Measuring", 0.0)
    trust = trust_of(unit, made.points, made.neighbours)
    exact = wish.n <= EXACT_ROWS
    told("Clusters", 0.0)
    write_arrays(folder, made.points, clusters_of(made.points), made.neighbours)
    return {
        "laid_out": made.laid_out,
        "trustworthiness": trust.trustworthiness,
        "looked_at": trust.looked_at,
        "recall": 1.0 if exact else trust.recall,
        "exact": exact,
    }


def _anew(unit: Floats, options: LayoutOptions, wish: Wish, told: Told) -> Made:
    told("Cells", 0.0)
    cells = cells_of(unit, threads=wish.threads) if wish.n > EXACT_ROWS else None
    found = kept_neighbours(unit, wish.threads, told, cells)
    effort = Effort(wish.sample or SAMPLE, wish.epochs or EPOCHS, wish.threads)
    made = large_layout(unit, options, found, cells=cells, effort=effort, told=told)
    return Made(made.points, found, len(made.laid_out))


def kept_neighbours(unit: Floats, threads: int, told: Told, cells: Cells | None = None) -> Neighbours:
    """The neighbours that are kept of unit rows `(n, d)`: exact ones, or of very many near ones."""

    def progress(share: float) -> None:
        told("Neighbours", share)

    if len(unit) <= EXACT_ROWS:
        return nearest_neighbours(unit, KEPT_NEIGHBOURS, threads=threads, progress=progress)
    return nearest_by_cells(unit, FEWER_NEIGHBOURS, cells=cells, threads=threads, progress=progress)


def _updated(folder: Path, unit: Floats, options: LayoutOptions, wish: Wish, told: Told) -> Made:
    """What is known carried over, new rows put beside it, and all settled a little."""
    with np.load(folder / KNOWN, allow_pickle=False) as arrays:
        number, laid_out = arrays["number"], int(arrays["laid_out"])
        known = Neighbours(arrays["indices"].astype(np.int64), arrays["distances"])
        points = arrays["points"]
    found = _joined(unit, known, number, wish.threads, told)
    places, had = carried_places(unit, found, points, number)
    settle = settled(
        places, found, options, epochs=wish.epochs or EPOCHS, progress=lambda share: told("Settling", share)
    )
    return Made(settle, found, min(laid_out, int(had.sum())))


def _joined(unit: Floats, known: Neighbours, number: Rows, threads: int, told: Told) -> Neighbours:
    """Lists of all rows, from those that are `known` where that is less work than finding all anew."""
    n = len(unit)
    kept = min(n, KEPT_NEIGHBOURS if n <= EXACT_ROWS else FEWER_NEIGHBOURS)
    if known.k >= kept:
        lists, anew = carried(known.nearest(kept), number, n)
        if len(anew) <= n // (_FEW if n <= EXACT_ROWS else _FEW_OF_MANY):
            return joined(unit, lists, anew, progress=lambda share: told("Neighbours", share))
    return kept_neighbours(unit, threads, told)


def main() -> None:
    """Make one map."""
    folder = Path(sys.argv[1])
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    sink = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no line of ours
    threading.Thread(target=leave_with_parent, args=(os.getppid(),), daemon=True).start()
    last_s, stage = 0.0, ""

    def told(now: str, share: float) -> None:
        nonlocal last_s, stage
        if now != stage or share >= 1 or time.monotonic() - last_s > TOLD_S:
            last_s, stage = time.monotonic(), now
            print(json.dumps([now, round(share, 4)]), file=sink, flush=True)

    wish = Wish(**json.loads((folder / WISH).read_text("utf-8")))
    result = make(folder, wish, told)
    print(json.dumps({RESULT: result}), file=sink, flush=True)


def leave_with_parent(parent: int) -> None:
    """End this process, at work or not, once it belongs to another parent."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(0)


if __name__ == "__main__":
    main()
