"""Devices and numbers: what can be shown without a GPU."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedder.backends.architectures import make_encoder
from embedder.backends.form import Form, read_weights
from embedder.backends.placement import Placement, place
from embedder.config import Settings
from embedder.errors import ConfigError, ModelUnavailable
from embedder.types import Prompt
from tests.backends.conftest import Placed

pytestmark = pytest.mark.model

TEXTS = ["a", "Where did the weather go?", "many words in one text " * 20, "two", "Where is it?"]


@pytest.fixture
def no_gpu() -> None:
    import torch

    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("says what happens without a GPU")


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_models_run_on_the_cpu_in_float32() -> None:
    placement = place(Settings.load({"threads": 3}))
    assert placement == Placement("cpu", "float32", 3)


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_a_device_that_torch_has_not_is_refused_with_the_way_out(device: str) -> None:
    with pytest.raises(ModelUnavailable, match="TESSERA_DEVICE=auto"):
        place(Settings.load({"device": device}))


@pytest.mark.parametrize(
    ("there", "placement", "batch_tokens"),
    [
        ({"cuda", "mps"}, Placement("cuda", "float16", 3), 65_536),
        ({"mps"}, Placement("mps", "float16", 3), 8_192),
    ],
)
def test_the_gpu_that_torch_has_is_taken_in_half_precision(
    there: set[str], placement: Placement, batch_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What torch says of the machine is given; a tensor there is made on torch's `meta` device."""
    import torch

    asked, zeros = [], torch.zeros

    def made(*shape: int, device: str) -> torch.Tensor:
        asked.append(device)
        return zeros(*shape, device="meta")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in there)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in there)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**36, 2**37))
    monkeypatch.setattr(torch, "zeros", made)
    assert place(Settings.load({"threads": 3})) == placement
    assert asked == [placement.device]
    assert placement.batch_tokens(384) == batch_tokens
    with pytest.raises(ModelUnavailable, match="int8 is for the CPU"):
        place(Settings.load({"precision": "int8"}))


def test_numbers_that_are_not_for_the_device_are_refused_with_the_way_out() -> None:
    with pytest.raises(ModelUnavailable, match="TESSERA_PRECISION"):
        place(Settings.load({"device": "cpu", "precision": "float16"}))


def test_a_device_of_another_name_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigError, match="TESSERA_DEVICE"):
        Settings.load({"device": "tpu"})


def test_half_precision_is_close_to_the_exact_vectors_and_a_space_of_its_own(placed: Placed) -> None:
    exact, half = placed(Placement("cpu", "float32", 2)), placed(Placement("cpu", "float16", 2))
    batch = exact.tokenize(TEXTS, Prompt())
    difference = np.abs(exact.encode(batch) - half.encode(batch)).max()
    assert 1e-6 < difference < 2e-3
    assert half.encode(batch).dtype == np.float32
    assert half.info.fingerprint == f"{exact.info.fingerprint}-float16"
    assert (exact.info.precision, half.info.precision) == ("float32", "float16")


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_the_encoder_runs_on_another_device_from_end_to_end(precision: str, folder: Path, form: Form) -> None:
    """On torch's `meta` device, which computes shapes, types and devices as a GPU would and no numbers.

    In half precision attention is the one kernel for texts of any lengths.
    """
    import torch

    placement = Placement("meta", precision)  # type: ignore[arg-type]
    encoder = make_encoder(form.config, read_weights(folder / form.transformer_path), placement)
    assert encoder.flash == (precision == "float16")
    groups = [(2, 3), (1, 7), (3, 11)]
    tokens = sum(texts * length for texts, length in groups)
    token_ids = torch.zeros(tokens, dtype=torch.long, device="meta")
    hidden = encoder.encode(token_ids, token_ids, groups)
    assert hidden.shape == (tokens, 384)
    assert (hidden.device.type, hidden.dtype) == ("meta", placement.dtype)


def test_text_ends_for_the_kernel_of_any_lengths_are_where_the_texts_end(
    folder: Path, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel runs on CUDA alone: here torch's own attention, text by text, stands in for it."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    placement = Placement("cpu", "float16")
    encoder = make_encoder(form.config, read_weights(folder / form.transformer_path), placement)
    groups = [(2, 3), (1, 7), (3, 11)]
    qkv = torch.randn(sum(n * length for n, length in groups), 3 * 384, dtype=torch.float32)

    def by_text(query: Any, key: Any, value: Any, ends: Any, *more: Any, **_: Any) -> Any:
        assert ends.tolist() == [0, 3, 6, 13, 24, 35, 46]
        assert more[1:3] == (11, 11)
        texts = [
            scaled_dot_product_attention(
                *(part[start:end].transpose(0, 1) for part in (query, key, value))
            ).transpose(0, 1)
            for start, end in pairwise(ends.tolist())
        ]
        return torch.cat(texts)

    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", by_text)
    expected = encoder._attend(qkv, groups)
    object.__setattr__(encoder, "flash", True)
    attend = encoder._attention(groups, torch.zeros(len(qkv), dtype=torch.long))
    torch.testing.assert_close(attend(qkv), expected)


@pytest.mark.parametrize(
    ("free_bytes", "least", "most"),
    [(2**20, 512, 512), (2**29, 4_000, 2**29 // (2 * 32 * 384 * 2)), (2**36, 65_536, 65_536)],
)
def test_a_batch_for_a_gpu_fits_its_free_memory(
    free_bytes: int, least: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free_bytes, 2**37))
    assert least <= Placement("cuda", "float16").batch_tokens(384) <= most
    assert Placement().batch_tokens(384) == 512
