"""Batches, classes, failures and leavers, through the engine as every caller meets them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import time
from typing import Any

import numpy as np
import pytest

from embedder import EmbedOptions, Engine, Priority
from embedder.errors import BackendFailed, ModelUnavailable, Overloaded, ShuttingDown, TooLarge
from tests.embedder.conftest import EngineMaker, WatchedBackend, direct

BULK = EmbedOptions(priority=Priority.BULK)
JOB = EmbedOptions(priority=Priority.BULK, wait_for_room=True)
INTERACTIVE = EmbedOptions(priority=Priority.INTERACTIVE)


async def until(condition: Any, timeout_s: float = 5.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it never came about"
        await asyncio.sleep(0.002)


async def occupy(
    engine: Engine, backend: WatchedBackend, options: EmbedOptions = INTERACTIVE
) -> asyncio.Task[Any]:
    """Hold the worker inside a batch, so that what follows queues up."""
    backend.gate.clear()
    backend.entered.clear()
    task = asyncio.create_task(engine.embed(["occupying"], options=options))
    await until(backend.entered.is_set)
    return task


def words(*numbers: int) -> list[str]:
    return [f"text {number}" for number in numbers]


async def test_rows_answer_their_texts_whatever_the_order_mix_and_concurrency(engine_of: EngineMaker) -> None:
    rng = random.Random(7)
    backend = WatchedBackend(workers=3)
    texts = [" ".join(f"w{rng.randrange(50)}" for _ in range(rng.randrange(1, 60))) for _ in range(400)]
    expected = dict(zip(texts, direct(texts), strict=True))
    async with engine_of(backend, batch_tokens=200, cache_bytes=0) as engine:
        calls = [rng.choices(texts, k=rng.randrange(1, 40)) for _ in range(60)]
        options = [rng.choice([BULK, JOB, INTERACTIVE]) for _ in calls]
        answers = await asyncio.gather(
            *(engine.embed(call, options=option) for call, option in zip(calls, options, strict=True))
        )
    for call, answer in zip(calls, answers, strict=True):
        np.testing.assert_allclose(answer.vectors, np.vstack([expected[text] for text in call]), atol=1e-6)
    assert max(len(batch) for batch in backend.batches) > 4


async def test_batches_keep_the_token_budget_with_padding(engine_of: EngineMaker) -> None:
    backend = WatchedBackend(max_tokens=100)
    texts = [" ".join(["word"] * length) + f" {length}" for length in range(1, 80)]
    async with engine_of(backend, batch_tokens=128) as engine:
        await engine.embed(texts)
    for batch in backend.batches:
        lengths = [len(text.split()) + 2 for text in batch]
        assert len(batch) == 1 or len(batch) * max(lengths) <= 128


async def test_identical_texts_waiting_at_once_are_computed_once(engine_of: EngineMaker) -> None:
    backend = WatchedBackend()
    async with engine_of(backend, cache_bytes=0) as engine:
        held = await occupy(engine, backend)
        tasks = [asyncio.create_task(engine.embed(["same", f"own {n}", "same"])) for n in range(5)]
        await until(lambda: engine.metrics.registry.get_sample_value("tessera_queue_tokens") >= 21)
        backend.gate.set()
        await held
        answers = await asyncio.gather(*tasks)
    assert backend.computed.count("same") == 1
    for number, answer in enumerate(answers):
        np.testing.assert_allclose(answer.vectors, direct(["same", f"own {number}", "same"]), atol=1e-6)
        assert answer.prompt_tokens.tolist() == [3, 4, 3]


async def test_interactive_goes_ahead_of_waiting_bulk(engine_of: EngineMaker) -> None:
    backend = WatchedBackend()
    async with engine_of(backend, batch_tokens=8) as engine:
        held = await occupy(engine, backend)
        bulk = asyncio.create_task(engine.embed(words(*range(20)), options=BULK))
        await until(lambda: queued(engine, "bulk") == 20)
        query = asyncio.create_task(engine.embed(["a query"], options=INTERACTIVE))
        await until(lambda: queued(engine, "interactive") == 1)
        backend.gate.set()
        await asyncio.gather(held, bulk, query)
    assert backend.computed.index("a query") == 1


async def test_an_express_thread_serves_queries_while_bulk_holds_every_other(engine_of: EngineMaker) -> None:
    backend = WatchedBackend(express_workers=1)
    async with engine_of(backend, batch_tokens=8) as engine:
        held = await occupy(engine, backend, options=BULK)
        bulk = asyncio.create_task(engine.embed(words(*range(20)), options=BULK))
        await until(lambda: queued(engine, "bulk") == 20)
        query = asyncio.create_task(engine.embed(["a query"], options=INTERACTIVE))
        await until(lambda: len(backend.batches) == 2)
        assert backend.batches[1] == ["a query"], "it began while the bulk's batch was held"
        assert queued(engine, "bulk") == 20, "and took none of the bulk along"
        backend.gate.set()
        answers = await asyncio.gather(held, bulk, query)
    np.testing.assert_allclose(answers[2].vectors, direct(["a query"]), atol=1e-6)
    np.testing.assert_allclose(answers[1].vectors, direct(words(*range(20))), atol=1e-6)


async def test_an_express_thread_leaves_queries_to_the_others_when_there_is_no_bulk(
    engine_of: EngineMaker,
) -> None:
    backend = WatchedBackend(express_workers=1)
    async with engine_of(backend, batch_tokens=8) as engine:
        held = await occupy(engine, backend)
        queries = [asyncio.create_task(engine.embed([f"query {n}"], options=INTERACTIVE)) for n in range(3)]
        await until(lambda: queued(engine, "interactive") == 3)
        await asyncio.sleep(0.05)
        assert len(backend.batches) == 1, "two batches of queries would share the cores"
        backend.gate.set()
        await asyncio.gather(held, *queries)


async def test_queries_that_come_while_others_compute_share_a_batch(engine_of: EngineMaker) -> None:
    """A second worker that is free gathers what trickles in instead of running it one by one."""
    backend = WatchedBackend(workers=2)
    async with engine_of(backend, batch_tokens=512) as engine:
        held = await occupy(engine, backend)
        queries = [asyncio.create_task(engine.embed([f"query {n}"], options=INTERACTIVE)) for n in range(8)]
        await until(lambda: len(backend.computed) == 9)
        backend.gate.set()
        await asyncio.gather(held, *queries)
    assert len(backend.batches) < 5


async def test_clients_that_are_answered_together_share_the_next_batch_too(
    engine_of: EngineMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker waits for those who were just answered: else two groups take turns in half batches."""
    monkeypatch.setattr("embedder.scheduler._GATHER_S", 0.3)
    monkeypatch.setattr("embedder.scheduler._TOGETHER_S", 10.0)
    backend = WatchedBackend()
    async with engine_of(backend, batch_tokens=512) as engine:

        async def client(number: int) -> None:
            await engine.embed([f"query {number}"], options=INTERACTIVE)
            await asyncio.sleep(0.05 * number)  # the answer is on its way
            await engine.embed([f"query {number} again"], options=INTERACTIVE)

        held = await occupy(engine, backend)
        clients = [asyncio.create_task(client(number)) for number in range(2)]
        await until(lambda: queued(engine, "interactive") == 2)
        backend.gate.set()
        await asyncio.gather(held, *clients)
    assert [sorted(batch) for batch in backend.batches] == [
        ["occupying"],
        ["query 0", "query 1"],
        ["query 0 again", "query 1 again"],
    ]


