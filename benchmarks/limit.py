"""How near the machine's arithmetic limit vectors are computed: encoder alone, engine, over HTTP.

The limit is float32 matrix multiplication as fast as this machine was seen to do it in the same
run: by `torch.mm` (MKL, which gives other makers' processors AVX2 only) and by oneDNN, each as one
product with as many threads as the runtime has workers and as that many products of one thread at
once; the best of all is the peak. A token of this model costs 21,233,664 + 9,216 x length FLOP.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.corpus import lengths_tokens, long_texts, short_texts
from benchmarks.load import bodies, drive
from benchmarks.machine import cpu_seconds
from benchmarks.results import Headline, Result, parser
from benchmarks.server import Server, running

_LINEAR_FLOP = 21_233_664
_ATTENTION_FLOP = 9_216


@dataclass(frozen=True, slots=True)
class Load:
    """So many texts of one kind, `each` in a request, from so many clients."""

    texts: str
    count: int
    each: int
    clients: int = 8


_SETS = {
    "short": Load("short", 1024, 64),
    "126 tokens": Load("126 tokens", 256, 16),
    "221 tokens": Load("221 tokens", 192, 16),
    "short, 32 x 1": Load("short", 960, 1, clients=32),
    "short, 1 x 1": Load("short", 160, 1, clients=1),
}
_SHORT_SETS = ("short", "126 tokens", "short, 32 x 1")
_HELD_SET, _LEAST_SHARE = "126 tokens", 0.80
_MOST_HTTP_COST = 0.05


def flop(lengths: np.ndarray) -> float:
    """What the model computes for texts of these token counts, padding not counted."""
    return float((lengths * (_LINEAR_FLOP + _ATTENTION_FLOP * lengths)).sum())


def texts_of(load: Load) -> list[str]:
    """Its texts."""
    if load.texts == "short":
        return short_texts(load.count)
    return long_texts(load.count, int(load.texts.split(maxsplit=1)[0]))


def peaks_gflops(workers: int, size: int = 2048, repeats: int = 4) -> dict[str, float]:
    """The best float32 products of two (size, size) matrices, by way, in 1e9 FLOP/s."""
    import torch

    left, right = torch.randn(size, size), torch.randn(size, size)
    ways: dict[str, Callable[[], Any]] = {"torch.mm": lambda: torch.mm(left, right)}
    if torch.backends.mkldnn.is_available():
        ops = torch.ops.mkldnn
        laid_out = ops._reorder_linear_weight(right)
        ways["oneDNN"] = lambda: ops._linear_pointwise(left, laid_out, None, "none", [], "")
    found = {}
    with torch.inference_mode():
        for name, multiply in ways.items():
            shapes = [(1, workers), (workers, 1)] * repeats
            found[name] = max(_rate(multiply, at_once, threads, size) for at_once, threads in shapes)
    return found


def _rate(multiply: Callable[[], Any], at_once: int, threads: int, size: int) -> float:
    import torch

    def several() -> None:
        torch.set_num_threads(threads)  # belongs to the thread that sets it
        for _ in range(2):
            multiply()

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(lambda _: multiply(), range(at_once)))
        started_s = time.perf_counter()
        for future in [pool.submit(several) for _ in range(at_once)]:
            future.result()
        took_s = time.perf_counter() - started_s
    return 2 * at_once * 2 * size**3 / took_s / 1e9


def encoder_seconds(backend: Any, texts: list[str], batch_tokens: int) -> float:
    """Seconds that the runtime's own threads take for batches made before."""
    from embedder.batching import choose_batch
    from embedder.types import Prompt

    left = sorted(backend.tokenize(texts, Prompt()), key=lambda text: text.prompt_tokens)
    batches = []
    while left:
        chosen = choose_batch([text.prompt_tokens for text in left[:256]], batch_tokens, pads=backend.pads)
        batches.append([left[index] for index in chosen])
        left = [text for index, text in enumerate(left) if index not in set(chosen)]
    with ThreadPoolExecutor(backend.workers) as pool:
        started_s = time.perf_counter()
        list(pool.map(backend.encode, batches))
        return time.perf_counter() - started_s


