"""Our server against Infinity's over HTTP, and against sentence-transformers' own `encode`.

The servers run the same model folder on the same texts, both loaded, never working at the same
time; who goes first alternates. Vector caches are off. A ratio is the median of the rounds'
ratios; CPU-seconds are the server's. `--short` takes the cells that the product is held to.
"""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass
from functools import cache

import numpy as np

from benchmarks.corpus import lengths_tokens, long_texts, mixed_texts, short_texts
from benchmarks.load import Run, Target, bodies, drive
from benchmarks.machine import cpu_seconds
from benchmarks.reference import Reference, Took, reference
from benchmarks.results import Headline, Result, parser
from benchmarks.server import Server, infinity, infinity_versions, running

_TOLERANCE = 1e-5
_TIE = 2e-6
_NEIGHBOURS = 10
_COLUMNS = ["texts", "clients x texts", "ratio", "side", "texts/s", "tokens/s", "p50 / p95 / p99, ms"]
_MORE_COLUMNS = ["CPU-s per 1,000", "RSS, MB"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of load; `goal` is a ratio of throughput, or of median latency, and None for none."""

    texts: str
    clients: int
    texts_each: int
    count: int
    goal: float | None = None
    by_latency: bool = False


HELD = [
    Cell("short", 8, 64, 2048, goal=2.3),
    Cell("126 tokens", 8, 16, 256, goal=1.8),
    Cell("221 tokens", 8, 16, 192, goal=1.7),
    Cell("short", 32, 1, 960, goal=3.5),
    Cell("short", 1, 1, 160, goal=0.35, by_latency=True),
]

_COUNTS = {"short": 1024, "126 tokens": 192, "221 tokens": 128, "mixed": 512}
_MOST_TEXTS_AT_ONCE = 4096
_REQUESTS_FOR_TAILS = 20


@cache
def texts_of(name: str, count: int) -> list[str]:
    """`count` texts of one kind."""
    makers = {"short": short_texts, "mixed": mixed_texts}
    return makers[name](count) if name in makers else long_texts(count, int(name.split(maxsplit=1)[0]))


def matrix() -> list[Cell]:
    """Every kind of text, request size and number of clients, where they make sense together."""
    return [
        Cell(name, clients, each, max(min(base, 24 * clients * each), clients * each))
        for name, base in _COUNTS.items()
        for each in (1, 8, 64, 512)
        for clients in (1, 8, 64)
        if clients * each <= min(_MOST_TEXTS_AT_ONCE, 4 * base)
    ]


@dataclass(frozen=True, slots=True)
class Turn:
    """One side's turn at a cell."""

    run: Run
    cpu_s: float
    rss_bytes: int


def take_turn(server: Server, target: Target, cell: Cell) -> Turn:
    """Send the cell's texts once."""
    requests = bodies(target, texts_of(cell.texts, cell.count), cell.texts_each)
    cpu_s = cpu_seconds(server.process.pid)
    run = drive(target, requests, cell.clients)
    return Turn(run, cpu_seconds(server.process.pid) - cpu_s, server.rss_bytes())


def measure(
    cells: list[Cell], rounds: int, ours: Server, theirs: Server
) -> dict[Cell, dict[str, list[Turn]]]:
    """Every turn of both sides, round by round."""
    sides = {"ours": (ours, ours.ours), "Infinity": (theirs, theirs.infinity)}
    turns: dict[Cell, dict[str, list[Turn]]] = {cell: {side: [] for side in sides} for cell in cells}
    for side in sides:
        drive(sides[side][1], bodies(sides[side][1], texts_of("short", 256), 8), 8)
    for number in range(rounds):
        for cell in cells:
            for side in sorted(sides, reverse=bool(number % 2)):
                turns[cell][side].append(take_turn(*sides[side], cell))
            seconds = {side: round(done[-1].run.seconds, 2) for side, done in turns[cell].items()}
            print(number + 1, cell.texts, f"{cell.clients} x {cell.texts_each}", seconds, flush=True)
    return turns


def add_cell(result: Result, cell: Cell, turns: dict[str, list[Turn]]) -> None:
    """Two rows, one a side, and the limit if there is one."""
    tokens = int(lengths_tokens(texts_of(cell.texts, cell.count)).sum())
    pairs = list(zip(turns["Infinity"], turns["ours"], strict=True))
    faster = statistics.median(theirs.run.seconds / ours.run.seconds for theirs, ours in pairs)
    latency = statistics.median(
        ours.run.percentile_s(50) / theirs.run.percentile_s(50) for theirs, ours in pairs
    )
    load = f"{cell.clients} x {cell.texts_each}"
    rates = {}
    for side, done in turns.items():
        median_s = statistics.median(turn.run.seconds for turn in done)
        rates[side] = cell.count / median_s
        # Of a handful of requests the slowest is no percentile.
        shares = (50, 95, 99) if len(done[0].run.latencies_s) >= _REQUESTS_FOR_TAILS else (50,)
        percentiles_ms = [1000 * statistics.median(turn.run.percentile_s(p) for turn in done) for p in shares]
        cpu_s = statistics.median(turn.cpu_s for turn in done) * 1000 / cell.count
        rss_mb = done[-1].rss_bytes / 1e6
        ratio = (f"{latency:.2f} (p50)" if cell.by_latency else f"{faster:.2f}") if side == "ours" else ""
        shown = [
            f"{rates[side]:,.0f}",
            f"{tokens / median_s:,.0f}",
            " / ".join(f"{p:,.1f}" for p in percentiles_ms),
        ]
        result.rows.append([cell.texts, load, ratio, side, *shown, f"{cpu_s:.2f}", f"{rss_mb:,.0f}"])
        result.figures.setdefault(f"{cell.texts}, {load}", {})[side] = {
            "texts_s": rates[side],
            "percentiles_ms": percentiles_ms,
            "cpu_s_per_1000": cpu_s,
            "rss_mb": rss_mb,
            "runs_s": [turn.run.seconds for turn in done],
            "client_cpu_s": [turn.run.client_cpu_s for turn in done],
        }
    result.figures[f"{cell.texts}, {load}"] |= {"times_faster": faster, "share_of_p50": latency}
    if cell.goal is not None:
        result.compare(headline(cell, load, rates, faster, latency, turns))


def headline(
    cell: Cell,
    load: str,
    rates: dict[str, float],
    faster: float,
    latency: float,
    turns: dict[str, list[Turn]],
) -> Headline:
    """The line of a cell that has a goal."""
    if cell.by_latency:
        shown = {
            side: f"{1000 * statistics.median(turn.run.percentile_s(50) for turn in done):.1f} ms"
            for side, done in turns.items()
        }
        figure, goal, kept = f"{latency:.2f}", f"at most {cell.goal:g}", latency <= (cell.goal or 0)
    else:
        shown = {side: f"{rate:,.0f} texts/s" for side, rate in rates.items()}
        figure, goal, kept = f"{faster:.2f} times", f"at least {cell.goal:g}", faster >= (cell.goal or 0)
    return Headline(
        f"{cell.texts}, {load}, against Infinity", shown["ours"], shown["Infinity"], figure, goal, kept
    )


def add_reference(result: Result, other: Reference, ours: Server, rounds: int, exact: list[str]) -> None:
    """sentence-transformers in process beside ours over HTTP, round by round; and whether vectors agree."""
    for name, count in _COUNTS.items() if rounds else ():
        texts = texts_of(name, count)
        requests = bodies(ours.ours, texts, 64)
        seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
        done: list[Took] = []
        for number in range(rounds + 1):  # the first one warms
            for side in sorted(seconds, reverse=bool(number % 2)):
                if side == "theirs":
                    done.append(other.took(texts))
                    took_s = done[-1].seconds
                else:
                    took_s = drive(ours.ours, requests, 8).seconds
                if number:
                    seconds[side].append(took_s)
        cpu_s = statistics.median(took.cpu_s for took in done[1:]) * 1000 / count
        faster = statistics.median(t / o for t, o in zip(seconds["theirs"], seconds["ours"], strict=True))
        rate = count / statistics.median(seconds["theirs"])
        tokens = int(lengths_tokens(texts).sum())
        result.rows.append(
            [
                name,
                "in process",
                f"{faster:.2f}",
                "sentence-transformers",
                f"{rate:,.0f}",
                f"{rate * tokens / count:,.0f}",
                "",
                f"{cpu_s:.2f}",
                f"{done[-1].rss_bytes / 1e6:,.0f}",
            ]
        )
        result.figures[f"{name}, in process"] = {"seconds": seconds, "times_faster": faster}
    theirs = other.encode(exact)[1]
    for clients, each in ((8, 64), (1, 1)):  # by the encoder in large batches, and by the graph
        add_exactness(result, vectors_of(ours.ours, exact, clients, each), theirs, f"{clients} x {each}")


def exact_texts(count: int) -> list[str]:
    """The texts whose vectors are compared: `count` short ones and `count` of mixed lengths."""
    return list(dict.fromkeys([*texts_of("short", count), *texts_of("mixed", count)]))


def vectors_of(target: Target, texts: list[str], clients: int, each: int) -> np.ndarray:
    """What a server gives for them, asked so."""
    return drive(target, bodies(target, texts, each), clients).vectors()


def add_exactness(result: Result, mine: np.ndarray, theirs: np.ndarray, load: str) -> None:
    """Hold ours to sentence-transformers': vectors, and who is near to whom."""
    difference, other_neighbours = compare(mine, theirs)
    result.compare(
        Headline(
            f"vectors of {len(mine):,} texts, {load}, against sentence-transformers, largest difference",
            *(f"{difference:.1e}", "0", f"{difference:.1e}", f"at most {_TOLERANCE:g}"),
            difference <= _TOLERANCE,
        )
    )
    result.compare(
        Headline(
            f"texts whose {_NEIGHBOURS} neighbours differ, {load} (scores within {_TIE:g} are ties)",
            *(str(other_neighbours), "0", str(other_neighbours), "0"),
            other_neighbours == 0,
        )
    )


def compare(mine: np.ndarray, theirs: np.ndarray) -> tuple[float, int]:
    """Largest difference of two `(n, d)`, and rows whose nearest differ by more than a tie.

    A neighbour that only one side has is a tie if it scores, by the other's vectors, within `_TIE`
    of that side's last one.
    """
    differing = 0
    scores = {"mine": mine @ mine.T, "theirs": theirs @ theirs.T}
    for matrix_ in scores.values():
        np.fill_diagonal(matrix_, -np.inf)
    nearest = {side: np.argsort(-matrix_, axis=1)[:, :_NEIGHBOURS] for side, matrix_ in scores.items()}
    for row in range(len(mine)):
        only = set(nearest["mine"][row]) - set(nearest["theirs"][row])
        last = scores["theirs"][row, nearest["theirs"][row, -1]]
        differing += any(scores["theirs"][row, column] < last - _TIE for column in only)
    return float(np.abs(mine - theirs).max()), differing


def main() -> int:
    flags = parser(__doc__ or "")
    flags.add_argument("--rounds", type=int, default=5)
    args = flags.parse_args()
    cells = HELD if args.short else HELD + [cell for cell in matrix() if not _is_held(cell)]
    rounds = 2 if args.short else args.rounds
    result = Result("peers", "Against Infinity 0.0.78 and sentence-transformers", _COLUMNS + _MORE_COLUMNS)
    with running("--no-ui", TESSERA_CACHE_BYTES="0") as ours:
        ours.wait_for("/ready")
        with infinity() as theirs:
            theirs.wait_for("/health", every_s=0.2)
            for cell, turns in measure(cells, rounds, ours, theirs).items():
                add_cell(result, cell, turns)
            exact = exact_texts(256 if args.short else 1024)
            apart = np.abs(
                vectors_of(ours.ours, exact, 8, 64) - vectors_of(theirs.infinity, exact, 8, 64)
            ).max()
            result.notes.append(f"the same work: Infinity's vectors differ from ours by {apart:.1e} at most")
        result.notes.append(f"Infinity's: {infinity_versions()}")
        result.notes.append(
            f"{rounds} rounds; left out: loads of over {_MOST_TEXTS_AT_ONCE:,} texts at once, "
            "or over four times the texts of their kind; p95 and p99 of under 20 requests"
        )
        with reference() as other:
            add_reference(result, other, ours, 0 if args.short else rounds, exact)
    return result.finish(args.out)


def _is_held(cell: Cell) -> bool:
    return any(
        (cell.texts, cell.clients, cell.texts_each) == (held.texts, held.clients, held.texts_each)
        for held in HELD
    )


if __name__ == "__main__":
    sys.exit(main())