async def test_a_text_of_bulk_that_a_query_wants_goes_ahead_too(engine_of: EngineMaker) -> None:
    backend = WatchedBackend()
    async with engine_of(backend, batch_tokens=8) as engine:
        held = await occupy(engine, backend)
        bulk = asyncio.create_task(engine.embed(words(*range(20)), options=BULK))
        await until(lambda: queued(engine, "bulk") == 20)
        query = asyncio.create_task(engine.embed(words(19), options=INTERACTIVE))
        await until(lambda: queued(engine, "interactive") == 1)
        backend.gate.set()
        await asyncio.gather(held, bulk, query)
    assert backend.computed[1] == "text 19"
    assert backend.computed.count("text 19") == 1


async def test_bulk_is_not_starved_by_a_stream_of_queries(engine_of: EngineMaker) -> None:
    backend = WatchedBackend(delay_s=0.001)
    async with engine_of(backend, batch_tokens=8, cache_bytes=0) as engine:
        stop = asyncio.Event()

        async def stream(name: int) -> None:
            number = 0
            while not stop.is_set():
                number += 1
                await engine.embed([f"{name} {number}"], options=INTERACTIVE)

        streams = [asyncio.create_task(stream(name)) for name in range(12)]
        await asyncio.sleep(0.05)
        await asyncio.wait_for(engine.embed(words(*range(20)), options=BULK), 10)
        stop.set()
        await asyncio.gather(*streams)


def queued(engine: Engine, priority: str) -> float:
    labels = {"model": engine.settings.default_model, "priority": priority}
    value = engine.metrics.registry.get_sample_value("tessera_queue_texts", labels)
    return value or 0.0


