"""How soon a started server answers: /health, the first vector, the page; ours and Infinity.

Median of several starts, in turn, after one start of each that is not counted: with it the files
are in the system's cache, and what is learned of a model at its first load has been kept.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

from benchmarks.load import Target
from benchmarks.results import Headline, Result, parser
from benchmarks.server import Server, infinity, request_vectors, running

_HEALTH_LIMITS_S = {"ours, with page": 6.0, "ours, --no-ui": 3.0}
_SHARES = {"ours, with page": 0.8, "ours, --no-ui": 0.5}
"""Of Infinity's time to the first vector."""

_STARTS: dict[str, Callable[[], AbstractContextManager[Server]]] = {
    "ours, with page": running,
    "ours, --no-ui": lambda: running("--no-ui"),
    "Infinity": infinity,
}


def measure_start(side: str) -> dict[str, float]:
    """Seconds from one process start to each first answer."""
    with _STARTS[side]() as server, ThreadPoolExecutor() as pool:
        target = server.infinity if side == "Infinity" else server.ours
        waiting = {
            "/health": pool.submit(server.wait_for, "/health"),
            "first vector": pool.submit(first_vector, server, target),
        }
        if side == "ours, with page":
            waiting["/"] = pool.submit(server.wait_for, "/", 0.05)
        return {name: future.result() for name, future in waiting.items()}


def first_vector(server: Server, target: Target) -> float:
    """Seconds from process start until a request made at once had its vector."""
    while True:
        with contextlib.closing(server.connect()) as connection:
            try:
                request_vectors(connection, ["a first text"], target)
            except (RuntimeError, OSError):  # nobody listens yet, or the model is not loaded
                time.sleep(0.02)
            else:
                return time.perf_counter() - server.started_s


def main() -> int:
    flags = parser(__doc__ or "")
    flags.add_argument("--starts", type=int, default=5)
    args = flags.parse_args()
    starts = 1 if args.short else args.starts
    runs: dict[str, list[dict[str, float]]] = {side: [] for side in _STARTS}
    result = Result(
        "start", "Seconds from process start", ["", "first vector: ratio", "first vector", "/health", "/"]
    )
    for _ in range(starts + 1):
        for side, measured in runs.items():
            measured.append(measure_start(side))
            print(side, {name: round(value, 2) for name, value in measured[-1].items()}, flush=True)
    medians = {
        side: {name: statistics.median(run[name] for run in measured[1:]) for name in measured[0]}
        for side, measured in runs.items()
    }
    for side, seconds in medians.items():
        first_s, peer_s = seconds["first vector"], medians["Infinity"]["first vector"]
        page = f"{seconds['/']:.2f}" if "/" in seconds else ""
        result.rows.append(
            [side, f"{first_s / peer_s:.2f}", f"{first_s:.2f}", f"{seconds['/health']:.2f}", page]
        )
        result.figures[side] = {"median_s": seconds, "first_s": runs[side][0], "runs_s": runs[side][1:]}
        if side in _SHARES:
            share, limit_s = first_s / peer_s, _HEALTH_LIMITS_S[side]
            result.compare(
                Headline(
                    f"process start to first vector, {side.removeprefix('ours, ')}",
                    *(f"{first_s:.1f} s", f"{peer_s:.1f} s", f"{share:.2f}"),
                    *(f"at most {_SHARES[side]:g}", share <= _SHARES[side]),
                )
            )
            result.hold(f"/health, {side}, within {limit_s:g} s", seconds["/health"] <= limit_s)
    return result.finish(args.out)


if __name__ == "__main__":
    sys.exit(main())
