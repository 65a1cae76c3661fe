"""A job gives every text its own vector, in order, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder import Engine, Settings
from embedder.backends.hashing import HashingBackend
from embedder.corpus.jobs import _SLICE_CHARS, _SLICE_TEXTS, FailedText, Slice, _spans, embed_in_slices
from embedder.errors import BackendFailed, InvalidInput, UnknownModel
from embedder.types import TokenizedText


class FaultyBackend(HashingBackend):
    """Fails on any batch that holds the word `poison`; counts what it computes."""

    computed = 0

    def encode(self, batch: Sequence[TokenizedText]) -> np.ndarray:
        if any("poison" in str(tokenized.text).split() for tokenized in batch):
            raise RuntimeError("a detail that must not leave")
        self.computed += len(batch)
        return super().encode(batch)


@asynccontextmanager
async def running(delay_s: float = 0.0, **settings: object) -> AsyncIterator[tuple[Engine, FaultyBackend]]:
    backend = FaultyBackend("hashing", delay_s=delay_s)
    async with Engine(Settings.load({"model": "hashing", **settings}), loader=lambda *_: backend) as engine:
        yield engine, backend


async def collect(engine: Engine, texts: list[str], **options: object) -> list[Slice]:
    async with aclosing(embed_in_slices(engine, texts, **options)) as slices:
        return [part async for part in slices]


@given(st.lists(st.integers(0, 2 * _SLICE_CHARS), max_size=600))
def test_slices_cover_the_texts_once_within_their_bounds(lengths: list[int]) -> None:
    texts = ["x" * length for length in lengths]
    spans = list(_spans(texts))
    assert [index for start, stop in spans for index in range(start, stop)] == list(range(len(texts)))
    for start, stop in spans:
        assert stop - start <= _SLICE_TEXTS
        assert stop - start == 1 or sum(lengths[start:stop]) <= _SLICE_CHARS


async def test_every_text_gets_its_own_vector_in_order() -> None:
    texts = [f"text {number % 700} of many" for number in range(1000)]
    async with running() as (engine, _):
        slices = await collect(engine, texts)
        alone = np.concatenate([(await engine.embed([text])).vectors for text in texts[::97]])
    vectors = np.concatenate([part.embeddings.vectors for part in slices])
    rows = np.concatenate([part.rows for part in slices])
    assert len(slices) > 3
    assert rows.tolist() == list(range(1000))
    np.testing.assert_allclose(vectors[::97], alone, atol=1e-6)
    assert [part.start for part in slices] == [0, *(part.progress.done for part in slices[:-1])]
    assert slices[-1].progress.done == slices[-1].progress.total == 1000
    assert slices[-1].progress.remaining_s == 0
    assert all(part.progress.rate_texts_s > 0 for part in slices)


async def test_dimensions_and_kind_reach_the_engine() -> None:
    async with running() as (engine, _):
        [part] = await collect(engine, ["a text"], kind="query", dimensions=8)
        expected = await engine.embed(["a text"], kind="query", dimensions=8)
    np.testing.assert_array_equal(part.embeddings.vectors, expected.vectors)
    assert part.embeddings.vectors.shape == (1, 8)


async def test_a_bad_text_is_reported_and_the_others_get_their_vectors() -> None:
    texts = [f"text {number}" for number in range(300)]
    texts[7] = texts[270] = "some poison"
    async with running() as (engine, _):
        slices = await collect(engine, texts)
        expected = (await engine.embed([text for text in texts if "poison" not in text])).vectors
    failed = [failure for part in slices for failure in part.failed]
    assert [failure.index for failure in failed] == [7, 270]
    assert all(isinstance(failure, FailedText) and "detail" not in failure.message for failure in failed)
    assert failed[1].message == "The model's runtime failed with RuntimeError."
    rows = np.concatenate([part.rows for part in slices])
    assert rows.tolist() == [n for n in range(300) if n not in (7, 270)]
    vectors = np.concatenate([part.embeddings.vectors for part in slices])
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert np.isfinite(vectors).all()
    assert sum(len(part.embeddings.prompt_tokens) for part in slices) == 298


async def test_a_job_of_one_bad_text_has_no_rows() -> None:
    async with running() as (engine, _):
        [part] = await collect(engine, ["poison"], dimensions=8)
    assert part.embeddings.vectors.shape == (0, 8)
    assert [failure.index for failure in part.failed] == [0]


async def test_truncated_texts_keep_their_places_beside_a_bad_one() -> None:
    long = "word " * 100
    async with running() as (engine, _):
        [part] = await collect(engine, ["short", "poison", long, "short", long])
    assert [int(part.rows[row]) for row in part.embeddings.truncated] == [2, 4]


async def test_a_runtime_that_fails_throughout_ends_the_job() -> None:
    async with running() as (engine, _):
        with pytest.raises(BackendFailed):
            await collect(engine, [f"poison {number}" for number in range(300)])


async def test_too_long_is_one_texts_failure_where_the_owner_refuses_to_cut() -> None:
    async with running(truncate=False) as (engine, _):
        [part] = await collect(engine, ["short", "word " * 100])
    assert part.rows.tolist() == [0]
    assert part.failed[0].message.startswith("It is longer than the 64 tokens")


async def test_a_small_queue_makes_a_job_wait_and_not_fail() -> None:
    texts = [f"text number {number}" for number in range(300)]
    async with running(queue_tokens=100, batch_tokens=64) as (engine, _):
        slices = await collect(engine, texts)
    assert sum(len(part.rows) for part in slices) == 300


async def test_what_is_wrong_with_the_request_ends_the_job() -> None:
    async with running() as (engine, _):
        with pytest.raises(UnknownModel):
            await collect(engine, ["text"], model="other")
        with pytest.raises(InvalidInput):
            await collect(engine, ["text"] * 600, dimensions=1000)


@pytest.mark.parametrize("way", ["close", "cancel"])
async def test_leaving_early_stops_the_computing_and_leaves_no_task(way: str) -> None:
    texts = [f"text {number} of a long job" for number in range(5000)]
    async with running(delay_s=0.005, batch_tokens=64) as (engine, backend):
        await engine.model_info()
        before = asyncio.all_tasks()
        if way == "close":
            async with aclosing(embed_in_slices(engine, texts)) as slices:
                await anext(slices)
        else:
            reader = asyncio.create_task(collect(engine, texts))
            while not backend.computed:  # noqa: ASYNC110 - counted in a thread
                await asyncio.sleep(0.01)
            reader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reader
        assert asyncio.all_tasks() == before
        await asyncio.sleep(0.05)
        stopped_at = backend.computed
        await asyncio.sleep(0.2)
        assert backend.computed == stopped_at < 2 * _SLICE_TEXTS, "the slices in flight were finished"
        assert (await engine.embed(["still there"])).vectors.shape == (1, 32)


async def test_slices_are_computed_while_the_reader_is_busy() -> None:
    texts = [f"text {number}" for number in range(600)]
    async with running() as (engine, backend), aclosing(embed_in_slices(engine, texts)) as slices:
        await anext(slices)
        await asyncio.sleep(0.5)
        assert backend.computed == 600
