"""Rerankers: scores are the cross-encoder's own, pairs share engine and cache, roles are not mixed up."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app import create_app
from embedder.backends import load_reranker
from embedder.backends.sources import model_folder
from embedder.collections import NewText, Question, open_collections
from embedder.config import DEFAULT_MODEL, Settings
from embedder.engine import Engine
from embedder.errors import ContextLengthExceeded, InvalidInput, ModelUnavailable
from embedder.types import EmbedOptions
from tests.api.serving import serving
from tests.cli.commands import run

QUERY = "Is it sunny?"
DOCUMENTS = [
    "The weather is lovely today.",
    "He drove to the stadium.",
    "It's so sunny outside!",
    "word " * 500,
]


@pytest.fixture(scope="module")
def save_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """A folder with a small cross-encoder of the real vocabulary and seeded weights, of so many labels."""

    def save(labels: int) -> Path:
        import torch
        from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

        folder = tmp_path_factory.mktemp("cross-encoder")
        torch.manual_seed(7)
        shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
        config = BertConfig(vocab_size=30522, max_position_embeddings=64, num_labels=labels, **shape)
        BertForSequenceClassification(config).save_pretrained(folder)
        tokenizer = BertTokenizer.from_pretrained(str(model_folder(DEFAULT_MODEL)), model_max_length=64)
        tokenizer.save_pretrained(folder)
        return folder

    return save


@pytest.fixture(scope="module")
def folder(save_model: Callable[[int], Path]) -> Path:
    return save_model(1)


@pytest.fixture(scope="module")
def expected(folder: Path) -> np.ndarray:
    """What sentence-transformers itself makes of the pairs, one by one."""
    from sentence_transformers import CrossEncoder

    own = CrossEncoder(str(folder), device="cpu")
    return np.array([own.predict([(QUERY, document)])[0] for document in DOCUMENTS])


def settings_of(folder: Path, tmp_path: Path, **more: Any) -> Settings:
    return Settings.load(
        {
            "reranker": f"org/small={folder}",
            "data_dir": tmp_path / "data",
            "cache_dir": os.environ["TESSERA_TEST_CACHE_DIR"],
            "ui": False,
            **more,
        }
    )


@pytest.mark.model
async def test_scores_are_the_models_own_and_are_remembered(
    folder: Path, expected: np.ndarray, tmp_path: Path
) -> None:
    async with Engine(settings_of(folder, tmp_path)) as engine:
        made = await engine.rerank(QUERY, DOCUMENTS)
        np.testing.assert_allclose(made.vectors[:, 0], expected, atol=1e-5)
        assert (made.truncated, made.cached, made.model.task) == ((3,), 0, "rerank")
        assert made.prompt_tokens[3] == 64
        backwards = await engine.rerank(QUERY, DOCUMENTS[::-1])
        np.testing.assert_array_equal(backwards.vectors, made.vectors[::-1])
        assert backwards.cached == 4
        other = await engine.rerank("Where did he drive?", DOCUMENTS)
        assert other.cached == 0
        assert np.abs(other.vectors - made.vectors).max() > 1e-6
        with pytest.raises(ContextLengthExceeded):
            await engine.rerank(QUERY, DOCUMENTS, options=EmbedOptions(truncate=False))


@pytest.mark.model
async def test_roles_are_not_mixed_up(folder: Path, tmp_path: Path) -> None:
    async with Engine(settings_of(folder, tmp_path)) as engine:
        with pytest.raises(InvalidInput, match="org/small is a reranker: send it to /v1/rerank"):
            await engine.embed(DOCUMENTS, model="org/small")
        with pytest.raises(InvalidInput, match="The query is empty"):
            await engine.rerank("", DOCUMENTS)
    async with Engine(Settings.load({"cache_dir": os.environ["TESSERA_TEST_CACHE_DIR"]})) as engine:
        with pytest.raises(InvalidInput, match="TESSERA_RERANKER"):
            await engine.rerank(QUERY, DOCUMENTS)


@pytest.mark.model
async def test_over_http_the_reranker_answers_unless_a_model_is_named(
    folder: Path, expected: np.ndarray, tmp_path: Path
) -> None:
    app = create_app(settings_of(folder, tmp_path))
    async with (
        serving(app, lifespan="on") as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http,
    ):
        asked = {"query": QUERY, "documents": DOCUMENTS}
        found = (await http.post("/v1/rerank", json=asked)).json()
        assert (found["model"], found["method"]) == ("org/small", "cross-encoder")
        order = [one["index"] for one in found["results"]]
        assert order == np.argsort(-expected, kind="stable").tolist()
        np.testing.assert_allclose(
            [one["relevance_score"] for one in found["results"]], expected[order], atol=1e-5
        )
        named = (await http.post("/v1/rerank", json=asked | {"model": DEFAULT_MODEL})).json()
        assert named["method"].startswith("cosine")
        assert named["results"][0]["index"] in {0, 2}
        told = {one["id"]: one["task"] for one in (await http.get("/v1/models")).json()["data"]}
        assert told == {DEFAULT_MODEL: "embed", "org/small": "rerank"}
        refused = await http.post("/v1/embeddings", json={"model": "org/small", "input": "x"})
        assert refused.status_code == 400
        assert "/v1/rerank" in refused.json()["error"]["message"]


@pytest.mark.model
async def test_a_search_is_reranked_and_says_so(folder: Path, tmp_path: Path) -> None:
    settings = settings_of(folder, tmp_path)
    async with Engine(settings) as engine, open_collections(settings, engine) as collections:
        notes = await collections.create("notes")
        await notes.add([NewText(text, f"t{n}") for n, text in enumerate(DOCUMENTS)])
        plain = await notes.search(Question(QUERY, top_k=2))
        answer = await notes.search(Question(QUERY, top_k=2, rerank=True))
        scores = {
            f"t{n}": score for n, score in enumerate((await engine.rerank(QUERY, DOCUMENTS)).vectors[:, 0])
        }
    best = sorted(scores, key=lambda row_id: -scores[row_id])[:2]
    assert [hit.row.id for hit in answer.hits] == best
    for hit in answer.hits:
        assert hit.score == hit.parts["reranker"] == pytest.approx(scores[hit.row.id])
        assert hit.parts["before"] == hit.parts["cosine"]
    assert "cross-encoder" in answer.score
    assert "Cosine" in plain.score


@pytest.mark.model
def test_a_search_from_a_shell_is_reranked(folder: Path, expected: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text("".join(f"{json.dumps({'text': text})}\n" for text in DOCUMENTS))
    kept = {"TESSERA_DATA_DIR": str(tmp_path / "data"), "TESSERA_RERANKER": f"org/small={folder}"}
    added = run(tmp_path, "collection", "add", "notes", "texts.jsonl", **kept)
    assert added.returncode == 0, added.stderr.decode()
    search = ("collection", "search", "notes", QUERY, "--rerank", "--json")
    found = run(tmp_path, *search, **kept)
    assert found.returncode == 0, found.stderr.decode()
    hits = [json.loads(line) for line in found.stdout.splitlines()]
    assert [hit["text"] for hit in hits] == [DOCUMENTS[place] for place in np.argsort(-expected)]
    np.testing.assert_allclose([hit["score"] for hit in hits], np.sort(expected)[::-1], atol=1e-5)
    refused = run(tmp_path, *search, TESSERA_DATA_DIR=kept["TESSERA_DATA_DIR"])
    assert refused.returncode == 2
    assert b"TESSERA_RERANKER" in refused.stderr


@pytest.mark.model
def test_what_is_no_reranker_is_refused(
    save_model: Callable[[int], Path], tmp_path: Path, folder: Path
) -> None:
    settings = settings_of(folder, tmp_path)
    with pytest.raises(ModelUnavailable, match="gives 3 scores"):
        load_reranker("org/three", str(save_model(3)), settings)
    pickled = tmp_path / "pickled"
    shutil.copytree(folder, pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match="pickle"):
        load_reranker("org/pickled", str(pickled), settings)
