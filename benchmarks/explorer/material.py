"""What is put on the map: real texts, real vectors of them, and many more vectors made from those."""

from __future__ import annotations

import csv
import random
import re
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.corpus import docstrings, lengths_tokens
from benchmarks.load import bodies, drive
from benchmarks.server import running

CLIENTS, TEXTS_EACH = 4, 64
TOKENS = range(10, 29)
"""Sentences of so many tokens have 17 on average."""
JITTER = 0.02
"""Standard deviation of what is added to each dimension of a unit vector of 384: cosine 0.93 with its own."""


@cache
def sentences() -> tuple[str, ...]:
    """Every sentence of the standard library's documentation once, in a fixed order."""
    paragraphs = (" ".join(part.split()) for text in docstrings() for part in text.split("\n\n"))
    found = (sentence.strip() for part in paragraphs for sentence in re.split(r"(?<=[.!?]) +", part))
    return tuple(dict.fromkeys(sentence for sentence in found if sentence))


def map_texts(count: int, seed: int) -> list[str]:
    """`count` different sentences, of 17 tokens on average, in an order of their own for each `seed`.

    Raises:
        SystemExit: this Python's library has fewer.
    """
    known = list(sentences())
    lengths = lengths_tokens(known)
    fitting = [text for text, tokens in zip(known, lengths, strict=True) if tokens in TOKENS]
    return _drawn(fitting, count, seed)


def varied_texts(count: int) -> list[str]:
    """`count` different sentences and paragraphs of any length from 6 tokens on."""
    paragraphs = (" ".join(part.split()) for text in docstrings() for part in text.split("\n\n"))
    known = list(dict.fromkeys([*sentences(), *paragraphs]))
    lengths = lengths_tokens(known)
    return _drawn([text for text, n in zip(known, lengths, strict=True) if n >= TOKENS[0] - 4], count, 7)


def write_csv(path: Path, texts: list[str]) -> Path:
    """A file with one column, `text`, as a user would upload it and Embedding Atlas reads it."""
    with path.open("w", newline="") as sink:
        csv.writer(sink).writerows([["text"], *([text] for text in texts)])
    return path


def embedded(texts: list[str]) -> np.ndarray:
    """Their vectors by the API of a server of ours, float32 `(n, d)`."""
    with running("--no-ui", TESSERA_CACHE_BYTES="0") as server:
        server.wait_for("/ready")
        return drive(server.ours, bodies(server.ours, texts, TEXTS_EACH), CLIENTS).vectors()


@cache
def _base(count: int) -> tuple[list[str], np.ndarray]:
    texts = map_texts(count, seed=0)
    return texts, embedded(texts)


def many_points(count: int, real: int) -> tuple[list[str], np.ndarray]:
    """`count` texts with vectors: `real` real ones, then the same again and again with jitter."""
    texts, vectors = _base(real)
    repeated = [f"{texts[row % real]} ({row // real})" if row >= real else texts[row] for row in range(count)]
    return repeated, jittered(vectors, count)


def jittered(vectors: np.ndarray, count: int) -> np.ndarray:
    """`count` unit vectors: those of `(n, d)` themselves, then again and again with noise from `JITTER`."""
    rows = vectors[np.arange(count) % len(vectors)]
    noise = np.random.default_rng(11).normal(scale=JITTER, size=rows.shape).astype(np.float32)
    noise[: len(vectors)] = 0
    moved = rows + noise
    made: np.ndarray = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return made


def _drawn(texts: list[str], count: int, seed: int) -> list[str]:
    if len(texts) < count:
        raise SystemExit(f"This Python's library has {len(texts):,} such texts; ask for no more.")
    return random.Random(seed).sample(texts, count)
