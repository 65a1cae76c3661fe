"""Which of several servers is asked, which is left alone, and whom the caller hears of: over real HTTP."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Any

import httpx
import numpy as np
import openai
import pytest

from embedder.api.app import create_api
from embedder.backends import load_backend
from embedder.backends.upstream import Upstream
from embedder.config import Settings
from embedder.engine import Engine
from embedder.errors import BackendFailed, ModelUnavailable
from embedder.protocols import Backend
from embedder.types import Prompt
from tests.backends.small_upstream import POISON, Small, small
from tests.conftest import free_port

KEY = "key-of-the-upstreams"
TEXTS = [f"Text number {number}." for number in range(70)]
NO_PROMPT = Prompt()


def settings_of(*servers: Small, **more: Any) -> Settings:
    return Settings.load(
        {
            "model": "far=" + " ".join(f"http://{server.host}/v1#m" for server in servers),
            "upstream_keys": tuple(f"{server.host}={KEY}" for server in servers),
            "cache_bytes": 0,
            **more,
        }
    )


def loaded(settings: Settings) -> Backend:
    return load_backend("far", settings.allowed_models["far"], settings)


def expected(server: Small, texts: Iterable[str]) -> np.ndarray:
    return np.array([server.vector(text) for text in texts], dtype=np.float32)


def told_of(server: Small, log: pytest.LogCaptureFixture) -> list[str]:
    """What the log says of a server's failures."""
    lines = [record.getMessage() for record in log.records]
    return [line for line in lines if server.host in line and "left alone" in line]


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_what_one_refuses_another_answers(status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with small() as refusing, small() as healthy:
        async with Engine(settings_of(refusing, healthy)) as engine:
            await engine.model_info()
            refusing.status = status
            for _ in range(10):
                made = await engine.embed(TEXTS)
                np.testing.assert_allclose(made.vectors, expected(healthy, TEXTS), atol=1e-6)
        assert 1 <= refusing.refused <= 3, "requests that were side by side; after them it is left alone"
        (line,) = told_of(refusing, caplog)
        assert f"({status})" in line
    assert "halving" not in caplog.text
    assert KEY not in caplog.text


async def test_a_wrong_key_from_the_start_leaves_the_other(caplog: pytest.LogCaptureFixture) -> None:
    with small(key="another") as refusing, small(key=KEY) as healthy:
        async with Engine(settings_of(refusing, healthy)) as engine:
            assert (await engine.embed(TEXTS)).vectors.shape == (70, 8)
            # Where the other one is gone the first is asked again, though its pause is not over.
            healthy.status, refusing.key = 503, None
            assert (await engine.embed(TEXTS)).vectors.shape == (70, 8)
        assert len(told_of(refusing, caplog)) == 1
    assert KEY not in caplog.text


async def test_a_request_that_is_at_fault_is_not_passed_on(caplog: pytest.LogCaptureFixture) -> None:
    with small() as first, small() as second:
        async with Engine(settings_of(first, second)) as engine:
            await engine.model_info()
            first.status = second.status = 400
            with pytest.raises(BackendFailed, match="BadRequestError"):
                await engine.embed(TEXTS[:1])
        assert first.refused + second.refused == 1
        assert not told_of(first, caplog)
        assert not told_of(second, caplog)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"dimensions": 16}, "it sends 16 dimensions where"),
        ({"model": "two"}, "it has another model"),
        ({"fingerprint": "b" * 32}, "fingerprint is bbbb"),
    ],
)
async def test_one_with_other_vectors_is_never_used(
    other: dict[str, Any], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    with small(fingerprint="a" * 32) as first, small(**{"fingerprint": "a" * 32, **other}) as second:
        async with Engine(settings_of(first, second)) as engine:
            made = await engine.embed(TEXTS * 10)
            np.testing.assert_allclose(made.vectors[:70], expected(first, TEXTS), atol=1e-6)
            assert made.model.fingerprint == "a" * 32
            (line,) = told_of(second, caplog)
            assert says in line
            first.status = 503  # not even then
            with pytest.raises(ModelUnavailable, match="WrongAnswer"):
                await engine.embed(TEXTS)
        assert all(len(texts) == 1 for texts in second.asked), "the text of the check, and no other"


async def test_one_that_was_away_is_checked_before_it_is_used(caplog: pytest.LogCaptureFixture) -> None:
    late = Small(free_port())
    with small() as first:
        async with Engine(settings_of(first, late)) as engine:
            assert (await engine.embed(TEXTS)).vectors.shape == (70, 8)
            first.status = 503
            with small(port=late.port, model="two") as wrong:
                with pytest.raises(ModelUnavailable):
                    await engine.embed(TEXTS)
                assert all(len(texts) == 1 for texts in wrong.asked)
            with small(port=late.port) as right:
                made = await engine.embed(TEXTS)
                assert len(right.asked[0]) == 1
            np.testing.assert_allclose(made.vectors, expected(first, TEXTS), atol=1e-6)


async def test_one_that_changes_its_width_is_not_used_any_more(caplog: pytest.LogCaptureFixture) -> None:
    with small() as first, small() as second:
        async with Engine(settings_of(first, second)) as engine:
            await engine.model_info()
            second.dimensions = 16
            for _ in range(3):
                made = await engine.embed(TEXTS * 3)
                np.testing.assert_allclose(made.vectors[:70], expected(first, TEXTS), atol=1e-6)
        (line,) = told_of(second, caplog)
        assert "16 dimensions" in line


async def test_who_has_least_to_do_is_asked_and_parts_go_side_by_side() -> None:
    texts = [f"Number {number}." for number in range(34 * 32)]
    with small(delay_s=0.5) as slow, small() as quick:
        async with Engine(settings_of(slow, quick)) as engine:
            await engine.model_info()
            for server in (slow, quick):
                server.asked.clear()
                server.most_busy = 0
            made = await engine.embed(texts)
            np.testing.assert_allclose(made.vectors, expected(quick, texts), atol=1e-6)
        assert max(map(len, slow.asked + quick.asked)) <= 32
        # As many as were begun at once share the two; what follows goes to the one that is free.
        assert len(slow.asked) < len(quick.asked)
        assert slow.most_busy >= 2


def test_a_batch_of_many_parts_takes_no_longer_than_some(caplog: pytest.LogCaptureFixture) -> None:
    with small(delay_s=0.3) as first, small(delay_s=0.3) as second:
        backend = loaded(settings_of(first, second))
        batch = backend.tokenize([f"Number {number}." for number in range(9 * 32)], NO_PROMPT)
        assert backend.encode(batch).shape == (288, 8)
        assert first.most_busy > 1
        assert second.most_busy > 1
        assert first.most_busy + second.most_busy <= 9
        backend.close()


def test_among_equals_each_has_its_share() -> None:
    with small() as first, small() as second:
        backend = loaded(settings_of(first, second))
        for text in TEXTS[:60]:
            backend.encode(backend.tokenize([text], NO_PROMPT))
        # One by one there is never anything outstanding; fewer than 10 of 60 happens once in 10 million.
        assert len(first.asked) >= 10
        assert len(second.asked) >= 10
        backend.close()


@pytest.mark.parametrize("status", [401, 429, 500, 503])
async def test_where_none_answers_callers_are_told_when_to_come_again(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with small() as first, small() as second:
        settings = settings_of(first, second, open=True)
        async with Engine(settings) as engine:
            await engine.model_info()
            first.status = second.status = status
            transport = httpx.ASGITransport(app=create_api(engine, settings))
            async with httpx.AsyncClient(transport=transport, base_url="http://front") as client:
                answer = await client.post("/v1/embeddings", json={"model": "far", "input": TEXTS})
        assert answer.status_code == 503, answer.text
        assert answer.json()["error"]["code"] == "model_unavailable"
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert "halving" not in caplog.text
        # Three parts at each server, each with a check, and with a question whether the texts are at fault.
        assert first.refused + second.refused <= 18


async def test_where_none_answers_at_the_start_it_is_asked_again_until_one_does() -> None:
    with small() as far:
        settings = settings_of(far, open=True)
        far.status = 503
        async with Engine(settings) as engine:
            transport = httpx.ASGITransport(app=create_api(engine, settings))
            async with httpx.AsyncClient(transport=transport, base_url="http://front") as client:
                early = await client.post("/v1/embeddings", json={"model": "far", "input": "x"})
                ready = await client.get("/ready")
                assert (early.status_code, ready.status_code) == (503, 503), early.text
                for refused in (early, ready):
                    assert "is tried again" in refused.json()["error"]["message"]
                assert early.headers["Retry-After"] == "1"
                far.status = 200
                for _ in range(200):
                    if (await client.get("/ready")).status_code == 200:
                        break
                    await asyncio.sleep(0.05)
                answer = await client.post("/v1/embeddings", json={"model": "far", "input": "x"})
        made = np.array(answer.json()["data"][0]["embedding"], np.float32)
        np.testing.assert_array_equal(made, np.array(far.vector("x"), np.float32))


def test_requests_that_fail_side_by_side_are_one_failure() -> None:
    upstream = Upstream(openai.OpenAI(base_url="http://127.0.0.1/v1", api_key=KEY), "m", "127.0.0.1")
    away = openai.APIConnectionError(request=httpx.Request("POST", "http://127.0.0.1/v1"))
    for _ in range(20):
        upstream.failed(away)
    assert upstream.down_until_s - time.monotonic() <= 1.0
    upstream.down_until_s = time.monotonic()  # it was left alone for so long, and fails again
    upstream.failed(away)
    assert 1.0 < upstream.down_until_s - time.monotonic() <= 2.0
    upstream.client.close()


@pytest.mark.parametrize("of_the_other", [200, 401, 503])
async def test_one_text_that_breaks_every_server_fails_alone(of_the_other: int) -> None:
    texts = [*TEXTS[:40], POISON, *TEXTS[40:]]
    with small() as first, small() as second:
        async with Engine(settings_of(first, second)) as engine:
            await engine.model_info()
            second.status = of_the_other
            with pytest.raises(BackendFailed) as failed:
                await engine.embed(texts)
            assert failed.value.index == 40
            # The servers are as good as before, and so are the other texts.
            made = await engine.embed(TEXTS)
            np.testing.assert_allclose(made.vectors, expected(first, TEXTS), atol=1e-6)
