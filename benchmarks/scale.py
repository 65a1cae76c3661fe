"""What it takes to serve so many requests a second, to embed so many texts, to search so many vectors.

Nodes that serve are simulated (`benchmarks.queueing`), from the stored results of `benchmarks.peers`. Bulk is
a multiple of what one node did there; memory, disk, processors and indexes are multiples of what a million
vectors took in `benchmarks.collections`. Nothing is measured here. What it prints stands in docs/scale.md.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT
from benchmarks.queueing import CLIENTS, fitted, least_nodes

RESULTS = ROOT / "benchmarks" / "results"
BALANCERS = {
    "random": "a node at random",
    "two": "the shorter queue of two (nginx: `random two least_conn`)",
}
MILLION, DIMENSIONS = 1_000_000, 384


@dataclass(frozen=True, slots=True)
class Kept:
    """What a node that searches has."""

    cores: int
    memory_bytes: float
    disk_bytes: float


@dataclass(frozen=True, slots=True)
class Stored:
    """What a benchmark measured, on which machine, and which file says so."""

    path: Path
    figures: dict[str, Any]
    machine: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Stored:
        """The result in a file."""
        stored = json.loads(path.read_text())
        return cls(path, stored["figures"], stored["machine"])

    @property
    def source(self) -> str:
        """Where the figures are from."""
        of = self.machine
        return (
            f"Measured on one node, {of['cpu']}, {of['cores']} cores, {of['date'][:10]} "
            f"(`{self.path.relative_to(ROOT).as_posix()}`)."
        )


def stored_peers() -> Stored:
    """Vectors of texts: the last run of `benchmarks.peers`."""
    return Stored.read(RESULTS / "peers.json")


def stored_million() -> Stored:
    """Search: the last run of `benchmarks.collections` if it was of a million, else this repository's."""
    own = RESULTS / "collections.json"
    if own.exists() and f"{MILLION}" in (stored := Stored.read(own)).figures:
        return stored
    return Stored.read(RESULTS / "xeon" / "million" / "collections.json")


def lines_of_serving(stored: Stored, requests_s: float, p95_ms: float) -> list[str]:
    """Nodes for so many requests of one short text a second.

    Raises:
        ValueError: one text alone takes longer than `p95_ms`.
    """
    node, rows = fitted(stored.figures)
    off = max(abs(told / measured - 1) for _, measured, told in rows)
    memory_bytes = max(stored.figures[f"short, {n} x 1"]["ours"]["rss_mb"] for n in CLIENTS) * 1e6
    lines = [
        stored.source,
        f"A batch takes {1000 * node.fixed_s:.1f} ms, and {1000 * node.text_s:.1f} ms for each short text. "
        f"For {CLIENTS[0]} to {CLIENTS[-1]} clients, which ask one after the other, that misses what was "
        f"measured by at most {off:.0%}.",
        f"| {requests_s:,.0f} requests/s, p95 within {p95_ms:.0f} ms, balancer | nodes | load "
        "| p50 / p95 / p99 | memory of all |",
        "| --- | --- | --- | --- | --- |",
    ]
    for balancer, name in BALANCERS.items():
        nodes, seen = least_nodes(node, requests_s, p95_ms / 1000, balancer)
        times = " / ".join(f"{1000 * seen[key]:.0f}" for key in ("p50_s", "p95_s", "p99_s"))
        load = requests_s / nodes / node.most_requests_s
        lines.append(f"| {name} | {nodes} | {load:.0%} | {times} ms | {size(nodes * memory_bytes)} |")
    return [
        *lines,
        f"What breaks first is waiting: however large its batches are, no node serves more than "
        f"{node.most_requests_s:.0f} short texts a second, and near that p95 grows without bound.",
    ]


def lines_of_bulk(stored: Stored, texts: float, tokens: float, nodes: int) -> list[str]:
    """Hours for so many texts, and what their vectors take."""
    tokens_s = stored.figures["126 tokens, 8 x 16"]["ours"]["texts_s"] * 126
    hours = texts * tokens / tokens_s / 3600
    return [
        stored.source,
        f"In bulk a node embeds {tokens_s:,.0f} tokens a second.",
        f"| {texts:,.0f} texts of {tokens:.0f} tokens | |",
        "| --- | --- |",
        f"| one node | {hours:,.0f} hours |",
        f"| {nodes} nodes | {hours / nodes:,.0f} hours |",
        f"| their vectors, {DIMENSIONS} numbers of float32 each | {size(4 * DIMENSIONS * texts)} |",
    ]


