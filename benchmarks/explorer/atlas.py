"""Embedding Atlas beside us: the same file, the same model folder, started by its own command."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from benchmarks.machine import cpu_seconds
from benchmarks.server import model_id, peer_environment, started
from embedder.backends.sources import locate_model

VERSION = "0.26.0"
FOLDER = ".venv-atlas"
LIMIT_S = 1200.0


def prepare() -> None:
    """See that it is installed, before any clock runs."""
    peer_environment("atlas", FOLDER)


def served_after(file: Path) -> dict[str, float]:
    """Seconds from its process's start until it serves its page, and the CPU-seconds of that.

    It computes all before it serves anything, and then draws a map only where there is WebGPU.
    Results of earlier runs are kept from it: its cache is a new folder each time.
    """
    program = peer_environment("atlas", FOLDER) / "bin" / "embedding-atlas"
    command = [str(program), str(file), "--text", "text", "--model", str(locate_model(model_id()))]
    with tempfile.TemporaryDirectory() as cache:
        variables = {"XDG_CACHE_HOME": cache, "NUMBA_CACHE_DIR": _numba_folder()}
        with started([*command, "--host", "127.0.0.1", "--no-auto-port"], variables) as server:
            seconds = server.wait_for("/", every_s=0.05, timeout_s=LIMIT_S)
            return {"served_s": seconds, "cpu_s": cpu_seconds(server.process.pid)}


def _numba_folder() -> str:
    """One that lasts, as a second start of a user's would have it."""
    return os.environ.get("NUMBA_CACHE_DIR", str(Path(__file__).parents[2] / FOLDER / "numba"))
