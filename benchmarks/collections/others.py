"""The embedded store beside Chroma and Milvus Lite: the same rows, the same questions, a process each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.collections.material import asked, batches
from benchmarks.machine import ROOT
from benchmarks.results import Headline, Result
from benchmarks.server import peer_environment

ROWS = 50_000
_OTHERS = ("Chroma", "Milvus Lite")
_MEASURES = {
    "ingest_s": ("taken in", "{:.1f} s", 1),
    "query_ms": ("search, p50", "{:.1f} ms", 1),
    "memory_bytes": ("memory", "{:,.0f} MB", 2**20),
    "disk_bytes": ("disk", "{:,.0f} MB", 2**20),
}
"""By name in the figures: what it is, how it is shown, and what it is divided by first."""


def compare_stores(result: Result, rows: int = ROWS) -> None:
    """Add what each took and found, and whether ours is ahead in all."""
    with tempfile.TemporaryDirectory(prefix="stores-") as folder:
        vectors, questions = _write_material(Path(folder), rows)
        figures = {name: _measured(name, Path(folder)) for name in ("ours", *_OTHERS)}
    for made in figures.values():
        made["recall"] = _recall(vectors, questions, made.pop("found"))
    result.figures["stores"] = figures
    for name, made in figures.items():
        shown = [f"{label} {_shown(made, key)}" for key, (label, _, _) in _MEASURES.items()]
        shown.append(
            f"{made['query_cpu_ms']:.1f} ms of CPU a search, {made['ingest_cpu_s']:.1f} s to take in"
        )
        result.notes.append(f"{rows:,} rows in {name}: {', '.join(shown)}, recall@10 {made['recall']:.3f}")
    mine = figures["ours"]
    for other in _OTHERS:
        theirs = figures[other]
        result.hold(f"{other}: recall no better than ours", theirs["recall"] <= mine["recall"])
        for key, (label, _, _) in _MEASURES.items():
            ratio = mine[key] / theirs[key]
            work = f"{rows:,} rows, {label}, against {other}"
            shown = _shown(mine, key), _shown(theirs, key), f"{ratio:.2f}"
            result.compare(Headline(work, *shown, "below 1", ratio < 1))


def _shown(made: dict[str, Any], key: str) -> str:
    _, form, unit = _MEASURES[key]
    return form.format(made[key] / unit)


def _measured(name: str, material: Path) -> dict[str, Any]:
    """What the store of that name took and found, in a process of its own."""
    python = sys.executable
    if name == "Chroma":
        python = str(peer_environment("chroma", ".venv-chroma") / "bin" / "python")
    command = [python, str(Path(__file__).parent / "one_store.py"), name, str(material)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _write_material(folder: Path, rows: int) -> tuple[np.ndarray, np.ndarray]:
    parts = list(batches(rows, 10_000))
    vectors = np.concatenate([part.vectors for part in parts])
    _, questions = asked()
    (folder / "texts.json").write_text(json.dumps([text for part in parts for text in part.texts]), "utf-8")
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "questions.npy", questions)
    return vectors, questions


def _recall(vectors: np.ndarray, questions: np.ndarray, found: list[list[str]]) -> float:
    """The share of the true ten nearest found, by their scores: copies are as good as each other."""
    scores = questions @ vectors.T
    tenth = np.sort(scores, axis=1)[:, -10]
    rows = np.array(found, dtype=np.int64)
    return float((np.take_along_axis(scores, rows, axis=1) >= tenth[:, None] - 1e-5).mean())
