"""Our HTTP answers against sentence-transformers' `encode` on the same texts, in turn.

Both stay loaded and never work at the same time. Ours is asked by several clients at once, in
base64 as OpenAI's clients ask, with the vector cache off; its time runs from the first request
sent to the last vector decoded. The other's is that of one `encode` call with its defaults.
Shares are of the matrix peak measured between the rounds of the same run; a token of this model
costs 21,233,664 + 9,216 x length FLOP.
"""

from __future__ import annotations

import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.corpus import lengths_tokens, long_texts, short_texts
from benchmarks.reference import Reference, reference
from benchmarks.results import Result, parser
from benchmarks.server import Server, request_vectors, running, texts_of

_LINEAR_FLOP = 21_233_664
_ATTENTION_FLOP = 9_216
_TOLERANCE = 1e-5


def flop(lengths: np.ndarray) -> float:
    """What the model computes for texts of these token counts, padding not counted."""
    return float((lengths * (_LINEAR_FLOP + _ATTENTION_FLOP * lengths)).sum())


def request_all(server: Server, texts: list[str], clients: int, texts_each: int) -> tuple[float, np.ndarray]:
    """Seconds until `clients` at once had every vector, requests of `texts_each`; and the vectors."""
    parts = [texts[at : at + texts_each] for at in range(0, len(texts), texts_each)]
    vectors: list[np.ndarray] = [np.empty(0)] * len(parts)

    def client(first: int) -> None:
        with closing(server.connect()) as connection:
            for place in range(first, len(parts), clients):
                vectors[place] = request_vectors(connection, parts[place])

    started_s = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))
    return time.perf_counter() - started_s, np.concatenate(vectors)


def measure(
    server: Server, other: Reference, sets: dict[str, list[str]], args: Any
) -> tuple[dict[str, dict[str, list[float]]], list[float], float]:
    """Seconds by set and side, round by round; the matrix peaks; the largest difference of vectors."""
    seconds: dict[str, dict[str, list[float]]] = {name: {"ours": [], "reference": []} for name in sets}
    peaks: list[float] = []
    difference = 0.0
    for round_number in range(args.rounds):
        for name, texts in sets.items():
            sides = {
                "ours": lambda texts=texts: request_all(server, texts, args.clients, args.request_texts),
                "reference": lambda texts=texts: other.encode(texts),
            }
            vectors = {}
            for side in sorted(sides, reverse=bool(round_number % 2)):
                took_s, vectors[side] = sides[side]()
                seconds[name][side].append(took_s)
            difference = max(difference, float(np.abs(vectors["ours"] - vectors["reference"]).max()))
            peaks.append(other.gemm_gflops())
            print(round_number + 1, name, {side: round(runs[-1], 2) for side, runs in seconds[name].items()})
    return seconds, peaks, difference


def main() -> int:
    flags = parser(__doc__ or "")
    flags.add_argument("--rounds", type=int, default=5)
    flags.add_argument("--clients", type=int, default=8)
    flags.add_argument("--request-texts", type=int, default=16, help="texts of each request")
    flags.add_argument("--scale", type=float, default=1.0, help="share of the texts, for a quick look")
    flags.add_argument("--texts", type=Path, help="a file of texts to use instead")
    args = flags.parse_args()
    result = Result(
        "throughput",
        "Throughput over HTTP against sentence-transformers' encode",
        ["texts", "tokens each", "side", "texts/s", "tokens/s", "share of GEMM peak", "ratio"],
    )
    sets = {"given": texts_of(args.texts)} if args.texts else default_sets(args.scale)
    with reference() as other, running("--no-ui", TESSERA_CACHE_BYTES="0") as server:
        server.wait_for("/ready")
        request_all(server, [f"warm {number}" for number in range(64)], args.clients, 16)
        seconds, peaks, difference = measure(server, other, sets, args)
    peak = statistics.median(peaks)
    for name, texts in sets.items():
        add_rows(result, name, lengths_tokens(texts), seconds[name], peak)
    result.hold(f"vectors of both within {_TOLERANCE:g}", difference <= _TOLERANCE)
    result.figures |= {
        "gemm_peak_gflops": peaks,
        "largest_difference": difference,
        "clients": args.clients,
        "request_texts": args.request_texts,
    }
    return result.finish(args.out)


def default_sets(scale: float) -> dict[str, list[str]]:
    """Short, middling and long texts, some seconds of work each."""
    return {
        "short": short_texts(int(768 * scale)),
        "middling": long_texts(int(192 * scale), 126),
        "long": long_texts(int(128 * scale), 221),
    }


def add_rows(
    result: Result, name: str, lengths: np.ndarray, seconds: dict[str, list[float]], peak: float
) -> None:
    """One row a side; medians over the rounds, the ratio being the median of the rounds' ratios."""
    ratios = [theirs / ours for ours, theirs in zip(*seconds.values(), strict=True)]
    for side, runs in seconds.items():
        median_s = statistics.median(runs)
        figures = {
            "texts": len(lengths),
            "mean_tokens": float(lengths.mean()),
            "texts_s": len(lengths) / median_s,
            "tokens_s": float(lengths.sum()) / median_s,
            "share_of_gemm_peak": flop(lengths) / median_s / 1e9 / peak,
            "runs_s": runs,
        }
        ratio = statistics.median(ratios) if side == "ours" else 1.0
        result.figures.setdefault(name, {})[side] = figures | {"ratio": ratio}
        result.rows.append(
            [
                name,
                f"{figures['mean_tokens']:.0f}",
                side if side == "ours" else "sentence-transformers",
                f"{figures['texts_s']:,.1f}",
                f"{figures['tokens_s']:,.0f}",
                f"{figures['share_of_gemm_peak']:.2f}",
                f"{ratio:.2f}",
            ]
        )


if __name__ == "__main__":
    sys.exit(main())
