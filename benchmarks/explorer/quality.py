"""How much of the neighbourhoods a layout keeps, ours beside umap-learn's defaults on the same vectors.

`python -m benchmarks.explorer.quality WHO VECTORS.npy POINTS.npy` makes one layout, in a process of
its own, as the page does.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.explorer import material
from benchmarks.machine import ROOT

SIZES = (5000, 20_000)
K = 15
WHO = ("ours", "umap-learn")
SEED = 42
_BLOCK_ROWS = 256


def measure_quality(sizes: tuple[int, ...] = SIZES) -> dict[str, Any]:
    """Trustworthiness of both layouts, and the seconds they took with compilation."""
    texts = material.varied_texts(max(sizes))
    vectors = material.embedded(texts)
    figures: dict[str, Any] = {}
    for size in sizes:
        made = {who: laid_out(who, vectors[:size]) for who in WHO}
        kept = trustworthiness(vectors[:size], [points for points, _ in made.values()])
        figures[str(size)] = {
            who: {"trustworthiness": value, "seconds": seconds}
            for (who, (_, seconds)), value in zip(made.items(), kept, strict=True)
        }
        print("quality", size, figures[str(size)], flush=True)
    return {"k": K, "sizes": figures}


def laid_out(who: str, vectors: np.ndarray) -> tuple[np.ndarray, float]:
    """Points `(n, 2)` by one of `WHO`, and seconds of the process."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "vectors.npy", Path(folder) / "points.npy"
        np.save(source, vectors)
        command = [sys.executable, "-m", "benchmarks.explorer.quality", who, str(source), str(target)]
        started_s = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True)
        return np.load(target), time.perf_counter() - started_s


def trustworthiness(vectors: np.ndarray, layouts: list[np.ndarray], k: int = K) -> list[float]:
    """Trustworthiness at `k` (Venna and Kaski 2001) of each layout `(n, 2)` of `vectors` `(n, d)`, by cosine.

    As `sklearn.manifold.trustworthiness` has it, for every row, but in blocks, where scikit-learn
    holds several matrices of n times n.
    """
    from sklearn.neighbors import NearestNeighbors

    n = len(vectors)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    near = [
        NearestNeighbors(n_neighbors=k).fit(points).kneighbors(return_distance=False) for points in layouts
    ]
    penalties = np.zeros(len(layouts))
    for start in range(0, n, _BLOCK_ROWS):
        rows = np.arange(start, min(start + _BLOCK_ROWS, n))
        scores = units[rows] @ units.T
        scores[np.arange(len(rows)), rows] = -np.inf  # nobody is their own neighbour
        for number, neighbours in enumerate(near):
            chosen = np.take_along_axis(scores, neighbours[rows], axis=1)
            for place in range(k):
                ranks = 1 + (scores > chosen[:, place : place + 1]).sum(axis=1)
                penalties[number] += np.maximum(ranks - k, 0).sum()
    return [float(1 - penalty * 2 / (n * k * (2 * n - 3 * k - 1))) for penalty in penalties]


def main() -> int:
    """Make one layout."""
    who, source, target = sys.argv[1:]
    vectors = np.load(source)
    if who == "ours":
        from embedder.analysis.projection import umap_layout

        points = umap_layout(vectors).points
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there is no Tensorflow, and that a seed means one thread
            from umap import UMAP

            points = UMAP(random_state=SEED).fit_transform(vectors)
    np.save(target, points)
    return 0


if __name__ == "__main__":
    sys.exit(main())
