"""Real sentences with their real vectors, and as many more as wanted with jitter."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np

from benchmarks.explorer.material import JITTER, map_texts
from embedder import EmbedOptions, Engine, Settings
from embedder.collections.rows import Rows

REAL = 5000
_SEED = 7
_SLICE = 1000


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


def asked(count: int) -> tuple[list[str], np.ndarray]:
    """Sentences to search for, of which no row has the words or the vector, and their vectors."""
    texts = map_texts(REAL + count, _SEED)[REAL:]
    return texts, real_vectors(texts)


def batches(count: int, batch_rows: int) -> Iterator[Rows]:
    """`count` rows: the real ones first, then those again and again, their vectors jittered."""
    texts = map_texts(REAL, _SEED)
    vectors = real_vectors(texts)
    generator = np.random.default_rng(_SEED)
    for start in range(0, count, batch_rows):
        numbers = np.arange(start, min(start + batch_rows, count))
        some = vectors[numbers % REAL]
        noise = JITTER * generator.standard_normal(some.shape, dtype=np.float32)
        some = np.where((numbers >= REAL)[:, None], some + noise, some)
        some /= np.linalg.norm(some, axis=1, keepdims=True)
        yield Rows(
            [f"{number:08d}" for number in numbers],
            [texts[number % REAL] for number in numbers],
            [""] * len(numbers),
            [{"number": int(number), "part": int(number % 10)} for number in numbers],
            some.astype(np.float32),
        )
