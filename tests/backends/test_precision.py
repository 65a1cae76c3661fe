"""int8: what it keeps, that it says so, and where it is not to be had."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from embedder.backends import load_backend
from embedder.backends.hashing import HashingBackend
from embedder.backends.linear import PlainLinear, int8_linear
from embedder.backends.placement import Placement
from embedder.backends.precision import neighbours_kept, paragraphs
from embedder.config import DEFAULT_MODEL, Settings
from embedder.types import Prompt
from tests.backends.conftest import Placed

pytestmark = pytest.mark.model


@pytest.mark.parametrize("rows", [1, 7, 64, 300])
@pytest.mark.parametrize("activation", ["none", "gelu", "relu"])
def test_the_product_is_within_the_rounding_of_its_steps(rows: int, activation: str) -> None:
    import torch

    torch.manual_seed(rows)
    weight, bias, values = torch.randn(96, 64), torch.randn(96), torch.randn(rows, 64)
    values[0] *= 100  # each row has a scale of its own
    expected = PlainLinear(weight, bias, activation)(values)  # type: ignore[arg-type]
    found = int8_linear(weight, bias, activation)(values)  # type: ignore[arg-type]
    # Half a step of either factor, over 64 products that add up as a random walk does.
    step = values.abs().amax(1, keepdim=True) / 127 * weight.abs().max() / 127
    bound = step * 127 * 64**0.5 * 2
    assert ((found - expected).abs() <= bound).all()
    assert not torch.equal(found, expected)


def test_rows_of_zeros_give_the_bias() -> None:
    import torch

    bias = torch.randn(8)
    assert torch.equal(int8_linear(torch.randn(8, 4), bias)(torch.zeros(2, 4)), bias.expand(2, 8))
    assert torch.equal(int8_linear(torch.zeros(8, 4), None)(torch.ones(2, 4)), torch.zeros(2, 8))


@pytest.mark.usefixtures("few_paragraphs")
def test_int8_is_close_measured_and_a_space_of_its_own(tmp_path: Path) -> None:
    exact = load_backend(DEFAULT_MODEL, DEFAULT_MODEL, Settings(cache_dir=tmp_path))
    quick = load_backend(DEFAULT_MODEL, DEFAULT_MODEL, Settings(cache_dir=tmp_path, precision="int8"))
    assert (exact.info.precision, exact.info.neighbours_kept) == ("float32", None)
    assert quick.info.precision == "int8"
    assert quick.info.fingerprint not in ("", exact.info.fingerprint)
    kept = quick.info.neighbours_kept
    assert kept is not None
    assert 0.9 < kept < 1
    assert kept == pytest.approx(neighbours_kept(exact, quick))
    batch = exact.tokenize(["the weather is lovely", "two " * 90, "x"], Prompt())
    cosines = (exact.encode(batch) * quick.encode(batch)).sum(1)
    assert cosines.min() > 0.98
    again = load_backend(DEFAULT_MODEL, DEFAULT_MODEL, Settings(cache_dir=tmp_path, precision="int8"))
    assert again.info == quick.info


@pytest.mark.usefixtures("few_paragraphs")
def test_the_measure_tells_equal_from_unrelated(placed: Placed) -> None:
    exact = placed(Placement(threads=2))
    assert neighbours_kept(exact, exact) == 1
    # By chance one in six of these would be the same; shared words make it more.
    assert neighbours_kept(exact, HashingBackend("other")) < 0.6


def test_paragraphs_are_a_thousand_different_texts() -> None:
    texts = paragraphs()
    assert len(set(texts)) == len(texts) == 1000
    assert np.mean([len(text) for text in texts]) > 100


def test_the_reference_runtime_stays_exact_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "embedder"):
        settings = Settings(precision="int8", runtime="sentence-transformers")
        backend = load_backend(DEFAULT_MODEL, DEFAULT_MODEL, settings)
    assert backend.info.precision == "float32"
    assert "no int8" in caplog.text
