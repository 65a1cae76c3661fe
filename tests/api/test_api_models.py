from __future__ import annotations

import asyncio

import httpx
import pytest

from embedder.backends import load_backend
from embedder.backends.hashing import HashingBackend
from embedder.config import DEFAULT_MODEL
from tests.api.canonical import assert_canonical_error


async def test_models_in_openais_shape_and_more(client: httpx.AsyncClient) -> None:
    body = (await client.get("/v1/models")).json()
    assert body["object"] == "list"
    assert [entry["id"] for entry in body["data"]] == ["org/tiny", "plain"]
    first = body["data"][0]
    assert first["object"] == "model"
    assert type(first["created"]) is int
    assert first["owned_by"] == "org"
    assert first["state"] == "ready"
    assert first["dimensions"] == 32
    assert first["max_tokens"] == 64
    assert first["runtime"] == "hashing"
    assert first["normalized"] is True
    assert first["prompts"] == ["document", "query"]
    assert "loses accuracy" in first["dimensions_note"]
    assert (first["precision"], first["neighbours_kept"]) == ("float32", None)


@pytest.mark.model
@pytest.mark.usefixtures("few_paragraphs")
async def test_what_int8_costs_is_said(make_client, tmp_path) -> None:
    """The real model, measured as it is loaded."""
    async with make_client(
        loader=load_backend, model=DEFAULT_MODEL, models=(), precision="int8", cache_dir=tmp_path
    ) as client:
        (model,) = (await client.get("/v1/models")).json()["data"]
        answer = await client.post("/v1/embeddings", json={"model": DEFAULT_MODEL, "input": "a text"})
    assert model["precision"] == "int8"
    assert 0.9 < model["neighbours_kept"] < 1
    assert model["fingerprint"].endswith("-int8")
    assert len(answer.json()["data"][0]["embedding"]) == 384


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/org/tiny",
        "/v1/models/org%2Ftiny",
        "/org/tiny/v1/models/org/tiny",
        "/org%2Ftiny/v1/models/org%2Ftiny",
    ],
)
async def test_one_model(client: httpx.AsyncClient, path: str) -> None:
    listed = (await client.get("/v1/models")).json()["data"][0]
    assert (await client.get(path)).json() == listed


async def test_a_models_path_lists_that_model(client: httpx.AsyncClient) -> None:
    for path in ["/org/tiny/v1/models", "/org%2Ftiny/v1/models/"]:
        assert [entry["id"] for entry in (await client.get(path)).json()["data"]] == ["org/tiny"]


async def test_unknown_models(client: httpx.AsyncClient) -> None:
    for path in ["/v1/models/nope", "/nope/v1/models", "/nope/v1/models/nope", "/org/tiny/v1/models/plain"]:
        assert_canonical_error(await client.get(path), 404, code="model_not_found")


async def test_what_is_loading_is_listed_and_ready_says_so(make_client) -> None:
    import threading

    go = threading.Event()

    def load(model_id, source, settings):
        assert go.wait(10)
        if model_id == "plain":
            raise RuntimeError("/secret/place")
        return HashingBackend(model_id)

    async with make_client(loader=load, ready=False) as client:
        try:
            assert (await client.get("/health")).json()["status"] == "ok"
            response = await client.get("/ready")
            assert_canonical_error(response, 503, code="model_unavailable")
            assert response.headers["retry-after"] == "1"
            assert response.json()["models"][0] == {"id": "org/tiny", "state": "loading"}
            listed = (await client.get("/v1/models")).json()["data"]
            assert [entry["state"] for entry in listed] == ["loading", "loading"]
            assert listed[0]["dimensions"] is None
            waiting = asyncio.create_task(
                client.post("/v1/embeddings", json={"model": "org/tiny", "input": "a"})
            )
        finally:
            go.set()
        assert (await waiting).status_code == 200
        assert (await client.get("/ready")).status_code == 200
        failed = await client.post("/v1/embeddings", json={"model": "plain", "input": "a"})
        assert_canonical_error(failed, 503, code="model_unavailable")
        states = (await client.get("/ready")).json()["models"]
        assert states[1] == {"id": "plain", "state": "failed"}
        assert "secret" not in (await client.get("/v1/models")).text + failed.text


async def test_ready_of_a_default_model_that_failed(make_client) -> None:
    def load(model_id, source, settings):
        raise RuntimeError("/secret/place")

    async with make_client(loader=load, ready=False, models=()) as client:
        await client.post("/v1/embeddings", json={"model": "org/tiny", "input": "a"})
        response = await client.get("/ready")
        assert_canonical_error(response, 503)
        assert response.json()["status"] == "failed"
        assert "secret" not in response.text


async def test_tokenize(client: httpx.AsyncClient) -> None:
    response = await client.post(
        "/v1/tokenize", json={"model": "org/tiny", "input": ["héllo wörld", "word " * 99]}
    )
    body = response.json()
    assert body["object"] == "list"
    assert body["model"] == "org/tiny"
    first, second = body["data"]
    assert first["tokens"] == ["<s>", "héllo", "wörld", "</s>"]
    assert first["offsets"] == [[0, 0], [0, 5], [6, 11], [0, 0]]
    assert first["count"] == len(first["ids"]) == 4
    assert first["truncated"] is False
    assert second["truncated"] is True
    assert second["count"] == 64
    by_path = await client.post("/org/tiny/v1/tokenize", json={"input": "a", "input_type": "query"})
    assert by_path.json()["data"][0]["tokens"] == ["<s>", "query:", "a", "</s>"]


@pytest.mark.parametrize("value", [None, "", [], [1, 2], [[1]], 5, ["a", 1], [""]])
async def test_wrong_inputs_of_tokenize(client: httpx.AsyncClient, value: object) -> None:
    response = await client.post("/v1/tokenize", json={"model": "org/tiny", "input": value})
    assert_canonical_error(response, 400, param="input")


async def test_tokenize_is_bounded(make_client) -> None:
    async with make_client(max_request_tokens=100) as client:
        response = await client.post(
            "/v1/tokenize", json={"model": "org/tiny", "input": ["a" * 300, "b" * 101]}
        )
        assert_canonical_error(response, 413)


async def test_metrics_name_routes_never_paths(client: httpx.AsyncClient) -> None:
    await client.post("/org/tiny/v1/embeddings", json={"input": "a"})
    await client.get("/secret-path/v1/models")
    await client.get("/v1/secret-path")
    response = await client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = response.text
    assert 'tessera_http_requests_total{route="/{model:path}/v1/embeddings",status="200"} 1.0' in text
    assert 'tessera_http_requests_total{route="unknown",status="404"} 1.0' in text
    assert "secret-path" not in text
    assert 'tessera_http_request_seconds_count{route="/{model:path}/v1/embeddings"} 1.0' in text
