"""Real sentences with their real vectors, and past those as many more as wanted with jitter."""

from __future__ import annotations

import asyncio
import random
import re
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.corpus import docstrings_below, lengths_tokens
from benchmarks.explorer.material import JITTER, TOKENS
from embedder import EmbedOptions, Engine, Settings
from embedder.collections.rows import Rows

REAL = 100_000
QUESTIONS = 100
_LIBRARIES = ("networkx", "numpy", "pandas", "scipy", "sklearn", "sympy", "torch", "transformers")
"""What this project is built on brings them, and their docstrings hold more sentences than are wanted."""
_CODE = re.compile(r">>>|---|===|\.\. ")
_SEED = 7
_SLICE = 1000


@cache
def sentences() -> tuple[list[str], list[str]]:
    """`REAL` different sentences of 10 to 28 tokens, and `QUESTIONS` others.

    Raises:
        SystemExit: these versions of the libraries have fewer.
    """
    folder = Path(sysconfig.get_path("purelib"))
    found: dict[str, None] = {}
    for name in _LIBRARIES:
        for text in docstrings_below(folder / name):
            parts = (" ".join(part.split()) for part in text.split("\n\n") if not _CODE.search(part))
            found.update((one, None) for part in parts for one in re.split(r"(?<=[.!?]) +", part) if one)
    known = list(found)
    fitting = [text for text, tokens in zip(known, lengths_tokens(known), strict=True) if tokens in TOKENS]
    random.Random(_SEED).shuffle(fitting)
    if len(fitting) < REAL + QUESTIONS:
        raise SystemExit(f"The libraries here hold {len(fitting):,} such sentences, {REAL:,} are wanted.")
    return fitting[:REAL], fitting[REAL : REAL + QUESTIONS]


@cache
def asked() -> tuple[list[str], np.ndarray]:
    """Sentences to search for, of which no row has the words or the vector, and their vectors."""
    _, texts = sentences()
    return texts, real_vectors(texts)


@cache
def known_vectors(count: int) -> np.ndarray:
    """Those of the first `count` of the real ones."""
    return real_vectors(sentences()[0][:count])


def real_vectors(texts: list[str]) -> np.ndarray:
    """The default model's, float32 `(n, 384)`."""

    async def embed() -> np.ndarray:
        async with Engine(Settings.load()) as engine:
            parts = [
                await engine.embed(
                    texts[start : start + _SLICE], kind="document", options=EmbedOptions(wait_for_room=True)
                )
                for start in range(0, len(texts), _SLICE)
            ]
        return np.concatenate([part.vectors for part in parts])

    return asyncio.run(embed())


def batches(count: int, batch_rows: int) -> Iterator[Rows]:
    """`count` rows: the real ones first, then those again and again, their vectors jittered."""
    real = min(count, REAL)
    texts, vectors = sentences()[0], known_vectors(real)
    generator = np.random.default_rng(_SEED)
    for start in range(0, count, batch_rows):
        numbers = np.arange(start, min(start + batch_rows, count))
        some = vectors[numbers % real]
        noise = JITTER * generator.standard_normal(some.shape, dtype=np.float32)
        some = np.where((numbers >= real)[:, None], some + noise, some)
        some /= np.linalg.norm(some, axis=1, keepdims=True)
        yield Rows(
            [f"{number:08d}" for number in numbers],
            [texts[number % real] for number in numbers],
            [""] * len(numbers),
            [{"number": int(number), "part": int(number % 10)} for number in numbers],
            some.astype(np.float32),
        )
