"""What is measured. Times are of this process: `cpu` is processor time over all its threads."""

from __future__ import annotations

import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.collections.material import asked, batches
from benchmarks.machine import ROOT
from embedder.analysis.similarity import unit_rows
from embedder.collections.filters import parse_filter
from embedder.collections.lance.store import LanceStore
from embedder.collections.search import Hit, Question, best_hits, depth_of
from embedder.collections.store import Store, Table

_BATCH_ROWS = 10_000
_KILLS = 50

_OPEN = """
import json, sys, time
from pathlib import Path
started_s = time.perf_counter()
from embedder.lance_library import lancedb
lancedb()
imported_s = time.perf_counter()
import numpy as np
from embedder.collections.lance.store import LanceStore
store = LanceStore(Path(sys.argv[1]))
table = store.open("things")
question = np.random.default_rng(1).standard_normal(table.dimensions).astype(np.float32)
opened_s = time.perf_counter()
assert len(table.nearest(question, 10)) == 10
answered_s = time.perf_counter()
# Of this process only: getrusage also knows the largest its parent was.
status = Path("/proc/self/status").read_text()
print(json.dumps({
    "import_s": imported_s - started_s, "open_s": opened_s - imported_s, "answer_s": answered_s - opened_s,
    "memory_bytes": 1024 * int(status.partition("VmHWM:")[2].split()[0]),
}))
"""


def measure(rows: int) -> dict[str, Any]:
    """Take in `rows` rows, search them, open them in a new process."""
    with tempfile.TemporaryDirectory(prefix="collections-") as folder:
        store = LanceStore(Path(folder))
        figures = _filled(store, rows) | _searched(store.open("things"))
        store.close()
        opened = subprocess.run(
            [sys.executable, "-c", _OPEN, folder], cwd=ROOT, capture_output=True, text=True, check=True
        )
    return figures | json.loads(opened.stdout)


def measure_kills() -> dict[str, Any]:
    """Kill a writer fifty times in mid-write; what it had acknowledged must be there each time."""
    from tests.collections.stores import opened
    from tests.collections.test_kills import check_nothing_is_lost, writer

    chance = random.Random(1)
    acknowledged: list[int] = []
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        for _ in range(_KILLS):
            process = writer("lance", folder, acknowledged[-1] + 2 if acknowledged else 0)
            assert process.stdout is not None
            acknowledged += [int(process.stdout.readline()) for _ in range(chance.randint(1, 8))]
            time.sleep(chance.random() * 0.2)
            process.kill()
            acknowledged += [int(line) for line in process.stdout.read().splitlines() if line.strip()]
            process.wait()
            process.stdout.close()
            store = opened("lance", folder)
            check_nothing_is_lost(store.open("things"), acknowledged)
            store.close()
    return {"kills": _KILLS, "acknowledged_batches": len(acknowledged), "lost": 0}


def _filled(store: Store, rows: int) -> dict[str, Any]:
    table = store.create("things", 384, {})
    waiting = list(batches(min(rows, 100_000), _BATCH_ROWS))  # made before the clock starts
    started_s = time.perf_counter()
    for batch in waiting:
        table.upsert(batch)
    ingest_s = time.perf_counter() - started_s
    figures = {"rows": rows, "ingest_rows_s": sum(map(len, waiting)) / ingest_s}
    if rows > 100_000:
        for number, batch in enumerate(batches(rows, _BATCH_ROWS)):
            if number >= len(waiting):
                table.upsert(batch)
    cpu_s, started_s = time.process_time(), time.perf_counter()
    table.maintain()
    figures |= {"maintain_s": time.perf_counter() - started_s, "maintain_cpu_s": time.process_time() - cpu_s}
    stats = table.stats()
    return figures | {
        "index": stats.index,
        "recall_measured": stats.recall,
        "disk_bytes": stats.disk_bytes,
        "ingest_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _searched(table: Table) -> dict[str, Any]:
    texts, vectors = asked()
    questions = list(vectors)
    words = [" ".join(text.split()[:3]) for text in texts]
    part = parse_filter({"type": "eq", "key": "part", "value": 3})
    timed = _timed(
        {
            "semantic": [lambda q=q: _hits(table, Question(vector=q)) for q in questions],
            "filtered": [lambda q=q: _hits(table, Question(vector=q, wanted=part)) for q in questions],
            "keyword": [lambda w=w: _hits(table, Question(w, mode="keyword")) for w in words],
            "hybrid": [
                lambda q=q, w=w: _hits(table, Question(w, q, "hybrid"))
                for q, w in zip(questions, words, strict=True)
            ],
        }
    )
    return timed | {"recall": _recall(table, questions)}


def _hits(table: Table, question: Question) -> list[Hit]:
    """What `embedder.collections.search` does in a collection's table, its rankings one after the other."""
    depth, wanted = depth_of(question), question.wanted
    meant = table.ranked(question.vector, depth, wanted) if question.vector is not None else []
    worded = table.ranked(question.query, depth, wanted) if question.query else []
    return best_hits(table, question, meant, worded)[0]


def _timed(calls: dict[str, list[Callable[[], object]]]) -> dict[str, dict[str, float]]:
    """Medians in milliseconds of each kind of call, made in turn, after five of each to warm up."""
    for made in calls.values():
        for call in made[:5]:
            call()
    walls_ms: dict[str, list[float]] = {name: [] for name in calls}
    cpus_ms: dict[str, list[float]] = {name: [] for name in calls}
    for some in zip(*calls.values(), strict=True):
        for name, call in zip(calls, some, strict=True):
            started_s, cpu_s = time.perf_counter(), time.process_time()
            call()
            walls_ms[name].append((time.perf_counter() - started_s) * 1000)
            cpus_ms[name].append((time.process_time() - cpu_s) * 1000)
    return {
        name: {"wall_ms": statistics.median(walls_ms[name]), "cpu_ms": statistics.median(cpus_ms[name])}
        for name in calls
    }


def _recall(table: Table, questions: list[np.ndarray]) -> float:
    """The share of the true ten nearest found, by their scores: copies are as good as each other."""
    unit = unit_rows(np.stack(questions))
    best = np.full((len(unit), 10), -1.0, dtype=np.float32)
    for rows in table.scan(16_384):
        scores = unit @ unit_rows(rows.vectors).T
        best = np.sort(np.concatenate([best, scores], axis=1), axis=1)[:, -10:]
    found = [[hit.score for hit in table.nearest(question, 10)] for question in questions]
    right = sum(score >= best[row, 0] - 1e-5 for row, scores in enumerate(found) for score in scores)
    return right / (10 * len(questions))
