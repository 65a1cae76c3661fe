"""How soon a started server answers: /health, /ready, the first vector, the page.

Median of several starts, with the page and without, in turn. The files are in the system's
cache from the second start on.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.results import Result, parser
from benchmarks.server import Server, request_vectors, running

LIMITS_S = {"with page": 6.0, "--no-ui": 3.0}
_FLAGS = {"with page": (), "--no-ui": ("--no-ui",)}


def measure_start(variant: str) -> dict[str, float]:
    """Seconds from one process start to each first answer."""
    with running(*_FLAGS[variant]) as server, ThreadPoolExecutor() as pool:
        seconds = {"/health": server.wait_for("/health")}
        waiting = {
            "/ready": pool.submit(server.wait_for, "/ready", 0.05),
            "first vector": pool.submit(first_vector, server),
        }
        if variant == "with page":
            waiting["/"] = pool.submit(server.wait_for, "/", 0.05)
        return seconds | {name: future.result() for name, future in waiting.items()}


def first_vector(server: Server) -> float:
    """Seconds from process start until a request made at once had its vector."""
    while True:
        with contextlib.closing(server.connect()) as connection:
            try:
                request_vectors(connection, ["a first text"])
            except RuntimeError:  # not loaded yet
                time.sleep(0.05)
            else:
                return time.perf_counter() - server.started_s


def main() -> int:
    flags = parser(__doc__ or "")
    flags.add_argument("--starts", type=int, default=5)
    args = flags.parse_args()
    runs: dict[str, list[dict[str, float]]] = {variant: [] for variant in _FLAGS}
    result = Result("start", "Seconds from process start", ["", "/health", "/ready", "first vector", "/"])
    for _ in range(args.starts):
        for variant, measured in runs.items():
            measured.append(measure_start(variant))
            print(variant, {name: round(value, 2) for name, value in measured[-1].items()}, flush=True)
    for variant, measured in runs.items():
        medians = {name: statistics.median(run[name] for run in measured) for name in measured[0]}
        cells = [f"{medians[name]:.2f}" if name in medians else "" for name in result.columns[1:]]
        result.rows.append([variant, *cells])
        limit_s = LIMITS_S[variant]
        result.hold(f"/health {variant} within {limit_s:g} s of process start", medians["/health"] <= limit_s)
        result.figures[variant] = {"median_s": medians, "runs_s": measured}
    return result.finish(args.out)


if __name__ == "__main__":
    sys.exit(main())
