"""The real model: kept in one process, found by meaning in another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embedder import Engine, Settings
from embedder.collections import NewText, Question, open_collections, parse_filter
from tests.collections.stores import new_place

TEXTS = {
    "weather": "The weather is lovely today.",
    "sun": "It's so sunny outside!",
    "stadium": "He drove to the stadium.",
    "bread": "Knead the dough and let it rise for an hour.",
    "bank": "Interest rates were raised by the central bank.",
}


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is found out about the model is found out once."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.model
@pytest.mark.parametrize("kind", ["lance", "postgres", "milvus"])
async def test_texts_are_found_by_what_they_mean(
    request: pytest.FixtureRequest, tmp_path: Path, learned: Path, kind: str
) -> None:
    place = new_place(kind, request, tmp_path, shared=True)
    settings = Settings.load({"data_dir": tmp_path, "data_url": place, "cache_dir": learned})
    async with Engine(settings) as engine, open_collections(settings, engine) as collections:
        made = await collections.create("notes")
        texts = [NewText(text, row_id, columns={"long": len(text) > 40}) for row_id, text in TEXTS.items()]
        await made.add(texts)
        expected = (await engine.embed(list(TEXTS.values()), kind="document")).vectors
    async with Engine(settings) as engine, open_collections(settings, engine) as collections:
        notes = await collections.open("notes")
        answer = await notes.search(Question("How do I bake a loaf?", top_k=2))
        assert answer.hits[0].row.id == "bread"
        near = await notes.search(Question(TEXTS["sun"], top_k=2))
        assert [hit.row.id for hit in near.hits] == ["sun", "weather"]
        assert near.hits[1].score == pytest.approx(0.6660, abs=1e-4)
        long = parse_filter({"type": "eq", "key": "long", "value": True})
        assert (await notes.search(Question("sunshine", top_k=1, wanted=long))).hits[0].row.id in (
            "bread",
            "bank",
        )
        both = await notes.search(Question("central bank money", mode="hybrid", top_k=1))
        assert both.hits[0].row.id == "bank"
        assert set(both.hits[0].parts) == {"cosine", "meaning_rank", "bm25", "words_rank"}
        rows = await notes.get(list(TEXTS), vectors=True)
        np.testing.assert_allclose(np.stack([row.vector for row in rows]), expected, atol=1e-6)
