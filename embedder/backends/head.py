"""What follows the encoder, over a flat array of tokens: pooling, then layers that read only its vector.

The arithmetic is that of sentence-transformers' modules of the same names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedder.backends.architectures import Unsupported

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Step = Callable[["Tensor"], "Tensor"]
"""`(n, d)` to `(n, d')`."""


class TokenShares:
    """Pooling as a weighted sum: how much of each token is in its text's vector."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Take a Pooling module's configuration.

        Raises:
            Unsupported: several modes at once, or one that is not a weighted sum.
        """
        mode = config.get("pooling_mode")
        if not isinstance(mode, str) or mode not in _SHARES:
            raise Unsupported(f"pooling {mode}")
        self.includes_prompt = bool(config.get("include_prompt", True))
        self._mode = mode

    def of(self, lengths: Sequence[int], prompt_tokens: int) -> NDArray[np.float32]:
        """Float32 `(T,)` for texts of these lengths one after the other; T is their sum.

        The first `prompt_tokens` of each are left out where the model's pooling does so.
        """
        skipped = 0 if self.includes_prompt else prompt_tokens
        shares = np.zeros(sum(lengths), dtype=np.float32)
        start = 0
        for length in lengths:
            if length > skipped:
                shares[start + skipped : start + length] = _SHARES[self._mode](length, skipped)
            elif self._mode == "cls":  # of an empty mask sentence-transformers takes the first place
                shares[start] = 1
            start += length
        return shares


def pool(hidden: Tensor, shares: Tensor, lengths: Tensor) -> Tensor:
    """Float32 `(n, hidden)`: of each text its tokens' `hidden` `(T, hidden)`, summed by `shares` `(T,)`."""
    import torch

    texts = torch.arange(len(lengths), device=hidden.device).repeat_interleave(lengths)
    sums = hidden.new_zeros(len(lengths), hidden.shape[1], dtype=torch.float32)
    return sums.index_add_(0, texts, hidden.float() * shares[:, None])


def _mean(length: int, skipped: int) -> Any:
    return np.float32(1 / max(length - skipped, 1))


def _mean_sqrt_len(length: int, skipped: int) -> Any:
    return np.float32(max(length - skipped, 1) ** -0.5)


def _weighted_mean(length: int, skipped: int) -> Any:
    weights = np.arange(skipped + 1, length + 1, dtype=np.float32)
    return weights / max(weights.sum(), 1)


def _first(length: int, skipped: int) -> Any:
    return np.eye(1, length - skipped, dtype=np.float32)[0]


def _last(length: int, skipped: int) -> Any:
    return _first(length, skipped)[::-1]


_SHARES: Mapping[str, Callable[[int, int], Any]] = {
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_sqrt_len,
    "weightedmean": _weighted_mean,
    "cls": _first,
    "lasttoken": _last,
}


def make_step(name: str, config: Mapping[str, Any], folder: Path, device: str = "cpu") -> Step | None:
    """The module `name` as a function of the pooled vector, on `device`; None for one that does nothing.

    Raises:
        Unsupported: it is none of those known here, or reads something else.
    """
    if config.get("module_input_name", "sentence_embedding") != "sentence_embedding" or config.get(
        "module_output_name", "sentence_embedding"
    ) not in (None, "sentence_embedding"):
        raise Unsupported(f"{name} between other features")
    if name == "Dropout":
        return None
    if name == "Normalize":
        return _normalise
    if name == "Dense":
        return _dense(config, folder, device)
    raise Unsupported(f"module {name}")


def _normalise(vectors: Tensor) -> Tensor:
    from torch.nn.functional import normalize

    return normalize(vectors, p=2, dim=-1)


def _dense(config: Mapping[str, Any], folder: Path, device: str) -> Step:
    import torch
    from safetensors.torch import load_file
    from torch.nn.functional import linear

    activations: Mapping[str, Step | None] = {
        "torch.nn.modules.activation.Tanh": torch.tanh,
        "torch.nn.modules.linear.Identity": None,
    }
    activation = str(config.get("activation_function"))
    path = folder / "model.safetensors"
    if activation not in activations or config.get("use_residual") or not path.is_file():
        raise Unsupported(f"Dense with {activation}")
    weights = {name: tensor.to(device, copy=True) for name, tensor in load_file(path).items()}
    activate = activations[activation]

    def step(vectors: Tensor) -> Tensor:
        moved = linear(vectors, weights["linear.weight"], weights.get("linear.bias"))
        return activate(moved) if activate else moved

    return step
