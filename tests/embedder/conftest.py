"""A runtime that can be watched, held and made to fail, and engines around it."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from embedder import Engine, Settings
from embedder.backends.hashing import HashingBackend
from embedder.types import TokenizedText


class WatchedBackend(HashingBackend):
    """Records every batch; waits at `gate` before it computes; raises what `failures` says of a text."""

    def __init__(self, model_id: str = "hashing/watched", **options: Any) -> None:
        super().__init__(model_id, **options)
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.failures: dict[str, BaseException] = {}

    def encode(self, batch: Sequence[TokenizedText]) -> NDArray[np.float32]:
        self.batches.append([str(text.text) for text in batch])
        self.entered.set()
        assert self.gate.wait(10), "the test never opened the gate"
        for text in batch:
            if str(text.text) in self.failures:
                raise self.failures[str(text.text)]
        return super().encode(batch)

    @property
    def computed(self) -> list[str]:
        """Every text that reached the runtime, in order."""
        return [text for batch in self.batches for text in batch]


EngineMaker = Callable[..., Any]


@pytest.fixture
def engine_of() -> EngineMaker:
    """`async with engine_of(backend, **settings) as engine`: a started engine around one backend."""

    @asynccontextmanager
    async def make(backend: HashingBackend, **settings: Any) -> AsyncIterator[Engine]:
        chosen = Settings.load({"model": backend.info.id, "drain_s": 5.0, **settings})
        async with Engine(chosen, loader=lambda *_: backend) as engine:
            await engine.model_info()
            yield engine

    return make


def direct(texts: Sequence[str], prompt: str = "", **options: Any) -> NDArray[np.float32]:
    """What the hashing runtime gives for each text on its own."""
    from embedder.types import Prompt

    backend = HashingBackend("direct", **options)
    return np.vstack([backend.encode(backend.tokenize([text], Prompt(prompt))) for text in texts])
