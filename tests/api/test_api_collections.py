"""/v1/collections, /v1/rerank and /v1/similarity over a runtime without a model."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from embedder.api import collection_schemas as wire
from tests.api.canonical import assert_canonical_error
from tests.api.conftest import MODEL, SECOND, MakeClient

TEXTS = ["the cat sat on the mat", "a dog and a cat", "rain in the evening"]


async def made(client: httpx.AsyncClient, name: str = "notes", **more: Any) -> dict[str, Any]:
    response = await client.post("/v1/collections", json={"name": name, **more})
    assert response.status_code == 200, response.text
    return dict(response.json())


async def test_a_collection_is_made_filled_searched_and_deleted(client: httpx.AsyncClient) -> None:
    about = await made(client, metadata={"owner": "me"})
    assert (about["id"], about["model"], about["dimensions"], about["count"]) == ("notes", MODEL, 32, 0)
    assert about["metadata"] == {"owner": "me"}
    texts = [
        {"text": text, "id": f"t{n}", "document": "d", "columns": {"n": n}} for n, text in enumerate(TEXTS)
    ]
    added = (await client.post("/v1/collections/notes/texts", json={"texts": [*texts, "no id"]})).json()
    assert (added["ids"][:3], added["new"], added["replaced"], added["failed"]) == (
        ["t0", "t1", "t2"],
        4,
        0,
        [],
    )
    again = (await client.post("/v1/collections/notes/texts", json={"texts": ["no id"]})).json()
    assert (again["new"], again["unchanged"]) == (0, 1)

    async def search(**asked: Any) -> list[dict[str, Any]]:
        response = await client.post("/v1/collections/notes/search", json=asked)
        assert response.status_code == 200, response.text
        wire.Found.model_validate_json(response.content)
        return list(response.json()["data"])

    worded = await search(query="CAT", mode="keyword")
    assert {hit["id"] for hit in worded} == {"t0", "t1"}
    assert worded[0]["parts"] == {"bm25": worded[0]["score"]}
    late = {"type": "gte", "key": "n", "value": 1}
    assert [hit["id"] for hit in await search(query="cat", mode="keyword", filters=late)] == ["t1"]
    vector = (
        await client.post(
            "/v1/embeddings", json={"model": MODEL, "input": TEXTS[2], "input_type": "document"}
        )
    ).json()
    exact = vector["data"][0]["embedding"]
    (best,) = await search(vector=exact, top_k=1)
    assert (best["id"], best["columns"], best["document"], best["text"]) == ("t2", {"n": 2}, "d", TEXTS[2])
    assert best["score"] == pytest.approx(1, abs=1e-5)
    assert len(await search(query="cat", vector=exact, mode="hybrid", weights=[0, 1], min_score=0.5)) == 2
    assert len(await search(query="cat", top_k=4, diversity=0.5)) == 4
    like = await search(like=["t0"], unlike=["t2"])
    assert {one["text"] for one in like} == {TEXTS[1], "no id"}

    gone = await client.post("/v1/collections/notes/delete", json={"ids": ["t0"], "documents": ["d"]})
    assert gone.json() == {"object": "collection.texts.deleted", "deleted": 3}
    listed = (await client.get("/v1/collections")).json()
    assert [(one["id"], one["count"]) for one in listed["data"]] == [("notes", 1)]
    wire.CollectionList.model_validate(listed)
    wire.Collection.model_validate((await client.get("/v1/collections/notes")).json())
    deleted = await client.delete("/v1/collections/notes")
    assert deleted.json() == {"id": "notes", "object": "collection.deleted", "deleted": True}
    for refused in (
        await client.get("/v1/collections/notes"),
        await client.delete("/v1/collections/notes"),
        await client.post("/v1/collections/notes/search", json={"query": "x"}),
        await client.post("/v1/collections/notes/texts", json={"texts": ["x"]}),
        await client.get("/v1/collections/..%2Fnotes"),
    ):
        assert_canonical_error(refused, 404)
    assert (await client.get("/v1/collections/notes")).json()["error"]["code"] == "collection_not_found"


async def test_embeddings_that_come_along_are_taken_and_those_of_others_refused(
    client: httpx.AsyncClient,
) -> None:
    about = await made(client)
    texts = [{"text": text, "embedding": np.eye(32)[n].tolist()} for n, text in enumerate(TEXTS)]
    url = "/v1/collections/notes/texts"
    taken = await client.post(url, json={"texts": texts, "fingerprint": about["fingerprint"]})
    assert taken.json()["new"] == 3
    found = await client.post(
        "/v1/collections/notes/search", json={"vector": np.eye(32)[1].tolist(), "top_k": 1}
    )
    assert found.json()["data"][0]["text"] == TEXTS[1]
    other = await client.post(url, json={"texts": texts, "fingerprint": "other"})
    assert_canonical_error(other, 400)
    assert other.json()["error"]["code"] == "model_mismatch"
    for wrong in (
        [*texts, "without"],
        [{"text": "x", "embedding": [1, 2]}],
        [{"text": "x", "embedding": [1] * 31 + ["a"]}],
        [{"text": "x", "embedding": [1e39] * 32}],
        [{"text": "x", "embedding": "base64"}],
        [{"text": "x", "embedding": [[1]]}],
    ):
        assert_canonical_error(await client.post(url, json={"texts": wrong}), 400)
    assert (await client.get("/v1/collections/notes")).json()["count"] == 3


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("", {}, "name"),
        ("", {"name": "../x"}, "name"),
        ("", {"name": ".hidden"}, "name"),
        ("", {"name": "a" * 65}, "name"),
        ("", {"name": 7}, "name"),
        ("", {"name": "x", "metadata": {"a": 1}}, "metadata"),
        ("", {"name": "x", "metadata": {f"k{n}": "v" for n in range(17)}}, "metadata"),
        ("", {"name": "notes"}, "name"),
        ("", {"name": "vs_mine"}, "name"),
        ("/notes/texts", {"texts": [{"text": "x", "embedding": ["1", "2"]}]}, "texts"),
        ("/notes/texts", {"texts": [{"text": "x", "embedding": [True, False]}]}, "texts"),
        ("/notes/texts", {}, "texts"),
        ("/notes/texts", {"texts": []}, "texts"),
        ("/notes/texts", {"texts": "x"}, "texts"),
        ("/notes/texts", {"texts": [1]}, "texts"),
        ("/notes/texts", {"texts": [""]}, "text"),
        ("/notes/texts", {"texts": ["x"] * 2049}, "texts"),
        ("/notes/texts", {"texts": [{"id": "x"}]}, "text"),
        ("/notes/texts", {"texts": [{"text": "x", "id": 7}]}, "id"),
        ("/notes/texts", {"texts": [{"text": "x", "id": 0}]}, "id"),
        ("/notes/texts", {"texts": [{"text": "x", "document": False}]}, "document"),
        ("/notes/texts", {"texts": [{"text": "x", "document": ["d"]}]}, "document"),
        ("/notes/texts", {"texts": [{"text": "x", "columns": [1]}]}, "columns"),
        ("/notes/texts", {"texts": [{"text": "x", "columns": {"k": {}}}]}, "columns"),
        ("/notes/search", {}, "query"),
        ("/notes/search", {"query": "x", "top_k": 0}, "top_k"),
        ("/notes/search", {"query": "x", "top_k": 10**9}, "top_k"),
        ("/notes/search", {"query": "x", "mode": "magic"}, "mode"),
        ("/notes/search", {"query": "x", "filters": []}, "filters"),
        ("/notes/search", {"query": "x", "filters": {"type": "eq"}}, "key"),
        ("/notes/search", {"query": "x", "weights": [1]}, "weights"),
        ("/notes/search", {"query": "x", "weights": [-1, 1]}, "weights"),
        ("/notes/search", {"query": "x", "diversity": 2}, "diversity"),
        ("/notes/search", {"vector": [1.0]}, "vector"),
        ("/notes/search", {"vector": ["a"]}, "vector"),
        ("/notes/delete", {"ids": "x"}, "ids"),
        ("/notes/delete", {"ids": ["x"] * 10_001}, "ids"),
    ],
)
async def test_what_is_wrong_is_named(client: httpx.AsyncClient, path: str, body: Any, param: str) -> None:
    await made(client)
    refused = await client.post(f"/v1/collections{path}", json=body)
    assert_canonical_error(refused, 400)
    assert refused.json()["error"]["param"] in (param, "filters")


async def test_too_many_characters_are_too_large(make_client: MakeClient) -> None:
    async with make_client(max_request_tokens=100) as client:
        await made(client)
        refused = await client.post("/v1/collections/notes/texts", json={"texts": ["word " * 200]})
        assert_canonical_error(refused, 413)


async def test_another_model_needs_its_own_collection(client: httpx.AsyncClient) -> None:
    about = await made(client, "second", model=SECOND)
    assert about["model"] == SECOND
    unknown = await client.post("/v1/collections", json={"name": "x", "model": "nobody/knows"})
    assert_canonical_error(unknown, 404)


async def test_what_is_kept_is_not_open_to_all(make_client: MakeClient) -> None:
    elsewhere = {"client": ("192.0.2.7", 50000), "base_url": "http://example.org"}
    async with make_client(open=True, **elsewhere) as client:
        assert (await client.post("/v1/similarity", json={"input": ["a", "b"]})).status_code == 200
        for refused in (
            await client.get("/v1/collections"),
            await client.post("/v1/collections", json={"name": "x"}),
            await client.delete("/v1/collections/x"),
        ):
            assert_canonical_error(refused, 401)
    async with make_client(keys=("one",), **elsewhere) as client:
        assert_canonical_error(await client.get("/v1/collections"), 401)
        assert_canonical_error(await client.post("/v1/rerank", json={"query": "x", "documents": ["a"]}), 401)
        listed = await client.get("/v1/collections", headers={"Authorization": "Bearer one"})
        assert listed.json() == {"object": "list", "data": []}


async def test_it_is_there_after_a_restart_and_many_may_ask_at_once(
    make_client: MakeClient, tmp_path: Path
) -> None:
    async with make_client(data_dir=tmp_path / "kept") as client:
        await made(client)
        await asyncio.gather(
            *(
                client.post(
                    "/v1/collections/notes/texts", json={"texts": [f"text {n} of {part}" for n in range(20)]}
                )
                for part in range(5)
            )
        )
    async with make_client(data_dir=tmp_path / "kept") as client:
        assert (await client.get("/v1/collections/notes")).json()["count"] == 100
        asked = [client.post("/v1/collections/notes/search", json={"query": f"text {n}"}) for n in range(10)]
        assert {response.status_code for response in await asyncio.gather(*asked)} == {200}


async def test_documents_are_reranked_as_the_clients_of_others_ask(client: httpx.AsyncClient) -> None:
    async def rerank(**body: Any) -> dict[str, Any]:
        response = await client.post(
            "/v1/rerank", json={"model": MODEL, "query": "q", "documents": TEXTS} | body
        )
        assert response.status_code == 200, response.text
        wire.RerankResponse.model_validate_json(response.content)
        return dict(response.json())

    whole = await rerank()
    scores = [one["relevance_score"] for one in whole["results"]]
    assert scores == sorted(scores, reverse=True)
    assert {one["index"] for one in whole["results"]} == {0, 1, 2}
    assert "document" not in whole["results"][0]
    asked = (
        await client.post("/v1/embeddings", json={"model": MODEL, "input": "q", "input_type": "query"})
    ).json()
    told = (
        await client.post("/v1/embeddings", json={"model": MODEL, "input": TEXTS, "input_type": "document"})
    ).json()
    vectors = np.array([one["embedding"] for one in told["data"]])
    expected = vectors @ np.array(asked["data"][0]["embedding"])
    np.testing.assert_allclose([expected[one["index"]] for one in whole["results"]], scores, atol=1e-6)
    few = await rerank(top_n=1, return_documents=True, documents=[{"text": text} for text in TEXTS])
    (best,) = few["results"]
    assert best["document"] == {"text": TEXTS[best["index"]]}
    for body in (
        {"documents": ["a"]},
        {"query": "", "documents": ["a"]},
        {"query": "q"},
        {"query": "q", "documents": []},
        {"query": "q", "documents": "a"},
        {"query": "q", "documents": [{}]},
        {"query": "q", "documents": ["a", 1]},
        {"query": "q", "documents": ["a"], "top_n": 0},
        {"query": "q", "documents": ["a"] * 2049},
    ):
        assert_canonical_error(await client.post("/v1/rerank", json=body), 400)


async def test_similarities_are_cosines(client: httpx.AsyncClient) -> None:
    told = (await client.post("/v1/similarity", json={"input": TEXTS})).json()
    scores = np.array(told["scores"])
    np.testing.assert_allclose(np.diag(scores), 1, atol=1e-5)
    np.testing.assert_allclose(scores, scores.T, atol=1e-6)
    assert told["model"] == MODEL
    between = (await client.post("/v1/similarity", json={"input": TEXTS[:2], "other": TEXTS[2:]})).json()
    np.testing.assert_allclose(between["scores"], scores[:2, 2:], atol=1e-5)
    for body in ({}, {"input": []}, {"input": ["a", ""]}, {"input": "a", "other": []}, {"input": [[1]]}):
        assert_canonical_error(await client.post("/v1/similarity", json=body), 400)
