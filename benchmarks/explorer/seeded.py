"""`app.py` with texts on it from the start: `python -m benchmarks.explorer.seeded ARRAYS.npz --port P`.

For benchmarks of so many points that embedding them would take longer than what is measured. All
else is the product's: the texts are there as if somebody had brought them, their map not yet laid out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np

from benchmarks.corpus import lengths_tokens
from benchmarks.server import Server, started

DATASET_ID = "benchmark"


@contextmanager
def seeded(texts: list[str], vectors: np.ndarray) -> Iterator[Server]:
    """A server of ours that has these texts and vectors, its page built, until the block ends."""
    with TemporaryDirectory() as folder:
        arrays = Path(folder) / "arrays.npz"
        np.savez(arrays, texts=np.array(texts), vectors=vectors)
        command = [sys.executable, "-m", "benchmarks.explorer.seeded", str(arrays)]
        with started(command, {"TESSERA_CACHE_BYTES": "0"}) as server:
            server.wait_for("/ready")
            server.wait_for("/", every_s=0.1)
            yield server


def main() -> int:
    """Serve."""
    import ui.mount
    from embedder.analysis.projection import pca_2d
    from embedder.cli import main as command_line
    from embedder.types import ModelInfo
    from ui.datasets import Dataset
    from ui.theme import ASSETS
    from ui.view import Desk

    with np.load(sys.argv[1]) as arrays:
        texts, vectors = arrays["texts"].tolist(), arrays["vectors"]
    with np.load(ASSETS / "samples" / "python-library.npz") as sample:
        model = ModelInfo(**json.loads(sample["told"].tobytes())["model"])
    dataset = Dataset(
        name="Points of a benchmark",
        texts=texts,
        columns={"twentieth": [str(row % 20) for row in range(len(texts))]},
        vectors=vectors,
        prompt_tokens=lengths_tokens(texts),
        truncated=frozenset(),
        model=model,
        flat=pca_2d(vectors),
        id=DATASET_ID,
    )

    class SeededDesk(Desk):
        """A desk with the dataset on it."""

        def __post_init__(self) -> None:
            super().__post_init__()
            self.datasets.put(dataset)

    with patch.object(ui.mount, "Desk", SeededDesk):
        return command_line(["serve", *sys.argv[2:]])


if __name__ == "__main__":
    sys.exit(main())
