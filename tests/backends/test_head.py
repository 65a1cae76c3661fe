"""Pooling and what follows it are sentence-transformers' own, for every mode that is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedder.backends.architectures import Unsupported
from embedder.backends.head import TokenShares, make_step, pool

pytestmark = pytest.mark.model

LENGTHS = (1, 4, 9, 4)
MODES = ("mean", "mean_sqrt_len_tokens", "weightedmean", "cls", "lasttoken")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("include_prompt", [True, False])
def test_pooling_is_the_references(mode: str, include_prompt: bool) -> None:
    import torch
    from sentence_transformers.sentence_transformer.modules import Pooling

    prompt_tokens = 0 if include_prompt else 3
    lengths = [length + prompt_tokens for length in LENGTHS]
    if prompt_tokens:  # a prompt that fills the model leaves no room for the text
        lengths.append(prompt_tokens)
    pooling = Pooling(6, pooling_mode=mode, include_prompt=include_prompt)
    torch.manual_seed(0)
    tokens = torch.randn(sum(lengths), 6)
    padded = torch.nn.utils.rnn.pad_sequence(list(tokens.split(lengths)), batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence(
        [torch.ones(n, dtype=torch.long) for n in lengths], batch_first=True
    )
    features: dict[str, Any] = {"token_embeddings": padded, "attention_mask": mask}
    if prompt_tokens:
        features["prompt_length"] = prompt_tokens
    expected = pooling(features)["sentence_embedding"].numpy()
    shares = TokenShares(pooling.get_config_dict()).of(lengths, prompt_tokens)
    pooled = pool(tokens, torch.from_numpy(shares), torch.tensor(lengths))
    np.testing.assert_allclose(pooled.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("mode", ["max", ["mean", "cls"], None])
def test_other_pooling_is_left_to_the_reference(mode: Any) -> None:
    with pytest.raises(Unsupported, match="pooling"):
        TokenShares({"pooling_mode": mode})


@pytest.mark.parametrize("bias", [True, False])
def test_dense_is_the_references(bias: bool, tmp_path: Path) -> None:
    import torch
    from sentence_transformers.base.modules import Dense

    dense = Dense(6, 4, bias=bias)
    dense.save(str(tmp_path))
    step = make_step("Dense", dense.get_config_dict(), tmp_path)
    vectors = torch.randn(5, 6)
    expected = dense({"sentence_embedding": vectors})["sentence_embedding"]
    assert step is not None
    torch.testing.assert_close(step(vectors), expected)


def test_dropout_is_nothing_and_normalise_gives_length_one(tmp_path: Path) -> None:
    import torch

    assert make_step("Dropout", {}, tmp_path) is None
    normalise = make_step("Normalize", {}, tmp_path)
    assert normalise is not None
    torch.testing.assert_close(normalise(torch.randn(3, 8)).norm(dim=1), torch.ones(3))


@pytest.mark.parametrize(
    ("name", "config", "why"),
    [
        ("LayerNorm", {}, "module LayerNorm"),
        ("Dense", {"activation_function": "torch.nn.modules.activation.ReLU"}, "Dense with"),
        ("Dense", {"activation_function": "torch.nn.modules.activation.Tanh"}, "Dense with"),  # no weights
        ("Normalize", {"module_input_name": "token_embeddings"}, "other features"),
    ],
)
def test_what_is_not_known_is_left_to_the_reference(
    name: str, config: dict[str, Any], why: str, tmp_path: Path
) -> None:
    with pytest.raises(Unsupported, match=why):
        make_step(name, config, tmp_path)
