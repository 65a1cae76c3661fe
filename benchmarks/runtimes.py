"""What computes one text fastest, and where that changes: ours, its parts, int8, the reference.

One text at a time in this process, each runtime in turn within a round, in a thread of its own: how many
threads torch uses belongs to the thread that sets it. "Ours" chooses: the graph for
few tokens, the packed encoder on one thread for more, on all cores for a text that is long enough.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.corpus import lengths_tokens, long_texts, short_texts
from benchmarks.results import Result, parser
from embedder.backends import load_backend
from embedder.backends.form import Forms, form_key
from embedder.backends.packed import PackedBackend
from embedder.backends.placement import Placement
from embedder.backends.sources import model_folder
from embedder.config import DEFAULT_MODEL, Settings
from embedder.protocols import Backend
from embedder.types import Prompt, TokenizedText

_LENGTHS_TOKENS = (32, 64, 126, 221)
_TOLERANCE = 1e-5
_ALWAYS = 1 << 20

Encode = Callable[[TokenizedText], np.ndarray]


def texts_by_length() -> dict[int, list[str]]:
    """Eight real texts of about each length in tokens."""
    short = short_texts(8)
    made = {int(statistics.median(lengths_tokens(short))): short}
    return made | {length: long_texts(8, length) for length in _LENGTHS_TOKENS}


def in_its_thread(backend: Backend) -> Encode:
    """`backend` for one text, always in the same thread."""
    thread = ThreadPoolExecutor(1)
    return lambda text: thread.submit(backend.encode, [text]).result()


def runtimes() -> dict[str, Encode]:
    """Every way to compute one text, by name; the first is the product's."""

    def of(**settings: Any) -> Encode:
        backend = load_backend(DEFAULT_MODEL, DEFAULT_MODEL, Settings.load(settings))
        if isinstance(backend, PackedBackend):
            backend.wait_for_graph()
        return in_its_thread(backend)

    def packed(graph_tokens: int) -> Encode:
        folder, cache_dir = model_folder(DEFAULT_MODEL), Settings.load().cache_dir
        form = Forms(cache_dir).recall(form_key(folder), DEFAULT_MODEL)
        if form is None:
            sys.exit(f"What is known of the model could not be kept in {cache_dir}.")
        backend = PackedBackend(folder, replace(form, graph_tokens=graph_tokens), Placement(threads=1))
        backend.wait_for_graph()
        return in_its_thread(backend)

    return {
        "ours": of(),
        "packed, 1 thread": packed(graph_tokens=0),
        "graph, 1 thread": packed(graph_tokens=_ALWAYS),
        "ours, int8": of(precision="int8"),
        "sentence-transformers": of(runtime="sentence-transformers"),
    }


def measure(
    encoders: dict[str, Encode], texts: dict[int, list[TokenizedText]], rounds: int
) -> dict[int, dict[str, list[float]]]:
    """Milliseconds a text, round by round."""
    took: dict[int, dict[str, list[float]]] = {length: {name: [] for name in encoders} for length in texts}
    for number in range(rounds + 1):
        for length, some in texts.items():
            for name in sorted(encoders, reverse=bool(number % 2)):
                started_s = time.perf_counter()
                for text in some:
                    encoders[name](text)
                if number:  # the first is for warming
                    took[length][name].append((time.perf_counter() - started_s) / len(some) * 1000)
    return took


def main() -> int:
    flags = parser(__doc__ or "")
    flags.add_argument("--rounds", type=int, default=30)
    arguments = flags.parse_args()
    encoders = runtimes()
    tokenize = load_backend(DEFAULT_MODEL, DEFAULT_MODEL, Settings.load()).tokenize
    texts = {length: tokenize(some, Prompt()) for length, some in texts_by_length().items()}
    took = measure(encoders, texts, arguments.rounds)
    result = Result(
        "runtimes",
        "One text at a time: milliseconds by what computes it (in brackets: times ours)",
        ["tokens", *encoders],
    )
    for length, by_name in took.items():
        ours = by_name["ours"]
        cells = [
            f"{statistics.median(times):.2f} ({statistics.median(np.divide(times, ours)):.2f})"
            for times in by_name.values()
        ]
        result.rows.append([str(length), *cells])
    for name, encode in encoders.items():
        if name != "ours, int8":
            differences = [
                np.abs(encode(t) - encoders["ours"](t)).max() for some in texts.values() for t in some
            ]
            worst = float(max(differences))
            result.hold(f"{name}: largest difference from ours {worst:.1e}", worst <= _TOLERANCE)
    result.figures = {"milliseconds": took}
    return result.finish(arguments.out)


if __name__ == "__main__":
    sys.exit(main())
