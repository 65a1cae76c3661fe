from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embedder import Engine, Settings
from ui.layout import LayoutWorker
from ui.samples import FIRST_SAMPLE, SAMPLES, Sample, ready_made
from ui.view import Desk

from .conftest import hashing_engine


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_different_texts_with_columns(name: str) -> None:
    sample: Sample = SAMPLES[name]()
    assert 300 <= len(sample.texts) <= 3000
    assert len(set(sample.texts)) == len(sample.texts)
    assert all(text.strip() == text and text for text in sample.texts)
    assert all(len(column) == len(sample.texts) for column in sample.columns.values())
    assert any(5 <= len(set(column)) <= 12 for column in sample.columns.values()), "something to colour by"


@pytest.mark.model
async def test_the_first_sample_has_the_vectors_that_the_model_gives_it(tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path)
    async with Engine(settings) as engine:
        desk = Desk(engine, settings, LayoutWorker(settings.cache_dir))
        early = await ready_made(desk, FIRST_SAMPLE, None)
        assert early is not None, "it is there before the model is loaded"
        info = await engine.model_info()
        assert early.model.fingerprint == info.fingerprint
        rows = list(range(0, len(early.texts), 40))
        embedded = await engine.embed([early.texts[row] for row in rows])
        assert await ready_made(desk, FIRST_SAMPLE, None) is early, "kept once for everybody"
        assert await ready_made(desk, FIRST_SAMPLE, "another/model") is None
        assert await ready_made(desk, "Emoji by name", None) is None
    np.testing.assert_allclose(early.vectors[rows], embedded.vectors, atol=1e-5)
    np.testing.assert_array_equal(early.prompt_tokens[rows], embedded.prompt_tokens)
    layout = early.layout()
    assert layout.points.shape == (len(early.texts), 2)
    assert layout.clusters is not None
    assert layout.clusters.max() > 10


@pytest.mark.model
async def test_behind_a_login_the_samples_id_cannot_be_guessed(tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path, page_auth=("ann:secret",))
    ids = []
    for _ in range(2):
        desk = Desk(Engine(settings), settings, LayoutWorker(settings.cache_dir))
        sample = await ready_made(desk, FIRST_SAMPLE, None)
        assert sample is not None
        assert sample.id == f"sample-{desk.secret}"
        ids.append(sample.id)
    assert ids[0] != ids[1]


async def test_another_model_of_that_name_embeds_the_sample_itself(tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path)
    async with hashing_engine(settings) as engine:
        await engine.model_info()
        desk = Desk(engine, settings, LayoutWorker(settings.cache_dir))
        assert await ready_made(desk, FIRST_SAMPLE, None) is None


def test_emoji_stand_beside_their_names() -> None:
    sample = SAMPLES["Emoji by name"]()
    row = sample.texts.index("pizza" if "pizza" in sample.texts else "slice of pizza")
    assert sample.columns["emoji"][row] == "🍕"
    assert sample.columns["group"][row] == "food and drink"


def test_samples_are_the_same_in_every_process() -> None:
    code = (
        "import hashlib; from ui.samples import SAMPLES;"
        "print(hashlib.sha256(repr([make() for make in SAMPLES.values()]).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-X", "utf8", "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
