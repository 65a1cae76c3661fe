"""One small request among a great upload: its time, and what a cancelled upload still costs.

A client asks for one new text at a time, first of an idle server, then while thousands of texts
are embedded as bulk: as large HTTP requests, and as a job of the engine in one process, which is
what the page and the command line do. Then an upload is abandoned and the server is watched.
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
from contextlib import aclosing, closing, contextmanager

from benchmarks.corpus import mixed_texts
from benchmarks.machine import cpu_seconds
from benchmarks.results import Result, parser
from benchmarks.server import Server, request_vectors, running

_BULK_CLIENTS = 4
_BULK_REQUEST_TEXTS = 1000
_BATCH_TIME_TEXTS = 1000
_PAUSE_S = 0.05
_MOST_TIMES_IDLE = 10
_SETTLE_S = 1.0
_WATCHED_S = 5.0
_COMPUTING = 'tessera_stage_seconds_{}{{stage="computing"}}'


def probe(server: Server, finished: Callable[[int], bool]) -> list[float]:
    """Seconds of each one-text request, one after the other with a pause, until `finished(count)`."""
    latencies: list[float] = []
    with closing(server.connect()) as connection:
        while not finished(len(latencies)):
            text = [f"A question that was never asked before, number {time.perf_counter_ns()}"]
            started_s = time.perf_counter()
            request_vectors(connection, text)
            latencies.append(time.perf_counter() - started_s)
            time.sleep(_PAUSE_S)
    return latencies


@contextmanager
def upload(server: Server, texts: list[str]) -> Iterator[tuple[list[Future[int]], Callable[[], None]]]:
    """Several clients sending `texts` in large requests: their futures, and a way to hang up on all."""
    parts = [texts[at : at + _BULK_REQUEST_TEXTS] for at in range(0, len(texts), _BULK_REQUEST_TEXTS)]
    connections = [server.connect() for _ in range(_BULK_CLIENTS)]
    hung_up = threading.Event()

    def client(number: int) -> int:
        done = 0
        for part in parts[number::_BULK_CLIENTS]:
            if hung_up.is_set():
                break
            done += len(request_vectors(connections[number], part))
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


def over_http(server: Server, texts: list[str], idle_probes: int) -> dict[str, float]:
    """Medians idle and beside an upload over HTTP; the time of a batch is of bulk by itself."""
    idle = probe(server, lambda count: count >= idle_probes)
    before = computed(server)
    with upload(server, texts[:_BATCH_TIME_TEXTS]) as (futures, _):
        wait(futures)
    batch_s = mean_batch_s(computed(server), before)
    started_s = time.perf_counter()
    with upload(server, texts) as (futures, _):
        busy = probe(server, lambda _: all(future.done() for future in futures))
        done = sum(future.result() for future in futures)
    return summary(idle, busy, batch_s, done, time.perf_counter() - started_s)


def summary(
    idle: list[float], busy: list[float], batch_s: float, texts: int, bulk_s: float
) -> dict[str, float]:
    """The figures of one way for bulk to come."""
    return {
        "idle_median_s": statistics.median(idle),
        "busy_median_s": statistics.median(busy),
        "busy_p95_s": percentile_95(busy),
        "busy_probes": len(busy),
        "mean_batch_s": batch_s,
        "bulk_texts": texts,
        "bulk_s": bulk_s,
    }


async def in_one_process(texts: list[str], idle_probes: int) -> dict[str, float]:
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

        async def job(texts: list[str]) -> int:
            async with aclosing(embed_in_slices(engine, texts)) as slices:
                return sum([len(part.rows) async for part in slices])

        idle = [await ask() for _ in range(idle_probes)]
        computing = engine.metrics.stage_s.labels("computing")
        before = _histogram(computing)
        await job(texts[:_BATCH_TIME_TEXTS])
        batch_s = mean_batch_s(_histogram(computing), before)
        started_s = time.perf_counter()
        bulk = asyncio.create_task(job(texts))
        busy = []
        while not bulk.done():
            busy.append(await ask())
        return summary(idle, busy, batch_s, await bulk, time.perf_counter() - started_s)


def _histogram(metric: object) -> tuple[float, float]:
    """(count, sum) of a labelled histogram."""
    samples = {sample.name: sample.value for sample in metric._child_samples()}  # type: ignore[attr-defined]
    return samples["_count"], samples["_sum"]


def abandoned(server: Server, texts: list[str], after_s: float) -> dict[str, float]:
    """What the server still does once every client of an upload has hung up."""
    with upload(server, texts) as (futures, hang_up):
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


def percentile_95(values: list[float]) -> float:
    """The 95th percentile, nearest rank."""
    return sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]


def main() -> int:
    flags = parser(__doc__ or "")
    flags.add_argument("--bulk-texts", type=int, default=10_000)
    flags.add_argument("--idle-probes", type=int, default=100)
    flags.add_argument("--cancel-after-s", type=float, default=5.0)
    args = flags.parse_args()
    texts = mixed_texts(args.bulk_texts)
    result = Result(
        "fairness",
        f"One text beside {args.bulk_texts:,} texts of bulk",
        ["bulk comes", "idle, ms", "busy, ms", "busy p95, ms", "mean batch, ms", "bulk texts/s"],
    )
    with running("--no-ui", TESSERA_CACHE_BYTES="0") as server:
        server.wait_for("/ready")
        probe(server, lambda count: count >= 10)
        add_row(result, "over HTTP", over_http(server, texts, args.idle_probes))
        left = abandoned(server, texts, args.cancel_after_s)
    result.hold("an abandoned upload: no token computed a second after", left["tokens_after"] == 0)
    result.hold(
        f"an abandoned upload: under 2 % of a core after ({left['cpu_s_after']:.2f} s in {_WATCHED_S:g} s)",
        left["cpu_s_after"] <= 0.02 * _WATCHED_S,
    )
    result.figures["abandoned"] = left
    add_row(result, "as a job", asyncio.run(in_one_process(texts, args.idle_probes)))
    return result.finish(args.out)


def add_row(result: Result, name: str, figures: dict[str, float]) -> None:
    """A row and the two limits it is held to."""
    result.figures[name] = figures
    idle_s, busy_s, batch_s = (figures[key] for key in ("idle_median_s", "busy_median_s", "mean_batch_s"))
    milliseconds = (idle_s, busy_s, figures["busy_p95_s"], batch_s)
    rate = figures["bulk_texts"] / figures["bulk_s"]
    result.rows.append([name, *(f"{1000 * value:.1f}" for value in milliseconds), f"{rate:,.0f}"])
    result.hold(f"{name}: busy median within the time of two batches", busy_s <= 2 * batch_s)
    result.hold(f"{name}: busy median within {_MOST_TIMES_IDLE} x idle", busy_s <= _MOST_TIMES_IDLE * idle_s)


if __name__ == "__main__":
    sys.exit(main())
