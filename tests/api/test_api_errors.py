from __future__ import annotations

import asyncio
import threading

import httpx
import pytest

from embedder import errors as tree
from embedder.api.errors import ERROR_KINDS, TimedOut, Unauthorized, answer_error
from embedder.backends.hashing import HashingBackend
from tests.api.canonical import FIELDS, assert_canonical_error

NEVER_IN_HTTP = {tree.TesseraError, tree.ConfigError, tree.FileUnreadable}


def descendants(cls: type) -> set[type]:
    return {cls}.union(*(descendants(sub) for sub in cls.__subclasses__()))


def test_every_error_has_its_row() -> None:
    ours = {cls for cls in descendants(tree.TesseraError) if cls.__module__.startswith("embedder")}
    assert ours == set(ERROR_KINDS) | NEVER_IN_HTTP


@pytest.mark.parametrize(
    ("error", "status", "type_", "param", "code"),
    [
        (
            tree.InvalidInput("Such a thing.", param="input", code="c"),
            400,
            "invalid_request_error",
            "input",
            "c",
        ),
        (tree.InvalidInput("Such a thing."), 400, "invalid_request_error", None, None),
        (tree.UnknownModel("x", ("y",)), 404, "invalid_request_error", "model", "model_not_found"),
        (tree.TooLarge("Such a thing."), 413, "invalid_request_error", None, "request_too_large"),
        (tree.Overloaded(1.2), 429, "rate_limit_error", None, "rate_limit_exceeded"),
        (tree.RateLimited(100, 1.2), 429, "rate_limit_error", None, "rate_limit_exceeded"),
        (tree.KeysUnavailable(1.2), 500, "server_error", None, "keys_unavailable"),
        (tree.BackendFailed("secret"), 500, "server_error", None, "backend_failed"),
        (tree.ModelUnavailable("Such a thing."), 503, "server_error", None, "model_unavailable"),
        (tree.ShuttingDown(), 503, "server_error", None, "shutting_down"),
        (TimedOut("Such a thing."), 503, "server_error", None, "timeout"),
        (Unauthorized("Such a thing.", code="k"), 401, "invalid_request_error", None, "k"),
        (tree.ConfigError("secret"), 500, "server_error", None, "internal_error"),
        (tree.FileUnreadable("secret"), 500, "server_error", None, "internal_error"),
        (tree.InvalidInput("half a pair \ud800"), 400, "invalid_request_error", None, None),
    ],
)
def test_the_table(
    error: tree.TesseraError, status: int, type_: str, param: str | None, code: str | None
) -> None:
    import json

    response = answer_error(error)
    assert response.status_code == status
    body = json.loads(bytes(response.body))["error"]
    assert set(body) == FIELDS
    assert (body["type"], body["param"], body["code"]) == (type_, param, code)
    assert "secret" not in body["message"]


def test_retry_after_is_whole_seconds_rounded_up() -> None:
    for seconds, header, ms in [(0.001, "1", "1"), (1.2, "2", "1200"), (30.0, "30", "30000")]:
        headers = answer_error(tree.Overloaded(seconds)).headers
        assert (headers["retry-after"], headers["retry-after-ms"]) == (header, ms)
    headers = answer_error(tree.ModelUnavailable("Such a thing.", retry_after_s=3)).headers
    assert headers["retry-after"] == "3"
    assert "retry-after" not in answer_error(tree.ModelUnavailable("Such a thing.")).headers


async def post(client: httpx.AsyncClient, **body: object) -> httpx.Response:
    return await client.post("/v1/embeddings", json={"model": "org/tiny", "input": "a", **body})


class Stuck(HashingBackend):
    """A runtime that computes when it is let."""

    go = threading.Event()

    def encode(self, batch):
        assert self.go.wait(10)
        return super().encode(batch)


