"""Models of other servers: the vectors are theirs, one that fails is passed over, keys stay secret."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedder.backends import load_backend
from embedder.config import Settings
from embedder.engine import Engine
from embedder.errors import InvalidInput, ModelUnavailable
from embedder.types import EmbedOptions
from tests.cli.commands import run
from tests.conftest import KEY, MODEL, Server, free_port, live_server

TEXTS = [f"Text number {number} of an upstream's test." for number in range(100)]
LOCAL = "local/minilm"


def settings_of(*bases: str, key: str = KEY, **more: Any) -> Settings:
    """A front of these servers, beside the same model in this process."""
    hosts = [base.removeprefix("http://") for base in bases]
    sources = " ".join(f"{base}/v1#{MODEL}" for base in bases)
    return Settings.load(
        {
            "model": f"far/minilm={sources}",
            "upstream_keys": tuple(f"{host}={key}" for host in hosts),
            "models": (f"{LOCAL}={MODEL}",),
            "cache_bytes": 0,
            **more,
        }
    )


@pytest.mark.model
async def test_vectors_and_their_space_are_the_upstreams(server: Server) -> None:
    async with Engine(settings_of(server.base)) as engine:
        far = await engine.embed(TEXTS)
        near = await engine.embed(TEXTS, model=LOCAL)
        np.testing.assert_allclose(far.vectors, near.vectors, atol=1e-5)
        # Another Tessera says which space it is, so collections of either side go together.
        assert far.model.fingerprint == near.model.fingerprint
        assert (far.model.runtime, far.model.dimensions, far.model.max_tokens) == ("upstream", 384, 256)
        assert far.model.normalized
        cut = await engine.embed(TEXTS[:2], dimensions=8, options=EmbedOptions(prompt="Say: "))
        assert cut.vectors.shape == (2, 8)
        expected = await engine.embed(
            TEXTS[:2], dimensions=8, model=LOCAL, options=EmbedOptions(prompt="Say: ")
        )
        np.testing.assert_allclose(cut.vectors, expected.vectors, atol=1e-5)
        with pytest.raises(InvalidInput, match="token ids"):
            await engine.embed([(101, 102)])


@pytest.mark.model
async def test_one_that_is_down_is_passed_over(server: Server, tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    async with Engine(settings_of(nobody, server.base)) as engine:
        assert (await engine.embed(TEXTS[:3])).vectors.shape == (3, 384)
    with live_server(tmp_path, "--no-ui") as second:
        async with Engine(settings_of(second.base, server.base)) as engine:
            first = await engine.embed(TEXTS[:40])
            second.process.kill()
            second.process.wait()
            made = await engine.embed(TEXTS)
            np.testing.assert_allclose(made.vectors[:40], first.vectors, atol=1e-5)


@pytest.mark.model
async def test_while_all_are_down_callers_are_told_to_come_again(tmp_path: Path) -> None:
    with live_server(tmp_path, "--no-ui") as only:
        async with Engine(settings_of(only.base)) as engine:
            await engine.embed(TEXTS[:3])
            only.process.kill()
            only.process.wait()
            with pytest.raises(ModelUnavailable, match=r"No upstream of .* answers now \(APIConnectionError"):
                await engine.embed(TEXTS)


@pytest.mark.model
async def test_when_none_answers_it_says_so_and_keeps_the_key(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = settings_of(server.base, key="a-secret-that-is-wrong")
    with pytest.raises(ModelUnavailable, match=r"No upstream of far/minilm answers \(AuthenticationError\)"):
        load_backend("far/minilm", wrong.allowed_models["far/minilm"], wrong)
    assert "a-secret" not in caplog.text
    assert "a-secret" not in repr(wrong)
    nowhere = settings_of(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ModelUnavailable, match="APIConnectionError"):
        load_backend("far/minilm", nowhere.allowed_models["far/minilm"], nowhere)
    for address in ("https://user:password@host/v1", "https:///v1"):
        with pytest.raises(ModelUnavailable, match="no address"):
            load_backend("far/minilm", address, nowhere)


@pytest.mark.model
def test_the_server_is_a_front_of_another_one(server: Server, tmp_path: Path) -> None:
    import openai

    host = server.base.removeprefix("http://")
    variables = {
        "TESSERA_MODEL": f"far={server.base}/v1#{MODEL}",
        "TESSERA_UPSTREAM_KEYS": f"{host}={KEY}",
    }
    with live_server(tmp_path, "--no-ui", **variables) as front:
        with openai.OpenAI(base_url=f"{front.base}/far/v1", api_key=front.key) as client:
            made = client.embeddings.create(model="far", input=TEXTS[:2])
        with openai.OpenAI(base_url=f"{server.base}/v1", api_key=KEY) as client:
            direct = client.embeddings.create(model=MODEL, input=TEXTS[:2])
        np.testing.assert_allclose(
            [row.embedding for row in made.data], [row.embedding for row in direct.data], atol=1e-6
        )
        assert KEY not in front.log.read_text()
    listed = run(tmp_path, "models", **variables)
    assert f"another server's: {host}" in listed.stdout.decode()
    assert KEY not in json.dumps(listed.stdout.decode())
