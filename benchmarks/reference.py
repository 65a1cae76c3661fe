"""sentence-transformers as its users run it, in a process of its own, told over a pipe when to work.

`python -m benchmarks.reference` reads a JSON command a line and answers with a JSON line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import ROOT, rss_bytes


@dataclass(frozen=True, slots=True)
class Took:
    """Time by the clock and of the processor, and the process's memory after."""

    seconds: float
    cpu_s: float
    rss_bytes: int


class Reference:
    """The other process, seen from here; it does nothing between commands."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder

    def encode(self, texts: list[str]) -> tuple[Took, np.ndarray]:
        """What `SentenceTransformer.encode(texts)` took, and what it gave."""
        answer = self._ask({"texts": texts, "save": str(self._folder / "vectors.npy")})
        return Took(**answer), np.load(self._folder / "vectors.npy")

    def took(self, texts: list[str]) -> Took:
        """What `SentenceTransformer.encode(texts)` took."""
        return self.encode(texts)[0]

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(command), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("The reference process ended.")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def reference() -> Iterator[Reference]:
    """The process, loaded and warm, until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.reference"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            started = Reference(process, Path(folder))
            started.encode(["warm"])
            yield started
        finally:
            process.kill()
            process.communicate()


def _answer(command: dict[str, Any], model: Any) -> dict[str, Any]:
    started_s, cpu_s = time.perf_counter(), time.process_time()
    vectors = model.encode(command["texts"], show_progress_bar=False)
    took = {"seconds": time.perf_counter() - started_s, "cpu_s": time.process_time() - cpu_s}
    np.save(command["save"], vectors)
    return took | {"rss_bytes": rss_bytes(os.getpid())}


def main() -> int:
    from sentence_transformers import SentenceTransformer

    from embedder.backends.sources import locate_model
    from embedder.config import DEFAULT_MODEL

    model = SentenceTransformer(str(locate_model(DEFAULT_MODEL)), device="cpu")
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line), model)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
