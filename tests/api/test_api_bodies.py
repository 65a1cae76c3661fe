"""Never a 500 for any body."""

from __future__ import annotations

import asyncio
import json
import os

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedder import Engine, Settings
from embedder.api.app import create_api
from embedder.backends.hashing import HashingBackend
from tests.api.canonical import assert_canonical_error

PATHS = ["/v1/embeddings", "/org/tiny/v1/embeddings", "/v1/tokenize", "/org/tiny/v1/tokenize"]
GOOD = b'{"model":"org/tiny","input":"a"}'


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  \n",
        b"{",
        b"nothing",
        b"null",
        b"[]",
        b"17",
        b'"text"',
        b"true",
        b'{"model":"org/tiny","input":NaN}',
        b'{"model":"org/tiny","input":"a","dimensions":NaN}',
        b'{"model":"org/tiny","input":"a","dimensions":Infinity}',
        b'{"model":"org/tiny","input":"a","dimensions":1e999}',
        b'{"model":"org/tiny","input":"\\ud800"}',
        b'{"model":"org/tiny","input":["a","\\udfff b"]}',
        b'{"model":"\\ud800","input":"a"}',
        b'{"model":"org/tiny","input":"\xff\xfe"}',
        b'\xef\xbb\xbf{"model":"org/tiny","input":"a"}',
        b"\xff\xfe{\x00}\x00",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"model":"org/tiny","input":' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"model":"org/tiny","input":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        GOOD + GOOD,
        b"\x00" + GOOD,
    ],
    ids=lambda body: body[:24],
)
async def test_broken_bodies(client: httpx.AsyncClient, path: str, body: bytes) -> None:
    response = await client.post(path, content=body, headers={"content-type": "application/json"})
    assert_canonical_error(response, 400)


@pytest.mark.parametrize("path", PATHS)
async def test_odd_texts_are_texts(client: httpx.AsyncClient, path: str) -> None:
    for text in [
        "\x00",
        "a\x00b",
        " ",
        "\ufffe",
        "\ufeff",
        "\U0010ffff",
        "🙂",
        "e\u0301" * 50,
        "<|endoftext|>",
        "\u202e",
    ]:
        response = await client.post(path, json={"model": "org/tiny", "input": text})
        assert response.status_code == 200, (text, response.text)


async def test_a_text_of_a_megabyte(client: httpx.AsyncClient) -> None:
    for text in ["a" * 2**20, "word " * 2**18]:
        response = await client.post("/v1/embeddings", json={"model": "org/tiny", "input": text})
        assert response.status_code == 200
    assert response.headers["x-truncated"] == "1"


async def test_the_body_is_not_repeated(client: httpx.AsyncClient, caplog) -> None:
    for body in [
        b'{"model":"org/tiny","input":"a", secret}',
        b'{"model":"org/tiny","input":["a", {"secret": "secret"}]}',
        b'{"model":"org/tiny","input":"a","encoding_format":"secret"}',
        b'{"model":"org/tiny","input":"a","prompt_name":"secret"}',
        b'{"model":"org/tiny","input":"a","dimensions":"secret"}',
    ]:
        response = await client.post("/v1/embeddings", content=body)
        assert_canonical_error(response, 400)
        assert "secret" not in response.text
    assert "secret" not in caplog.text


def fuzz(max_examples: int) -> settings:
    """Repeatable, so that a gate does not change its mind; FUZZ multiplies the examples, at random."""
    longer = int(os.environ.get("FUZZ", "0"))
    return settings(
        max_examples=max_examples * max(1, longer),
        deadline=None,
        derandomize=not longer,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-1, 110_000),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["org/tiny", "plain", "base64", "float", "query", "model", "cl100k_base", ""]),
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [
    "model",
    "input",
    "encoding_format",
    "dimensions",
    "user",
    "input_type",
    "prompt_name",
    "truncate",
    "token_encoding",
]
inputs = st.one_of(
    st.text(max_size=30),
    st.lists(st.text(max_size=10), max_size=4),
    st.lists(st.integers(-2, 101_000), max_size=5),
    st.lists(st.lists(st.integers(-2, 101_000), max_size=5), max_size=4),
    anything,
)
likely = st.fixed_dictionaries(
    {"model": st.just("org/tiny"), "input": inputs},
    optional={
        "encoding_format": st.sampled_from(["float", "base64", None, "x"]) | anything,
        "dimensions": st.integers(-2, 40) | anything,
        "input_type": st.sampled_from(["query", "document", None]) | anything,
        "prompt_name": st.sampled_from(["query", "document", None]) | anything,
        "truncate": st.booleans() | anything,
        "token_encoding": st.sampled_from(["cl100k_base", "model", None]) | anything,
        "user": anything,
    },
)


def as_json(value: object) -> bytes:
    """JSON as Python writes it: NaN, Infinity and halves of surrogate pairs included."""
    return json.dumps(value).encode()


bodies = st.one_of(
    st.binary(max_size=200),
    anything.map(as_json),
    st.dictionaries(st.sampled_from(FIELDS), anything, max_size=9).map(as_json),
    likely.map(as_json),
)


def answers(requests: list[tuple[str, bytes]]) -> list[httpx.Response]:
    """The answers of one fresh server, started for this call alone as hypothesis runs outside the loop."""

    async def ask() -> list[httpx.Response]:
        config = Settings.load({"model": "org/tiny", "models": ("plain",), "drain_s": 0.1})
        engine = Engine(config, loader=lambda model_id, *_: HashingBackend(model_id))
        transport = httpx.ASGITransport(create_api(engine, config), raise_app_exceptions=True)
        async with engine, httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            return [await http.post(path, content=body) for path, body in requests]

    return asyncio.run(ask())


@fuzz(60)
@given(st.lists(st.tuples(st.sampled_from(PATHS), bodies), min_size=1, max_size=12))
def test_no_body_makes_a_500(requests: list[tuple[str, bytes]]) -> None:
    for response in answers(requests):
        if response.status_code != 200:
            assert response.status_code in (400, 404)
            assert_canonical_error(response, response.status_code)


@fuzz(20)
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=12))
def test_no_path_makes_a_500(paths: list[bytes]) -> None:
    from urllib.parse import quote

    for response in answers([("/" + quote(path), GOOD) for path in paths]):
        assert response.status_code in (200, 404, 405)


@fuzz(20)
@given(st.lists(st.binary(max_size=20), min_size=1, max_size=12))
def test_no_header_makes_a_500(values: list[bytes]) -> None:
    async def ask() -> None:
        config = Settings.load({"model": "org/tiny", "drain_s": 0.1, "keys": ("one",)})
        engine = Engine(config, loader=lambda model_id, *_: HashingBackend(model_id))
        transport = httpx.ASGITransport(create_api(engine, config), raise_app_exceptions=True)
        async with engine, httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            for value in values:
                for name in [
                    "authorization",
                    "content-type",
                    "content-length",
                    "x-request-id",
                    "origin",
                    "host",
                ]:
                    sent = b"Bearer " + value if name == "authorization" else value
                    response = await http.post("/v1/embeddings", content=b"{}", headers={name: sent})
                    assert response.status_code in (200, 400, 401, 413, 415)

    asyncio.run(ask())
