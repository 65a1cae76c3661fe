from __future__ import annotations

import subprocess
import sys

import pytest

from ui.samples import SAMPLES, Sample


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_a_few_hundred_different_texts_with_columns(name: str) -> None:
    sample: Sample = SAMPLES[name]()
    assert sample.name == name
    assert 300 <= len(sample.texts) <= 500
    assert len(set(sample.texts)) == len(sample.texts)
    assert all(text.strip() == text and text for text in sample.texts)
    assert all(len(column) == len(sample.texts) for column in sample.columns.values())
    assert any(5 <= len(set(column)) <= 12 for column in sample.columns.values()), "something to colour by"


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