async def engine_seconds(engine: Any, texts: list[str], load: Load) -> float:
    """Seconds of `Engine.embed` called by as many callers as there are clients over HTTP."""
    parts = iter([texts[at : at + load.each] for at in range(0, len(texts), load.each)])

    async def caller() -> None:
        for part in parts:
            await engine.embed(part)

    started_s = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(load.clients)))
    return time.perf_counter() - started_s


Took = tuple[float, float]
"""Seconds, and CPU-seconds of the process that computes."""


def roads_of(
    engine: Any, backend: Any, server: Server, load: Load
) -> dict[str, Callable[[], Awaitable[Took]]]:
    """What gives what the texts of `load` take, by road."""

    texts = texts_of(load)
    batch_tokens = engine.settings.batch_tokens or backend.batch_tokens

    async def by_encoder() -> Took:
        cpu_s = time.process_time()
        took_s = await asyncio.to_thread(encoder_seconds, backend, texts, batch_tokens)
        return took_s, time.process_time() - cpu_s

    async def by_engine() -> Took:
        cpu_s = time.process_time()
        return await engine_seconds(engine, texts, load), time.process_time() - cpu_s

    async def over_http() -> Took:
        requests, cpu_s = bodies(server.ours, texts, load.each), cpu_seconds(server.process.pid)
        took_s = (await asyncio.to_thread(drive, server.ours, requests, load.clients)).seconds
        return took_s, cpu_seconds(server.process.pid) - cpu_s

    return {"encoder": by_encoder, "engine": by_engine, "HTTP": over_http}


async def measure(server: Server, rounds: int, names: Iterable[str]) -> dict[str, Any]:
    """Seconds and CPU-seconds by set and road, and peaks, round by round, in turn."""
    from embedder import Engine, Settings
    from embedder.backends import load_backend

    settings = Settings.load({"cache_bytes": 0})
    backend = load_backend(settings.default_model, settings.default_model, settings)
    seconds: dict[str, dict[str, list[float]]] = {
        name: {"encoder": [], "engine": [], "HTTP": []} for name in names
    }
    cpu_s: dict[str, dict[str, list[float]]] = {
        name: {"encoder": [], "engine": [], "HTTP": []} for name in seconds
    }
    peaks: list[dict[str, float]] = []
    async with Engine(settings, loader=lambda *_: backend) as engine:
        await engine.model_info()
        for number in range(rounds + 1):  # the first one warms
            peaks.append(await asyncio.to_thread(peaks_gflops, backend.workers))
            for name in seconds:
                roads = roads_of(engine, backend, server, _SETS[name])
                took: dict[str, Took] = {}
                for road in sorted(roads, reverse=bool(number % 2)):
                    took[road] = await roads[road]()
                    if number:
                        seconds[name][road].append(took[road][0])
                        cpu_s[name][road].append(took[road][1])
                told = {road: [round(one, 2) for one in both] for road, both in took.items()}
                print(number, name, told, flush=True)
    alone = load_backend(settings.default_model, settings.default_model, Settings.load({"threads": 1}))
    kinds = {_SETS[name].texts: _SETS[name] for name in reversed(seconds)}
    shares = {
        name: await asyncio.to_thread(operators, alone, texts_of(replace(load, count=32)))
        for name, load in reversed(kinds.items())
    }
    return {"seconds": seconds, "cpu_s": cpu_s, "peaks": peaks[1:], "operators": shares}


def operators(backend: Any, texts: list[str]) -> dict[str, float]:
    """Share of each operator in a batch of 512 tokens; `backend` has one thread."""
    from torch.profiler import ProfilerActivity, profile

    from embedder.types import Prompt

    batch, tokens = [], 0
    for text in backend.tokenize(texts, Prompt()):
        tokens += text.prompt_tokens
        if tokens <= 512:
            batch.append(text)
    for _ in range(3):
        backend.encode(batch)
    with profile(activities=[ProfilerActivity.CPU]) as watched:
        for _ in range(5):
            backend.encode(batch)
    times = {row.key: row.self_cpu_time_total for row in watched.key_averages()}
    whole = sum(times.values())
    return {name: taken / whole for name, taken in sorted(times.items(), key=lambda item: -item[1])[:6]}