async def test_a_cancelled_call_stops_costing_compute(engine_of: EngineMaker) -> None:
    backend = WatchedBackend()
    async with engine_of(backend, batch_tokens=8) as engine:
        held = await occupy(engine, backend)
        bulk = asyncio.create_task(engine.embed(words(*range(500)), options=BULK))
        await until(lambda: queued(engine, "bulk") == 500)
        bulk.cancel()
        with pytest.raises(asyncio.CancelledError):
            await bulk
        assert queued(engine, "bulk") == 0
        backend.gate.set()
        await held
        await engine.embed(["after"])
        assert engine.metrics.registry.get_sample_value("tessera_queue_tokens") == 0
    assert backend.computed == ["occupying", "after"]


async def test_a_text_others_still_want_survives_a_leaver(engine_of: EngineMaker) -> None:
    backend = WatchedBackend()
    async with engine_of(backend) as engine:
        held = await occupy(engine, backend)
        leaver = asyncio.create_task(engine.embed(["shared", "his own"]))
        stayer = asyncio.create_task(engine.embed(["shared"]))
        await until(lambda: queued(engine, "interactive") == 2)
        await asyncio.sleep(0.02)
        leaver.cancel()
        await asyncio.sleep(0)
        backend.gate.set()
        await held
        answer = await asyncio.wait_for(stayer, 5)
    np.testing.assert_allclose(answer.vectors, direct(["shared"]), atol=1e-6)
    assert "his own" not in backend.computed


@pytest.mark.parametrize("failure", [ValueError("bad"), MemoryError(), SystemExit(3), KeyboardInterrupt()])
async def test_one_bad_text_fails_alone_and_the_worker_lives_on(
    engine_of: EngineMaker, failure: BaseException
) -> None:
    backend = WatchedBackend()
    backend.failures["bad text"] = failure
    async with engine_of(backend) as engine:
        held = await occupy(engine, backend)
        good = [asyncio.create_task(engine.embed(words(n, n + 100))) for n in range(6)]
        bad = [asyncio.create_task(engine.embed(["fine", "bad text"])) for _ in range(2)]
        await until(lambda: queued(engine, "interactive") == 14)
        backend.gate.set()
        await held
        for number, task in enumerate(good):
            answer = await asyncio.wait_for(task, 5)
            np.testing.assert_allclose(answer.vectors, direct(words(number, number + 100)), atol=1e-6)
        for task in bad:
            with pytest.raises(BackendFailed) as caught:
                await asyncio.wait_for(task, 5)
            assert caught.value.index == 1
            assert "bad text" not in str(caught.value)
        assert (await engine.embed(["afterwards"])).vectors.shape == (1, 32)
        assert engine.metrics.registry.get_sample_value("tessera_queue_tokens") == 0


async def test_a_runtime_that_is_away_is_asked_once_a_batch_and_the_words_are_its_own(
    engine_of: EngineMaker,
) -> None:
    class Away(WatchedBackend):
        def encode(self, batch: Any) -> Any:
            super().encode(batch)
            raise ModelUnavailable("No upstream answers now.")

    backend = Away()
    async with engine_of(backend) as engine:
        with pytest.raises(ModelUnavailable, match="No upstream answers now"):
            await engine.embed(words(*range(32)))
        assert len(backend.computed) == len(set(backend.computed)) == 32


async def test_what_is_to_be_computed_says_whether_a_call_is_interactive(engine_of: EngineMaker) -> None:
    backend = WatchedBackend()
    async with engine_of(backend, batch_tokens=16) as engine:
        known = words(*range(100))
        await engine.embed(known)
        held = await occupy(engine, backend)
        mostly_known = asyncio.create_task(engine.embed([*known, "one that is new"]))
        new = asyncio.create_task(engine.embed(words(*range(500, 600))))
        await until(lambda: queued(engine, "interactive") == 1 and queued(engine, "bulk") > 0)
        backend.gate.set()
        await asyncio.gather(held, mostly_known, new)


async def test_what_is_no_vector_is_a_failure_and_never_an_answer(engine_of: EngineMaker) -> None:
    class Broken(WatchedBackend):
        def encode(self, batch: Any) -> Any:
            good = super().encode(batch)
            kinds = {
                "nan": good * np.nan,
                "short": good[:, :-1],
                "missing": good[:-1],
                "double": good.astype(float),
            }
            return kinds.get(str(batch[0].text), good)

    async with engine_of(Broken()) as engine:
        for name in ("nan", "short", "missing", "double"):
            with pytest.raises(BackendFailed):
                await engine.embed([name])
        assert (await engine.embed(["good"])).vectors.shape == (1, 32)


