"""Texts of a collection read and changed through the API, over a runtime without a model and a real store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np
import pytest

from embedder.api import collection_schemas as wire
from embedder.backends.hashing import HashingBackend
from embedder.types import TokenizedText
from tests.api.canonical import assert_canonical_error
from tests.api.conftest import MODEL, MakeClient

URL = "/v1/collections/notes"
TEXTS = [
    {"id": "cat", "text": "the cat sat", "document": "book", "columns": {"year": 2024, "kind": "pet"}},
    {"id": "dog", "text": "the dog ran"},
    {"id": "rain", "text": "rain again", "document": "book"},
]


@pytest.fixture
async def notes(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client of a server with `TEXTS` in a collection."""
    assert (await client.post("/v1/collections", json={"name": "notes"})).status_code == 200
    assert (await client.post(f"{URL}/texts", json={"texts": TEXTS})).json()["new"] == 3
    return client


async def read(client: httpx.AsyncClient, *ids: str, **more: Any) -> dict[str, Any]:
    response = await client.post(f"{URL}/get", json={"ids": ids, **more})
    assert response.status_code == 200, response.text
    wire.Texts.model_validate_json(response.content)
    return dict(response.json())


async def update(client: httpx.AsyncClient, *texts: dict[str, Any]) -> dict[str, Any]:
    response = await client.post(f"{URL}/update", json={"texts": texts})
    assert response.status_code == 200, response.text
    wire.UpdatedTexts.model_validate_json(response.content)
    return dict(response.json())


async def vector_of(client: httpx.AsyncClient, text: str) -> np.ndarray:
    asked = {"model": MODEL, "input": text, "input_type": "document"}
    return np.array((await client.post("/v1/embeddings", json=asked)).json()["data"][0]["embedding"])


async def test_texts_are_read_in_the_order_asked_and_unknown_ones_named(notes: httpx.AsyncClient) -> None:
    told = await read(notes, "rain", "none", "cat", "rain", "none")
    assert told["data"] == [{**TEXTS[2], "columns": {}}, TEXTS[0]]
    assert told["missing"] == ["none"]
    (dog,) = (await read(notes, "dog", embeddings=True))["data"]
    np.testing.assert_allclose(dog["embedding"], await vector_of(notes, "the dog ran"), atol=1e-6)


async def test_what_is_given_changes_and_the_rest_stays(notes: httpx.AsyncClient) -> None:
    answer = await update(
        notes,
        {"id": "cat", "columns": {"year": 2025}},
        {"id": "dog", "text": "the hound slept", "document": None},
        {"id": "none", "text": "is not made"},
        {"id": "rain", "document": "", "columns": {"wet": True}},
    )
    assert answer == {"object": "collection.updated", "updated": 3, "missing": ["none"]}
    cat, dog, rain = (await read(notes, "cat", "dog", "rain", "none", embeddings=True))["data"]
    assert (cat["text"], cat["document"], cat["columns"]) == ("the cat sat", "book", {"year": 2025})
    assert (dog["text"], dog["document"], dog["columns"]) == ("the hound slept", "", {})
    assert (rain["text"], rain["document"], rain["columns"]) == ("rain again", "", {"wet": True})
    for row in (cat, dog, rain):
        np.testing.assert_allclose(row["embedding"], await vector_of(notes, row["text"]), atol=1e-6)
    found = await notes.post(f"{URL}/search", json={"query": "hound", "mode": "keyword"})
    assert [hit["id"] for hit in found.json()["data"]] == ["dog"]
    assert (await notes.get(URL)).json()["count"] == 3


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("get", {}, "ids"),
        ("get", {"ids": []}, "ids"),
        ("get", {"ids": "cat"}, "ids"),
        ("get", {"ids": [7]}, "ids"),
        ("get", {"ids": ["x"] * 1001}, "ids"),
        ("get", {"ids": ["x"], "embeddings": "yes"}, "embeddings"),
        ("update", {}, "texts"),
        ("update", {"texts": []}, "texts"),
        ("update", {"texts": ["cat"]}, "texts"),
        ("update", {"texts": [{"id": "cat"}]}, "texts"),
        ("update", {"texts": [{"id": "cat", "text": None, "columns": None}]}, "texts"),
        ("update", {"texts": [{"text": "x"}]}, "id"),
        ("update", {"texts": [{"id": 7, "text": "x"}]}, "id"),
        ("update", {"texts": [{"id": "cat", "text": ""}]}, "text"),
        ("update", {"texts": [{"id": "cat", "document": 0}]}, "document"),
        ("update", {"texts": [{"id": "cat", "columns": [1]}]}, "columns"),
        ("update", {"texts": [{"id": "cat", "columns": {"k": {}}}]}, "columns"),
        ("update", {"texts": [{"id": "cat", "text": "x"}, {"id": "cat", "document": "y"}]}, "id"),
        ("update", {"texts": [{"id": "x", "text": "x"}] * 2049}, "texts"),
    ],
)
async def test_what_is_wrong_is_named_and_changes_nothing(
    notes: httpx.AsyncClient, path: str, body: Any, param: str
) -> None:
    if path == "update" and body.get("texts") and len(body["texts"]) < 3:
        body = {"texts": [{"id": "dog", "text": "would be fine"}, *body["texts"]]}
    refused = await notes.post(f"{URL}/{path}", json=body)
    assert_canonical_error(refused, 400)
    assert refused.json()["error"]["param"] == param
    (dog,) = (await read(notes, "dog"))["data"]
    assert dog["text"] == "the dog ran"


class Failing(HashingBackend):
    """Fails on texts that say so."""

    def encode(self, batch: Sequence[TokenizedText]) -> np.ndarray:
        if any("impossible" in str(text.text) for text in batch):
            raise RuntimeError
        return super().encode(batch)


async def test_one_that_cannot_be_embedded_is_named_by_its_place_and_nothing_is_written(
    make_client: MakeClient,
) -> None:
    texts = [
        {"id": "cat", "columns": {}},
        {"id": "dog", "text": "fine"},
        {"id": "rain", "text": "impossible"},
    ]
    async with make_client(loader=lambda model_id, *_: Failing(model_id)) as client:
        await client.post("/v1/collections", json={"name": "notes"})
        await client.post(f"{URL}/texts", json={"texts": TEXTS})
        refused = await client.post(f"{URL}/update", json={"texts": texts})
        assert_canonical_error(refused, 500)
        assert "index 2" in refused.json()["error"]["message"]
        cat, dog, rain = (await read(client, "cat", "dog", "rain"))["data"]
    assert cat == TEXTS[0]
    assert [dog["text"], rain["text"]] == ["the dog ran", "rain again"]


async def test_sizes_keys_and_names_are_held_to_the_same_rules(make_client: MakeClient) -> None:
    async with make_client(max_request_tokens=100) as client:
        assert (await client.post("/v1/collections", json={"name": "notes"})).status_code == 200
        long = await client.post(f"{URL}/update", json={"texts": [{"id": "x", "text": "word " * 200}]})
        assert_canonical_error(long, 413)
        for path, body in (("get", {"ids": ["x"]}), ("update", {"texts": [{"id": "x", "text": "x"}]})):
            unknown = await client.post(f"/v1/collections/none/{path}", json=body)
            assert_canonical_error(unknown, 404)
            assert unknown.json()["error"]["code"] == "collection_not_found"
    elsewhere = {"client": ("192.0.2.7", 50000), "base_url": "http://example.org"}
    async with make_client(open=True, **elsewhere) as client:
        for path in ("get", "update"):
            assert_canonical_error(await client.post(f"{URL}/{path}", json={"ids": ["x"]}), 401)