async def test_overload_is_429_and_says_when(make_client) -> None:
    Stuck.go = threading.Event()
    async with make_client(loader=lambda model_id, *_: Stuck(model_id), queue_tokens=100) as client:
        first = asyncio.create_task(post(client, input=["a b c d e f"] * 1 + ["word " * 60]))
        await asyncio.sleep(0.1)
        refused = await post(client, input="other " * 60)
        Stuck.go.set()
        assert_canonical_error(refused, 429, code="rate_limit_exceeded")
        assert (await first).status_code == 200


async def test_too_many_tokens_are_413(make_client) -> None:
    async with make_client(max_request_tokens=50) as client:
        assert_canonical_error(await post(client, input=["a b c"] * 20), 413, code="request_too_large")


async def test_a_request_that_takes_too_long(make_client) -> None:
    Stuck.go = threading.Event()
    async with make_client(
        loader=lambda model_id, *_: Stuck(model_id), models=(), request_timeout_s=0.2
    ) as client:
        assert_canonical_error(await post(client), 503, code="timeout")
        Stuck.go.set()
        assert (await post(client, input="b")).status_code == 200


async def test_a_body_that_never_comes(make_client) -> None:
    async def body():
        yield b"{"
        await asyncio.sleep(10)

    async with make_client(request_timeout_s=0.2) as client:
        assert_canonical_error(await client.post("/v1/embeddings", content=body()), 503, code="timeout")


class Failing(HashingBackend):
    """A runtime that fails on one text."""

    def encode(self, batch):
        if any("poison" in text.text for text in batch):
            raise RuntimeError("poison: the caller's words")
        return super().encode(batch)


async def test_a_text_the_runtime_fails_on(make_client, caplog) -> None:
    async with make_client(loader=lambda model_id, *_: Failing(model_id)) as client:
        response = await post(client, input=["good", "poison", "well"])
        error = assert_canonical_error(response, 500, code="backend_failed")
        assert "index 1" in error["message"]
        assert "poison" not in response.text + caplog.text
        assert (await post(client, input=["good", "well"])).status_code == 200


async def test_a_server_that_is_leaving(client: httpx.AsyncClient) -> None:
    await client.engine.close()
    assert_canonical_error(await post(client), 503, code="shutting_down")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
    ],
)
async def test_other_content_types(client: httpx.AsyncClient, content_type: str) -> None:
    response = await client.post(
        "/v1/embeddings", content=b'{"model":"org/tiny","input":"a"}', headers={"content-type": content_type}
    )
    assert_canonical_error(response, 415, code="unsupported_content_type")


@pytest.mark.parametrize(
    "content_type", [None, "application/json", "Application/JSON; charset=utf-8", "a/b+json"]
)
async def test_json_content_types(client: httpx.AsyncClient, content_type: str | None) -> None:
    headers = {"content-type": content_type} if content_type else {}
    body = b'{"model":"org/tiny","input":"a"}'
    assert (await client.post("/v1/embeddings", content=body, headers=headers)).status_code == 200


async def test_compressed_bodies_are_refused_with_a_reason(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/embeddings", content=b"x", headers={"content-encoding": "gzip"})
    assert_canonical_error(response, 415)


async def test_a_body_over_the_limit(make_client) -> None:
    async with make_client(max_body_bytes=1000) as client:
        assert_canonical_error(await post(client, input="a" * 1000), 413, code="request_too_large")
        assert (await post(client, input="a" * 900)).status_code == 200

        async def chunks():
            for _ in range(5):
                yield b"a" * 300

        assert_canonical_error(await client.post("/v1/embeddings", content=chunks()), 413)


async def test_bodies_share_a_bounded_room(make_client) -> None:
    Stuck.go = threading.Event()
    async with make_client(
        loader=lambda model_id, *_: Stuck(model_id), models=(), max_body_bytes=1000
    ) as client:
        held = [asyncio.create_task(post(client, input="a" * (900 + i))) for i in range(4)]
        await asyncio.sleep(0.1)
        refused = await post(client, input="b" * 900)
        Stuck.go.set()
        assert_canonical_error(refused, 429)
        assert [(await task).status_code for task in held] == [200] * 4
        assert (await post(client, input="b" * 900)).status_code == 200
        assert client._transport.app._api._app.state.context.bodies.held_bytes == 0
