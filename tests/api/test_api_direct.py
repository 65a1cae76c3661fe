"""The short way to the embeddings route gives what the framework's own way gives, byte for byte."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import MODEL, SECOND, MakeClient

OWN = f"/{MODEL}/v1/embeddings"
KEYED = {"authorization": "Bearer sesame"}
GOOD = {"model": MODEL, "input": ["one", "two words"]}

REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("/v1/embeddings", {"json": GOOD}),
    "the model's own path": (OWN, {"json": GOOD}),
    "percent-encoded": (OWN.replace("org/tiny", "org%2Ftiny"), {"json": GOOD}),
    "a slash at the end": (OWN + "/", {"json": GOOD}),
    "doubled slashes": ("/org/tiny//v1//embeddings", {"json": GOOD}),
    "a query string": (OWN + "?api-version=1", {"json": GOOD}),
    "base64": (OWN, {"json": {**GOOD, "encoding_format": "base64"}}),
    "cut": (OWN, {"json": {**GOOD, "dimensions": 7}}),
    "token ids": (OWN, {"json": {"model": MODEL, "input": [[5, 6], [7]]}}),
    "nulls": (OWN, {"json": {**GOOD, "encoding_format": None, "dimensions": None, "user": None}}),
    "truncated": (OWN, {"json": {"model": MODEL, "input": "word " * 100}}),
    "path and body disagree": (f"/{SECOND}/v1/embeddings", {"json": GOOD}),
    "an unknown model": ("/no/such/v1/embeddings", {"json": {"input": "a"}}),
    "no input": (OWN, {"json": {"model": MODEL}}),
    "an empty text": (OWN, {"json": {"model": MODEL, "input": ["a", ""]}}),
    "broken JSON": (OWN, {"content": b'{"input": '}),
    "no body": (OWN, {}),
    "not an object": (OWN, {"content": b"[1, 2]"}),
    "a number for a text": (OWN, {"json": {"model": MODEL, "input": 3}}),
    "too many texts": (OWN, {"json": {"model": MODEL, "input": ["a"] * 9}}),
    "no such encoding": (OWN, {"json": {**GOOD, "encoding_format": "hex"}}),
    "a body too large": (OWN, {"content": b" " * 20_000}),
    "a foreign page": (OWN, {"json": GOOD, "headers": {"origin": "https://friend.example"}}),
    "a stranger's page": (OWN, {"json": GOOD, "headers": {"origin": "https://stranger.example"}}),
    "a wrong key": (OWN, {"json": GOOD, "headers": {"authorization": "Bearer wrong"}}),
    "a key that is not ASCII": (OWN, {"json": GOOD, "headers": [(b"authorization", b"Bearer \xff\xfe")]}),
    "no key": (OWN, {"json": GOOD, "headers": {"authorization": ""}}),
    "another method": (OWN, {"method": "PUT", "json": GOOD}),
}
PASSING = ("x-request-id", "openai-processing-ms", "date")


async def answer_of(make_client: MakeClient, path: str, request: dict[str, Any]) -> tuple[Any, ...]:
    flags: dict[str, Any] = {"max_request_texts": 8, "max_body_bytes": 10_000}
    async with make_client(keys=("sesame",), cors_origins=("https://friend.example",), **flags) as client:
        headers = request.get("headers", {})
        if isinstance(headers, dict):
            headers = {**KEYED, **headers}
        method = request.get("method", "POST")
        content = {name: request[name] for name in ("json", "content") if name in request}
        response = await client.request(method, path, headers=headers, **content)
        counted = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in client.engine.metrics.registry.collect()  # type: ignore[attr-defined]
            for sample in family.samples
            if sample.name.startswith("tessera_http_requests") and sample.name.endswith("_total")
        }
    kept = {name: value for name, value in response.headers.items() if name not in PASSING}
    for name in PASSING[:2]:
        kept[name] = str(name in response.headers)
    return response.status_code, kept, response.content, counted


@pytest.mark.parametrize("case", REQUESTS)
async def test_it_answers_as_the_framework_would(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    path, request = REQUESTS[case]
    short = await answer_of(make_client, path, request)
    monkeypatch.setattr("embedder.api.app.Direct", lambda app: app)
    routed = await answer_of(make_client, path, request)
    assert short == routed
    assert sum(short[3].values()) == 1, "one request is counted once"


async def test_the_short_way_is_the_one_taken(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the comparison above would compare the framework with itself."""

    async def refuse(*_: Any) -> None:
        raise AssertionError("the framework's router was asked")

    monkeypatch.setattr("starlette.routing.Router.__call__", refuse)
    async with make_client() as client:
        assert (await client.post(OWN, json=GOOD)).status_code == 200
        assert (await client.get("/v1/models")).status_code == 500