def lines_of_search(stored: Stored, vectors: float, questions_s: float, node: Kept) -> list[str]:
    """What so many vectors take, by multiplying what a million take, and what is short first."""
    of = stored.figures[f"{MILLION}"]
    times = vectors / MILLION
    question_s = of["semantic"]["cpu_ms"] / 1000
    parts = {
        f"processors for {questions_s:g} questions a second": (questions_s * question_s, node.cores, plain),
        "memory to open them and answer": (of["memory_bytes"], node.memory_bytes, size),
        "disk": (of["disk_bytes"], node.disk_bytes, size),
    }
    lines = [
        stored.source,
        f"| {DIMENSIONS} numbers each | {MILLION:,} vectors, measured | {vectors:,.0f}, multiplied "
        f"| nodes of {node.cores} cores, {size(node.memory_bytes)}, {size(node.disk_bytes)} of disk "
        "| one node is enough up to |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, (needed, there, shown) in parts.items():
        lines.append(
            f"| {name} | {shown(needed)} | {shown(times * needed)} | {math.ceil(times * needed / there)} "
            f"| {there / needed:,.0f} million |"
        )
    built, used = of["maintain_s"], of["maintain_cpu_s"]
    first = max(parts, key=lambda name: parts[name][0] / parts[name][1])
    most = parts[first][1] / parts[first][0]
    return [
        *lines,
        f"| a question, processor time | {span(question_s)} | {span(times * question_s)} | | |",
        f"| building the index on one node | {span(built)} | {span(times * built)} | | |",
        f"| building the index, processor time | {span(used)} | {span(times * used)} | | |",
        f"What breaks first: {first}, past {most:,.0f} million vectors a node.",
        f"Recall is {of['recall']:.3f} for questions that are not in the collection, and "
        f"{of['recall_measured']:.3f} on its own sample. What took in the million and indexed it had "
        f"{size(of['ingest_memory_bytes'])} of memory at most, the benchmark's own texts among it; that is "
        "not multiplied.",
    ]


def size(size_bytes: float) -> str:
    """Bytes for people."""
    return f"{plain(size_bytes / 1e12)} TB" if size_bytes >= 1e12 else f"{plain(size_bytes / 1e9)} GB"


def span(time_s: float) -> str:
    """Seconds for people."""
    for unit_s, unit in ((3600.0, "hours"), (1.0, "s")):
        if time_s >= 10 * unit_s:
            return f"{plain(time_s / unit_s)} {unit}"
    return f"{plain(1000 * time_s)} ms" if time_s < 1 else f"{plain(time_s)} s"


def plain(number: float) -> str:
    """Two digits, or all of those before the point."""
    return f"{number:.2g}" if number < 100 else f"{number:,.0f}"


def parser() -> argparse.ArgumentParser:
    """What the user has, and wants."""
    flags = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    flags.add_argument("--requests-s", type=float, default=10_000, help="of one short text each")
    flags.add_argument("--p95-ms", type=float, default=100, help="at most so long")
    flags.add_argument("--texts", type=float, default=100e6, help="to embed in bulk")
    flags.add_argument("--tokens", type=float, default=126, help="of each of these")
    flags.add_argument("--bulk-nodes", type=int, default=20, help="that embed them")
    flags.add_argument("--vectors", type=float, default=1e9, help="to search")
    flags.add_argument("--questions-s", type=float, default=10, help="that are asked of them")
    flags.add_argument("--node-memory-gb", type=float, default=16, help="of each node that searches")
    flags.add_argument("--node-disk-gb", type=float, default=1000, help="of each node that searches")
    return flags


def main() -> int:
    flags = parser()
    args = flags.parse_args()
    peers, million = stored_peers(), stored_million()
    node = Kept(million.machine["cores"], 1e9 * args.node_memory_gb, 1e9 * args.node_disk_gb)
    try:
        serving = lines_of_serving(peers, args.requests_s, args.p95_ms)
    except ValueError as error:
        flags.error(str(error))
    bulk = lines_of_bulk(peers, args.texts, args.tokens, args.bulk_nodes)
    search = lines_of_search(million, args.vectors, args.questions_s, node)
    print("\n\n".join("\n".join(lines) for lines in (serving, bulk, search)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
