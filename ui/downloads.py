"""Vectors on screen as files, laid out as `tessera embed` lays them out."""

from __future__ import annotations

import secrets
import shutil
import time
from pathlib import Path

import numpy as np

from embedder.errors import TooLarge
from ui.session import Dataset

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
    (write_npz if path.suffix == ".npz" else write_jsonl)(dataset, path)
    return path


def write_npz(dataset: Dataset, path: Path) -> None:
    """`vectors` float32 (n, d), `texts`, `column:<name>`, `model`, `fingerprint`; read without pickle.

    Raises:
        TooLarge
    """
    cells = {"texts": dataset.texts} | {f"column:{name}": of for name, of in dataset.columns.items()}
    # NumPy gives every string the room of the longest, four bytes a character.
    needed_bytes = sum(4 * len(column) * max(map(len, column), default=0) for column in cells.values())
    if needed_bytes > MAX_UNICODE_BYTES:
        raise TooLarge("One of the texts is so long that NPZ would not be practical. Download JSONL instead.")
    arrays = {name: np.array(column, dtype=np.str_) for name, column in cells.items()}
    np.savez(
        path,
        allow_pickle=False,
        vectors=dataset.vectors,
        model=np.array(dataset.model.id),
        fingerprint=np.array(dataset.model.fingerprint),
        **arrays,
    )


def write_jsonl(dataset: Dataset, path: Path) -> None:
    """One object a line: `text`, `embedding`, and `columns` where there are others."""
    import orjson

    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
    with path.open("wb") as file:
        for index, text in enumerate(dataset.texts):
            line: dict[str, object] = {"text": text, "embedding": dataset.vectors[index]}
            if dataset.columns:
                line["columns"] = {name: column[index] for name, column in dataset.columns.items()}
            file.write(orjson.dumps(line, option=options))
