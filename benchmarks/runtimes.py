"""What computes one short text fastest, and where that changes: ours, int8, ONNX Runtime, the reference.

One text at a time in this process, each runtime in turn within a round. ONNX Runtime is no part of
the product: `pip install --target .onnx onnx onnxruntime`, then
`PYTHONPATH=.onnx python -m benchmarks.runtimes`; without it its columns are left out.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.corpus import lengths_tokens, long_texts, short_texts
from benchmarks.results import Result, parser
from embedder.backends import load_backend
from embedder.backends.sources import model_folder
from embedder.config import DEFAULT_MODEL, Settings
from embedder.types import Prompt, TokenizedText

_LENGTHS_TOKENS = (32, 64, 126, 221)
_OPSET = 17
_TOLERANCE = 1e-5

Encode = Callable[[TokenizedText], np.ndarray]


def texts_by_length() -> dict[int, list[str]]:
    """Eight real texts of about each length in tokens."""
    short = short_texts(8)
    made = {int(statistics.median(lengths_tokens(short))): short}
    return made | {length: long_texts(8, length) for length in _LENGTHS_TOKENS}


def onnx_session(folder: Path, threads: int) -> Encode:
    """The whole model (encoder, mean, norm) exported once and run by ONNX Runtime in float32."""
    import onnxruntime
    import torch
    from transformers import AutoModel

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()

        def forward(self, ids: Any) -> Any:
            hidden = self.encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
            return torch.nn.functional.normalize(hidden.mean(1), dim=-1)

    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "model.onnx"
        axes = {"ids": {0: "texts", 1: "tokens"}}
        example = torch.ones(2, 9, dtype=torch.long)
        options = {"input_names": ["ids"], "dynamic_axes": axes, "opset_version": _OPSET, "dynamo": False}
        torch.onnx.export(Whole(), (example,), str(path), **options)
        chosen = onnxruntime.SessionOptions()
        chosen.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(str(path), chosen, providers=["CPUExecutionProvider"])
    return lambda text: np.asarray(session.run(None, {"ids": np.array([text.token_ids])})[0])


def runtimes() -> dict[str, Encode]:
    """Every way to compute one text, by name; the first is the product's."""

    def of(**settings: Any) -> Encode:
        backend = load_backend(DEFAULT_MODEL, DEFAULT_MODEL, Settings.load(settings))
        return lambda text: backend.encode([text])

    found = {"ours": of(), "ours, int8": of(precision="int8")}
    found["sentence-transformers"] = of(runtime="sentence-transformers")
    if importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnx"):
        for threads in (1, 2):
            name = f"ONNX Runtime, {threads} thread{'s' * (threads > 1)}"
            found[name] = onnx_session(model_folder(DEFAULT_MODEL), threads)
    return found


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