async def test_a_failure_outside_the_runtime_answers_its_callers_too(
    engine_of: EngineMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine_of(WatchedBackend()) as engine:
        with monkeypatch.context() as patch:
            patch.setattr(engine._cache, "put", lambda *_: 1 / 0)
            with pytest.raises(BackendFailed):
                await asyncio.wait_for(engine.embed(["text"]), 5)
        assert (await asyncio.wait_for(engine.embed(["text"]), 5)).vectors.shape == (1, 32)


async def test_past_the_bound_requests_are_refused_and_jobs_wait(engine_of: EngineMaker) -> None:
    backend = WatchedBackend()
    async with engine_of(backend, queue_tokens=100, batch_tokens=16) as engine:
        held = await occupy(engine, backend)
        job = asyncio.create_task(engine.embed(words(*range(100)), options=JOB))
        await until(lambda: queued(engine, "bulk") > 0)
        with pytest.raises(Overloaded) as caught:
            await engine.embed(words(*range(200, 220)))
        assert caught.value.retry_after_s >= 1
        with pytest.raises(TooLarge):
            await engine.embed(words(*range(300, 330)))
        backend.gate.set()
        await held
        answer = await asyncio.wait_for(job, 10)
    np.testing.assert_allclose(answer.vectors, direct(words(*range(100))), atol=1e-6)


async def test_a_failing_text_is_named_by_its_place_in_the_call(engine_of: EngineMaker) -> None:
    backend = WatchedBackend()
    backend.failures["bad"] = ValueError("quotes the bad text")
    async with engine_of(backend, queue_tokens=40) as engine:
        await engine.embed(["known 1", "known 2"])
        for options, texts in ((BULK, []), (JOB, words(*range(10)))):
            with pytest.raises(BackendFailed) as caught:
                await engine.embed(["known 1", "known 2", *texts, "bad"], options=options)
            assert caught.value.index == 2 + len(texts)
            assert caught.value.__cause__ is None


async def test_callers_of_bulk_take_turns(engine_of: EngineMaker) -> None:
    backend = WatchedBackend()
    async with engine_of(backend, batch_tokens=8) as engine:
        held = await occupy(engine, backend)
        large = asyncio.create_task(engine.embed(words(*range(200)), options=BULK))
        await until(lambda: queued(engine, "bulk") == 200)
        small = asyncio.create_task(engine.embed(words(*range(500, 505)), options=BULK))
        await until(lambda: queued(engine, "bulk") == 205)
        backend.gate.set()
        await asyncio.gather(held, large, small)
    assert max(backend.computed.index(text) for text in words(*range(500, 505))) < 25


async def test_jobs_leave_room_for_requests(engine_of: EngineMaker) -> None:
    backend = WatchedBackend()
    async with engine_of(backend, queue_tokens=400, batch_tokens=16) as engine:
        held = await occupy(engine, backend)
        job = asyncio.create_task(engine.embed(words(*range(1000)), options=JOB))
        await until(lambda: queued(engine, "bulk") > 0)
        await asyncio.sleep(0.05)
        queries = [asyncio.create_task(engine.embed([f"query {n}"])) for n in range(20)]
        backend.gate.set()
        await held
        for query in queries:
            assert (await asyncio.wait_for(query, 10)).vectors.shape == (1, 32)
        job.cancel()


async def test_a_call_that_left_leaves_no_error_for_asyncio_to_log(
    engine_of: EngineMaker, caplog: pytest.LogCaptureFixture
) -> None:
    backend = WatchedBackend()
    for number in range(20):
        backend.failures[f"bad secret {number}"] = ValueError("cannot embed a secret")
    async with engine_of(backend) as engine:
        for number in range(20):
            task = asyncio.create_task(engine.embed([f"bad secret {number}"]))
            await until(lambda number=number: f"bad secret {number}" in backend.computed)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, BackendFailed):
                await task
    gc.collect()
    assert "never retrieved" not in caplog.text
    assert "secret" not in caplog.text


async def test_stopping_finishes_what_is_begun_and_takes_nothing_new(engine_of: EngineMaker) -> None:
    backend = WatchedBackend(delay_s=0.02)
    async with engine_of(backend, batch_tokens=8) as engine:
        task = asyncio.create_task(engine.embed(words(*range(10))))
        await until(backend.entered.is_set)
        tokenising = asyncio.create_task(engine.embed(words(*range(100, 130))))
        await asyncio.sleep(0)
        closing = asyncio.create_task(engine.close())
        await asyncio.sleep(0)
        with pytest.raises(ShuttingDown):
            await engine.embed(["late"])
        assert (await task).vectors.shape == (10, 32)
        assert (await tokenising).vectors.shape == (30, 32)
        await closing


async def test_past_the_drain_limit_callers_are_told(engine_of: EngineMaker) -> None:
    backend = WatchedBackend()
    async with engine_of(backend, batch_tokens=8, drain_s=0.05) as engine:
        held = await occupy(engine, backend)
        waiting = asyncio.create_task(engine.embed(words(*range(10))))
        await until(lambda: queued(engine, "bulk") + queued(engine, "interactive") == 10)
        await engine.close()
        for task in (held, waiting):
            with pytest.raises(ShuttingDown):
                await asyncio.wait_for(task, 1)
        backend.gate.set()
