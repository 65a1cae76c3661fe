"""The openai npm package and plain fetch, on Node, against a running server."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from tests.clients.reference import TEXTS, TOKEN_IDS, assert_same_bits, assert_vectors, vectors_of
from tests.environments import CLIENTS, call_environment, run_node

pytestmark = [pytest.mark.clients, pytest.mark.model]


@pytest.fixture(scope="module", params=["openai", "openai-6"])
def openai(request: pytest.FixtureRequest, server: Any) -> Any:
    """What scripts/use_openai.mjs prints, with the newest release and with the last of version 6."""
    variables = call_environment(server.base, server.model, server.key)
    variables |= {
        "TEXTS": json.dumps(TEXTS),
        "TOKEN_IDS": json.dumps(TOKEN_IDS),
        "OPENAI_PACKAGE": request.param,
    }
    return run_node((CLIENTS / "scripts" / "use_openai.mjs").read_text(), variables)


@pytest.mark.parametrize("call", ["default", "float", "under_model", "token_id_lists"])
def test_vectors_are_those_of_the_texts_in_their_order(openai: Any, call: str, reference: np.ndarray) -> None:
    assert_vectors(vectors_of(openai["answers"][call]), reference)


@pytest.mark.parametrize("call", ["one", "token_ids"])
def test_one_text(openai: Any, call: str, reference: np.ndarray) -> None:
    assert_vectors(vectors_of(openai["answers"][call]), reference[:1])


def test_formats_agree_to_the_bit(openai: Any) -> None:
    answers = openai["answers"]
    decoded = [
        np.frombuffer(base64.b64decode(row["embedding"], validate=True), dtype="<f4")
        for row in answers["base64"]["data"]
    ]
    assert_same_bits(np.stack(decoded), vectors_of(answers["float"]))
    assert_same_bits(vectors_of(answers["default"]), vectors_of(answers["float"]))


def test_dimensions_cut_and_normalise_again(openai: Any, reference: np.ndarray) -> None:
    cut = reference[:, :64] / np.linalg.norm(reference[:, :64], axis=1, keepdims=True)
    assert_vectors(vectors_of(openai["answers"]["dimensions"]), cut)


@pytest.mark.parametrize(
    ("mistake", "exception", "status"),
    [
        ("unknown_model", "NotFoundError", 404),
        ("empty_text", "BadRequestError", 400),
        ("wrong_key", "AuthenticationError", 401),
    ],
)
def test_mistakes_raise_the_clients_own_exceptions(
    openai: Any, mistake: str, exception: str, status: int
) -> None:
    error = openai["errors"][mistake]
    assert (error["class"], error["status"]) == (exception, status), error
    assert error["request_id"]


def test_models(openai: Any, server: Any) -> None:
    assert openai["models"] == [server.model]


def test_fetch(server: Any, reference: np.ndarray) -> None:
    variables = call_environment(server.base, server.model, server.key) | {"TEXTS": json.dumps(TEXTS)}
    answer = run_node(
        """
        const { EMBED_BASE, EMBED_MODEL, EMBED_KEY, TEXTS } = process.env;
        const response = await fetch(`${EMBED_BASE}/${encodeURIComponent(EMBED_MODEL)}/v1/embeddings`, {
          method: "POST",
          headers: { Authorization: `Bearer ${EMBED_KEY}`, "Content-Type": "application/json" },
          body: JSON.stringify({ model: EMBED_MODEL, input: JSON.parse(TEXTS) }),
        });
        console.log(JSON.stringify(await response.json()));
        """,
        variables,
    )
    assert_vectors(vectors_of(answer), reference)
