"""Vectors on screen as files, laid out as `tessera embed` lays them out."""

from __future__ import annotations

import secrets
import shutil
import time
from pathlib import Path

from embedder.corpus.exports import check_npz_size, jsonl, write_npz
from ui.datasets import Dataset

KEPT_S = 3600.0
MAX_UNICODE_BYTES = 256 * 2**20


def write(dataset: Dataset, root: Path, name: str) -> Path:
    """`name` (.npz or .jsonl) in a folder of `root` that nobody can guess; old ones are removed.

    Raises:
        TooLarge: as NPZ it would take too much room.
    """
    root.mkdir(parents=True, exist_ok=True)
    for old in root.iterdir():
        if old.stat().st_mtime < time.time() - KEPT_S:
            shutil.rmtree(old, ignore_errors=True)
    path = root / secrets.token_hex(16) / name
    path.parent.mkdir()
    with path.open("wb") as sink:
        if path.suffix == ".npz":
            check_npz_size(dataset.texts, dataset.columns, MAX_UNICODE_BYTES)
            write_npz(sink, dataset.texts, dataset.columns, dataset.vectors, dataset.model)
        else:
            sink.write(jsonl(dataset.texts, dataset.columns, dataset.vectors))
    return path