def main() -> int:
    flags = parser(__doc__ or "")
    flags.add_argument("--rounds", type=int, default=7)
    args = flags.parse_args()
    result = Result(
        "limit",
        "Share of the machine's float32 matrix peak",
        ["texts", "road", "share of best peak", "of torch.mm's", "texts/s", "GFLOP/s", "CPU-ms a text"],
    )
    with running("--no-ui", TESSERA_CACHE_BYTES="0") as server:
        server.wait_for("/ready")
        found = asyncio.run(
            measure(server, 1, _SHORT_SETS) if args.short else measure(server, args.rounds, _SETS)
        )
    peaks = {way: statistics.median(peak[way] for peak in found["peaks"]) for way in found["peaks"][0]}
    result.figures |= found | {"peaks_gflops": peaks}
    for name, roads in found["seconds"].items():
        add_set(result, name, roads, found["cpu_s"][name], peaks)
        if _SETS[name].each == 64:
            add_cost(result, name, found["cpu_s"][name], roads)
    for name, shares in found["operators"].items():
        told = ", ".join(f"{operator} {100 * share:.0f} %" for operator, share in shares.items())
        result.notes.append(f"time of a computing thread, {name}: {told}")
    result.notes.append(f"peaks, GFLOP/s: {', '.join(f'{way} {peak:,.0f}' for way, peak in peaks.items())}")
    return result.finish(args.out)


def add_set(
    result: Result,
    name: str,
    roads: dict[str, list[float]],
    cpu_s: dict[str, list[float]],
    peaks: dict[str, float],
) -> None:
    """Three rows and the limits of one load."""
    load = _SETS[name]
    work_gflop = flop(lengths_tokens(texts_of(load))) / 1e9
    best = max(peaks.values())
    for road, runs in roads.items():
        rate = work_gflop / statistics.median(runs)
        shares = [f"{rate / best:.2f}", f"{rate / peaks['torch.mm']:.2f}"]
        texts_s = load.count / statistics.median(runs)
        cpu_ms = 1000 * statistics.median(cpu_s[road]) / load.count
        result.rows.append([name, road, *shares, f"{texts_s:,.0f}", f"{rate:,.0f}", f"{cpu_ms:.2f}"])
        if name == _HELD_SET and road == "HTTP":
            result.compare(
                Headline(
                    f"share of torch.mm's peak, over HTTP, {name}",
                    *(f"{rate:,.0f} GFLOP/s", f"{peaks['torch.mm']:,.0f} GFLOP/s", shares[1]),
                    *(f"at least {_LEAST_SHARE:g}", rate / peaks["torch.mm"] >= _LEAST_SHARE),
                )
            )
            result.compare(
                Headline(
                    f"share of the best peak found, over HTTP, {name}",
                    *(f"{rate:,.0f} GFLOP/s", f"{best:,.0f} GFLOP/s", shares[0]),
                    *(f"at least {_LEAST_SHARE:g}", rate / best >= _LEAST_SHARE),
                )
            )


def add_cost(
    result: Result, name: str, cpu_s: dict[str, list[float]], seconds: dict[str, list[float]]
) -> None:
    """What HTTP costs beside the engine: the server's processor time, for its clients have the same cores."""
    load = _SETS[name]
    ms = {road: 1000 * statistics.median(runs) / load.count for road, runs in cpu_s.items()}
    costs = [http / engine - 1 for http, engine in zip(cpu_s["HTTP"], cpu_s["engine"], strict=True)]
    cost = statistics.median(costs)
    waited = (
        statistics.median(
            http / engine for http, engine in zip(seconds["HTTP"], seconds["engine"], strict=True)
        )
        - 1
    )
    result.compare(
        Headline(
            f"HTTP's own cost, {load.clients} x {load.each} {name} texts",
            *(f"{ms['HTTP']:.2f} CPU-ms a text", f"{ms['engine']:.2f} in process"),
            *(f"{100 * cost:.1f} %", f"at most {100 * _MOST_HTTP_COST:g} %", cost <= _MOST_HTTP_COST),
        )
    )
    spread = f"{100 * min(costs):.1f} to {100 * max(costs):.1f} % in {len(costs)} rounds"
    result.notes.append(
        f"HTTP's own cost was {spread}; by the clock, with its clients on the same cores, "
        f"its median is {100 * waited:.1f} %"
    )


if __name__ == "__main__":
    sys.exit(main())
