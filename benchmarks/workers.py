"""`serve --workers 2` against one process: 32 clients that send one short text each, and the memory of both.

Both run at once, one of them asked at a time, in turn, so that what else happens on the machine
meets both. Vector caches are off. Memory is proportional: what processes share counts once.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from benchmarks.corpus import short_texts
from benchmarks.load import bodies, drive
from benchmarks.results import Headline, Result, parser
from benchmarks.server import Server, running

_CLIENTS = 32
_WORKERS = 2
_LEAST_RATIO = 1.0
_SIDES = ("one process", f"{_WORKERS} workers")
_MARK = "embedder.workers.worker"


def processes(server: Server) -> dict[str, int]:
    """Memory in bytes, proportional, of a server and each process it started, by what it runs."""
    found: dict[str, int] = {}
    parents = {server.process.pid}
    for pid in sorted(int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()):
        try:
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            if pid not in parents and parent not in parents:
                continue
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:  # it ended meanwhile
            continue
        parents.add(pid)
        (kib,) = (int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        found[_role(command)] = kib * 1024
    return found


def _role(command: list[str]) -> str:
    if _MARK in command:
        return f"worker {command[command.index(_MARK) + 3].split(',')[0]}"
    return "layouts" if "ui.layout_process" in command else "server"


def measure(server: Server, texts: list[str]) -> tuple[float, float]:
    """Requests a second, and their 95th percentile in seconds."""
    requests = bodies(server.ours, texts, 1)
    run = drive(server.ours, requests, _CLIENTS)
    return len(requests) / run.seconds, run.percentile_s(95)


def main() -> int:
    flags = parser(__doc__ or "")
    flags.add_argument("--rounds", type=int, default=10)
    flags.add_argument("--requests", type=int, default=2000, help="of each round and side")
    flags.add_argument("--with-page", action="store_true", help="serve the page too, which then also runs")
    args = flags.parse_args()
    rounds, count = (3, 800) if args.short else (args.rounds, args.requests)
    result = Result(
        "workers",
        f"{_CLIENTS} clients × 1 short text, {rounds} rounds of {count:,} requests",
        ["", "requests/s, median", "p95, ms", "memory, MB"],
    )
    page = () if args.with_page else ("--no-ui",)
    texts = short_texts(count)
    off = {"TESSERA_CACHE_BYTES": "0"}
    with running(*page, **off) as alone, running(*page, "--workers", str(_WORKERS), **off) as several:
        servers = dict(zip(_SIDES, (alone, several), strict=True))
        for server in servers.values():
            server.wait_for("/ready", every_s=0.1)
        measured: dict[str, list[tuple[float, float]]] = {side: [] for side in servers}
        for round_number in range(rounds + 1):
            for side in _SIDES if round_number % 2 else _SIDES[::-1]:
                figures = measure(servers[side], texts)
                if round_number:  # the first warms up
                    measured[side].append(figures)
        memory = {side: processes(server) for side, server in servers.items()}
    report(result, measured, memory)
    return result.finish(args.out)


def report(
    result: Result, measured: dict[str, list[tuple[float, float]]], memory: dict[str, dict[str, int]]
) -> None:
    """The table, the ratio of each round's pair, and what held memory."""
    for side, figures in measured.items():
        rates, p95s = zip(*figures, strict=True)
        held = ", ".join(f"{role} {size / 1e6:,.0f}" for role, size in sorted(memory[side].items()))
        result.rows.append(
            [side, f"{statistics.median(rates):,.0f}", f"{1000 * statistics.median(p95s):.0f}", held]
        )
        result.figures[side] = {"requests_s": rates, "p95_s": p95s, "memory_bytes": memory[side]}
    one, many = (statistics.median(rate for rate, _ in measured[side]) for side in _SIDES)
    ratios = [there[0] / here[0] for here, there in zip(*(measured[side] for side in _SIDES), strict=True)]
    ratio = statistics.median(ratios)
    result.figures["ratios"] = ratios
    result.compare(
        Headline(
            f"{_WORKERS} workers against one process, {_CLIENTS} clients × 1 short text",
            *(f"{many:,.0f}/s", f"{one:,.0f}/s"),
            *(f"{ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f})", f"at least {_LEAST_RATIO:g}"),
            ratio >= _LEAST_RATIO,
        )
    )
    for side, held in memory.items():
        result.notes.append(f"{side}: {sum(held.values()) / 1e6:,.0f} MB in all")


if __name__ == "__main__":
    sys.exit(main())
