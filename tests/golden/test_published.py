"""Vectors and scores that others published for all-MiniLM-L6-v2.

Sources: the model card's quick start on the Hugging Face Hub (the three similarities) and the
vector of "Hello world" as printed in several integrations' documentation.
"""

from __future__ import annotations

import asyncio
import csv
import random
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from embedder import EmbedOptions, Engine, Priority, Settings
from embedder.backends.sources import model_folder
from embedder.config import DEFAULT_MODEL

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

HELLO_WORLD = [-0.0344773, 0.0310232, 0.0067350, 0.0261089, -0.0393620]
QUICK_START = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[Engine]:
    async with Engine(Settings.load({"cache_bytes": 0})) as running:
        yield running


async def test_hello_world(engine: Engine) -> None:
    answer = await engine.embed(["Hello world"])
    np.testing.assert_allclose(answer.vectors[0, :5], HELLO_WORLD, atol=1e-6)
    assert answer.vectors.shape == (1, 384)
    assert answer.prompt_tokens.tolist() == [4]
    assert np.linalg.norm(answer.vectors[0]) == pytest.approx(1, abs=1e-6)


async def test_quick_start_similarities(engine: Engine) -> None:
    vectors = (await engine.embed(QUICK_START)).vectors
    scores = vectors @ vectors.T
    np.testing.assert_allclose(
        [scores[0, 1], scores[0, 2], scores[1, 2]], [0.6660, 0.1046, 0.1411], atol=5e-5
    )


async def test_equals_encode_whatever_the_batching_order_mix_and_concurrency(engine: Engine) -> None:
    from sentence_transformers import SentenceTransformer

    rng = random.Random(11)
    words = (csv.__doc__ or "").split()
    texts = [" ".join(rng.choices(words, k=rng.choice([1, 3, 8, 20, 80, 300]))) for _ in range(240)]
    peer = SentenceTransformer(str(model_folder(DEFAULT_MODEL)), device="cpu")
    theirs = peer.encode(texts, show_progress_bar=False)

    async def call(rows: list[int], options: EmbedOptions) -> tuple[list[int], Any]:
        return rows, await engine.embed([texts[row] for row in rows], options=options)

    order = rng.sample(range(len(texts)), len(texts))
    calls, start = [], 0
    while start < len(order):
        size = rng.choice([1, 2, 5, 30])
        option = EmbedOptions(priority=rng.choice([None, *Priority]), wait_for_room=rng.random() < 0.3)
        calls.append(call(order[start : start + size], option))
        start += size
    for rows, answer in await asyncio.gather(*calls):
        np.testing.assert_allclose(answer.vectors, theirs[rows], atol=1e-5)
