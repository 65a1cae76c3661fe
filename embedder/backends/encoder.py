"""A BERT-like encoder over one flat array of tokens: no padding, no mask.

Linear layers, normalisation and activation run on `(T, hidden)`, all tokens of a batch one after
the other; attention runs per group of texts of equal length. The arithmetic is that of
Devlin et al. 2019 as transformers implements it, so vectors agree with it to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Affine:
    """`weight` and `bias` of a linear layer `(out, in)`, `(out,)`, or of a normalisation."""

    weight: Tensor
    bias: Tensor | None


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer; `qkv` is query, key and value in one, `(3 hidden, hidden)`."""

    qkv: Affine
    out: Affine
    out_norm: Affine
    up: Affine
    down: Affine
    down_norm: Affine


@dataclass(frozen=True, slots=True)
class Encoder:
    """The weights of an encoder by their part in it.

    `places` `(positions, hidden)` is what is added to a word at place i: position and, where there
    is one, token type 0. `bias` gives the attention's relative-position bias `(heads, L, L)`.
    """

    words: Tensor
    places: Tensor
    norm: Affine
    layers: tuple[Layer, ...]
    heads: int
    eps: float
    activation: Callable[[Tensor], Tensor]
    bias: Callable[[int], Tensor] | None = None

    def encode(self, groups: Sequence[Tensor]) -> list[Tensor]:
        """Last hidden states `(n, L, hidden)` of each group of token ids `(n, L)`."""
        import torch

        sizes = [group.numel() for group in groups]
        places = torch.cat([self.places[: g.shape[1]].repeat(g.shape[0], 1) for g in groups])
        flat = places.add_(
            torch.nn.functional.embedding(torch.cat([g.reshape(-1) for g in groups]), self.words)
        )
        flat = self._normalise(flat, self.norm)
        for layer in self.layers:
            flat = self._layer(flat, layer, groups, sizes)
        return [
            rows.view(*group.shape, -1) for rows, group in zip(torch.split(flat, sizes), groups, strict=True)
        ]

    def _layer(self, flat: Tensor, layer: Layer, groups: Sequence[Tensor], sizes: list[int]) -> Tensor:
        from torch.nn.functional import linear

        attended = self._attend(linear(flat, layer.qkv.weight, layer.qkv.bias), groups, sizes)
        flat = linear(attended, layer.out.weight, layer.out.bias).add_(flat)
        flat = self._normalise(flat, layer.out_norm)
        inner = self.activation(linear(flat, layer.up.weight, layer.up.bias))
        return self._normalise(linear(inner, layer.down.weight, layer.down.bias).add_(flat), layer.down_norm)

    def _attend(self, qkv: Tensor, groups: Sequence[Tensor], sizes: list[int]) -> Tensor:
        """Scaled dot-product attention within each text; `(T, 3 hidden)` to `(T, hidden)`."""
        import torch
        from torch.nn.functional import scaled_dot_product_attention

        hidden = qkv.shape[1] // 3
        attended = torch.empty(qkv.shape[0], hidden, dtype=qkv.dtype, device=qkv.device)
        for rows, out, group in zip(
            torch.split(qkv, sizes), torch.split(attended, sizes), groups, strict=True
        ):
            n, length = group.shape
            query, key, value = rows.view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            mask = self.bias(length) if self.bias else None
            heads = scaled_dot_product_attention(query, key, value, attn_mask=mask)
            out.view(n, length, self.heads, -1).copy_(heads.transpose(1, 2))
        return attended

    def _normalise(self, flat: Tensor, norm: Affine) -> Tensor:
        from torch.nn.functional import layer_norm

        return layer_norm(flat, flat.shape[1:], norm.weight, norm.bias, self.eps)
