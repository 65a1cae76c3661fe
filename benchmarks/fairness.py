"""One small request among a great upload: its time, and what a cancelled upload still costs.

A client asks for one new text at a time, first of an idle server, then while tens of thousands of
texts are embedded as bulk: as large HTTP requests, of ours and of Infinity, and as a job of the
engine in one process, which is what the page and the command line do. The upload is cut off when
it was watched long enough. Then another is abandoned and the server is watched.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import aclosing, contextmanager
from dataclasses import dataclass

import numpy as np

from benchmarks.corpus import mixed_texts
from benchmarks.load import Target, bodies, drive
from benchmarks.machine import cpu_seconds
from benchmarks.results import Headline, Result, parser
from benchmarks.server import Server, infinity, request_vectors, running

_BULK_CLIENTS = 4
_BATCH_TIME_TEXTS = 1000
_MOST_DIFFERENT_TEXTS = 13_000
"""Larger bulk repeats them; the cache is off, so each is computed again."""
_PAUSE_S = 0.05
_MOST_TIMES_IDLE_P95 = 4
_SETTLE_S = 1.0
_WATCHED_S = 5.0
_COMPUTING = 'tessera_stage_seconds_{}{{stage="computing"}}'


def probe(target: Target, finished: Callable[[int], bool]) -> list[float]:
    """Seconds of each one-text request, one after the other with a pause, until `finished(count)`."""
    latencies: list[float] = []
    while not finished(len(latencies)):
        text = [f"A question that was never asked before, number {time.perf_counter_ns()}"]
        latencies.append(float(drive(target, bodies(target, text, 1), 1).latencies_s[0]))
        time.sleep(_PAUSE_S)
    return latencies


@contextmanager
def upload(
    server: Server, target: Target, texts: list[str], request_texts: int
) -> Iterator[tuple[list[Future[int]], Callable[[], None]]]:
    """Several clients sending `texts` in large requests: their futures, and a way to hang up on all."""
    parts = [texts[at : at + request_texts] for at in range(0, len(texts), request_texts)]
    connections = [server.connect() for _ in range(_BULK_CLIENTS)]
    hung_up = threading.Event()

    def client(number: int) -> int:
        done = 0
        for part in parts[number::_BULK_CLIENTS]:
            if hung_up.is_set():
                break
            with contextlib.suppress(OSError, ValueError):  # hung up in the middle
                done += len(request_vectors(connections[number], part, target))
        return done

    def hang_up() -> None:
        hung_up.set()
        for connection in connections:
            if connection.sock is not None:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(2)

    with ThreadPoolExecutor(_BULK_CLIENTS) as pool:
        futures = [pool.submit(client, number) for number in range(_BULK_CLIENTS)]
        try:
            yield futures, hang_up
        finally:
            hang_up()
            for connection in connections:
                connection.close()


def computed(server: Server) -> tuple[float, float]:
    """Batches so far, and the seconds they took."""
    return server.counter(_COMPUTING.format("count")), server.counter(_COMPUTING.format("sum"))


def mean_batch_s(after: tuple[float, float], before: tuple[float, float]) -> float:
    """Mean time of the batches between two looks at (batches, seconds)."""
    batches, seconds = (now - then for now, then in zip(after, before, strict=True))
    return seconds / max(batches, 1)


def over_http(server: Server, target: Target, texts: list[str], args: Args) -> dict[str, float]:
    """Latencies idle and beside an upload over HTTP, cut off after `args.probe_s`."""
    probe(target, lambda count: count >= 10)
    idle = probe(target, lambda count: count >= args.idle_probes)
    with upload(server, target, texts, args.request_texts) as (futures, _):
        time.sleep(_SETTLE_S)
        started_s = time.perf_counter()
        busy = probe(
            target,
            lambda count: (
                all(future.done() for future in futures)
                or (count > 0 and time.perf_counter() - started_s > args.probe_s)
            ),
        )
    return summary(idle, busy)


def batch_seconds(server: Server, texts: list[str]) -> float:
    """Mean time of a batch of bulk by itself."""
    before = computed(server)
    with upload(server, server.ours, texts[:_BATCH_TIME_TEXTS], _BATCH_TIME_TEXTS) as (futures, _):
        wait(futures)
    return mean_batch_s(computed(server), before)


def summary(idle: list[float], busy: list[float]) -> dict[str, float]:
    """The figures of one way for bulk to come."""
    percentiles = {
        f"{name}_p{share}_s": float(np.percentile(seconds, share))
        for name, seconds in (("idle", idle), ("busy", busy))
        for share in (50, 95, 99)
    }
    return percentiles | {"busy_probes": len(busy)}


async def in_one_process(texts: list[str], args: Args) -> dict[str, float]:
    """The same beside a job of the engine, without HTTP."""
    from embedder import Engine, Settings
    from embedder.corpus.jobs import embed_in_slices

    async with Engine(Settings.load({"cache_bytes": 0})) as engine:
        await engine.model_info()

        async def ask() -> float:
            started_s = time.perf_counter()
            await engine.embed([f"A question that was never asked before, number {time.perf_counter_ns()}"])
            took_s = time.perf_counter() - started_s
            await asyncio.sleep(_PAUSE_S)
            return took_s

        async def job() -> None:
            async with aclosing(embed_in_slices(engine, texts)) as slices:
                async for _ in slices:
                    pass

        for _ in range(10):
            await ask()
        idle = [await ask() for _ in range(args.idle_probes)]
        started_s = time.perf_counter()
        bulk = asyncio.create_task(job())
        await asyncio.sleep(_SETTLE_S)
        busy = []
        while not bulk.done() and time.perf_counter() - started_s < args.probe_s:
            busy.append(await ask())
        bulk.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await bulk
        return summary(idle, busy)


def abandoned(server: Server, texts: list[str], after_s: float, args: Args) -> dict[str, float]:
    """What the server still does once every client of an upload has hung up."""
    with upload(server, server.ours, texts, args.request_texts) as (futures, hang_up):
        time.sleep(after_s)
        if all(future.done() for future in futures):
            raise SystemExit("The upload was over before it could be abandoned: ask for more --bulk-texts.")
        before = server.counter("tessera_tokens_total")
        hang_up()
        time.sleep(_SETTLE_S)
        tokens = server.counter("tessera_tokens_total")
        cpu_s = cpu_seconds(server.process.pid)
        time.sleep(_WATCHED_S)
        return {
            "tokens_in_the_first_second": tokens - before,
            "tokens_after": server.counter("tessera_tokens_total") - tokens,
            "cpu_s_after": cpu_seconds(server.process.pid) - cpu_s,
            "watched_s": _WATCHED_S,
            "queue_tokens": server.counter("tessera_queue_tokens"),
        }


@dataclass(frozen=True, slots=True)
class Args:
    """How long each situation is watched, texts of bulk in a request, and rounds of ours."""

    idle_probes: int
    probe_s: float
    request_texts: int
    rounds: int


def ours_by_turns(server: Server, texts: list[str], args: Args) -> dict[str, dict[str, float]]:
    """Medians over the rounds of both ways for bulk to come to ours, who goes first alternating."""
    ways: dict[str, Callable[[], dict[str, float]]] = {
        "ours, over HTTP": lambda: over_http(server, server.ours, texts, args),
        "ours, as a job": lambda: asyncio.run(in_one_process(texts, args)),
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for number in range(args.rounds):
        for name in sorted(ways, reverse=number % 2 == 0):
            found[name].append(ways[name]())
            ratio = found[name][-1]["busy_p95_s"] / found[name][-1]["idle_p95_s"]
            print(number + 1, name, f"{ratio:.1f} times its idle p95", flush=True)
    return {
        name: {key: statistics.median(round_[key] for round_ in rounds) for key in rounds[0]}
        for name, rounds in found.items()
    }


def main() -> int:
    flags = parser(__doc__ or "")
    flags.add_argument("--bulk-texts", type=int, default=50_000)
    flags.add_argument("--idle-probes", type=int, default=100)
    flags.add_argument("--probe-s", type=float, default=60.0, help="the bulk is cut off after so long")
    flags.add_argument("--cancel-after-s", type=float, default=5.0)
    flags.add_argument("--rounds", type=int, default=3, help="of ours; Infinity is asked once")
    given = flags.parse_args()
    long = Args(given.idle_probes, given.probe_s, 1000, given.rounds)
    args = Args(50, 10.0, 250, 1) if given.short else long
    texts = mixed_texts(min(given.bulk_texts, _MOST_DIFFERENT_TEXTS))
    texts = (texts * -(-given.bulk_texts // len(texts)))[: given.bulk_texts]
    result = Result(
        "fairness",
        f"One text beside {given.bulk_texts:,} texts of bulk, {args.request_texts:,} a request, "
        f"watched for {args.probe_s:g} s at most",
        [
            "server, bulk comes",
            "busy p95 / idle p95",
            "idle p50 / p95 / p99, ms",
            "busy p50 / p95 / p99, ms",
            "probes",
        ],
    )
    with running("--no-ui", TESSERA_CACHE_BYTES="0") as server:
        server.wait_for("/ready")
        for name, figures in ours_by_turns(server, texts, args).items():
            add_row(result, name, figures)
        result.notes.append(f"mean batch of bulk by itself: {1000 * batch_seconds(server, texts):.0f} ms")
        left = abandoned(server, texts, given.cancel_after_s, args)
    result.hold("an abandoned upload: no token computed a second after", left["tokens_after"] == 0)
    result.hold(
        f"an abandoned upload: under 2 % of a core after ({left['cpu_s_after']:.2f} s in {_WATCHED_S:g} s)",
        left["cpu_s_after"] <= 0.02 * _WATCHED_S,
    )
    result.figures["abandoned"] = left
    with infinity() as theirs:
        theirs.wait_for("/health", every_s=0.2)
        add_row(result, "Infinity, over HTTP", over_http(theirs, theirs.infinity, texts, args))
    peer = result.figures["Infinity, over HTTP"]
    result.notes.append(
        f"ours: medians of {args.rounds} rounds; Infinity: one, for a request waits for all of it"
    )
    for name in ("ours, over HTTP", "ours, as a job"):
        compare(result, name, result.figures[name], peer)
    return result.finish(given.out)


def add_row(result: Result, name: str, figures: dict[str, float]) -> None:
    """A row of one server."""
    result.figures[name] = figures
    shown = [
        " / ".join(f"{1000 * figures[f'{when}_p{share}_s']:,.1f}" for share in (50, 95, 99))
        for when in ("idle", "busy")
    ]
    ratio = figures["busy_p95_s"] / figures["idle_p95_s"]
    result.rows.append([name, f"{ratio:.1f}", *shown, str(int(figures["busy_probes"]))])


def compare(result: Result, name: str, figures: dict[str, float], peer: dict[str, float]) -> None:
    """Hold one of ours to its limit, Infinity beside it."""
    ratio, peer_ratio = (side["busy_p95_s"] / side["idle_p95_s"] for side in (figures, peer))
    result.compare(
        Headline(
            f"p95 of one text during bulk, against its idle p95 ({name})",
            *(
                f"{1000 * figures['busy_p95_s']:.0f} ms",
                f"{1000 * peer['busy_p95_s']:,.0f} ms ({peer_ratio:.0f} times)",
            ),
            *(f"{ratio:.1f} times", f"at most {_MOST_TIMES_IDLE_P95}", ratio <= _MOST_TIMES_IDLE_P95),
        )
    )


if __name__ == "__main__":
    sys.exit(main())
