"""Stores by name, and rows to put into them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedder import Engine, Settings
from embedder.backends.hashing import HashingBackend
from embedder.collections import Collection, Collections, NewText
from embedder.collections.rows import Rows, Value
from embedder.collections.store import Store
from embedder.types import TokenizedText
from tests.collections.stores import KINDS, new_place, opened

DIMENSIONS = 8


@pytest.fixture(params=list(KINDS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind."""
    made = opened(request.param, new_place(request.param, request, tmp_path, shared=True))
    yield made
    made.close()


def vectors_of(texts: Sequence[str]) -> np.ndarray:
    """A direction for each text that depends on nothing else: float32 `(n, 8)`, not of length 1."""
    rows = [np.random.default_rng(list(text.encode())).standard_normal(DIMENSIONS) for text in texts]
    return np.array(rows, dtype=np.float32).reshape(-1, DIMENSIONS)


def rows_of(
    texts: Mapping[str, str] | Sequence[str],
    *,
    document: str = "",
    columns: Sequence[Mapping[str, Value]] | None = None,
    **more: Any,
) -> Rows:
    """Rows by id, or with the text for an id."""
    named = dict(texts) if isinstance(texts, Mapping) else {text: text for text in texts}
    words = list(named.values())
    vectors = more.get("vectors")
    return Rows(
        list(named),
        words,
        [document] * len(words),
        list(columns) if columns is not None else [{} for _ in words],
        vectors_of(words) if vectors is None else np.asarray(vectors, dtype=np.float32),
    )


TEXTS = [
    "the cat sat on the mat",
    "a dog and a cat",
    "rain in the evening",
    "sun in the morning",
    "a dog barks",
]


class Runtime(HashingBackend):
    """Counts texts, and fails on those that say so."""

    def __init__(self, model_id: str, **options: Any) -> None:
        super().__init__(model_id, **options)
        self.encoded: list[str] = []

    def encode(self, batch: list[TokenizedText]) -> np.ndarray:
        self.encoded += [str(text.text) for text in batch]
        if any("impossible" in str(text.text) for text in batch):
            raise RuntimeError("no")
        return super().encode(batch)


WIDE, NARROW = "hashing/wide", "hashing/narrow"


@pytest.fixture
def runtimes() -> dict[str, Runtime]:
    return {WIDE: Runtime(WIDE, dimensions=32), NARROW: Runtime(NARROW, dimensions=16)}


@pytest.fixture
async def engine(runtimes: dict[str, Runtime]) -> AsyncIterator[Engine]:
    settings = Settings.load({"model": WIDE, "models": (NARROW,), "cache_bytes": 0})
    async with Engine(settings, loader=lambda model_id, *_: runtimes[model_id]) as started:
        yield started


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """A kind of store, a folder's unless a test asks for others, and where an empty one of it is."""
    kind: str = getattr(request, "param", "lance")
    return kind, new_place(kind, request, tmp_path, shared=True)


@pytest.fixture
async def collections(engine: Engine, place: tuple[str, str]) -> AsyncIterator[Collections]:
    async with Collections(opened(*place), engine) as made:
        yield made


@pytest.fixture
async def filled(collections: Collections) -> Collection:
    made = await collections.create("things", metadata={"note": "n"})
    new = [NewText(text, f"t{n}", "book", {"n": n}) for n, text in enumerate(TEXTS)]
    added = await made.add(new)
    assert (added.ids, added.new, added.replaced, added.failed) == ([f"t{n}" for n in range(5)], 5, 0, ())
    return made
