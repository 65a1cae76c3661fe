"""A BERT-like encoder over one flat array of tokens: no padding, no mask.

Linear layers, normalisation and activation run on `(T, hidden)`, all tokens of a batch one after
the other; attention runs per group of texts of equal length, or on CUDA over all of them at once.
The arithmetic is that of Devlin et al. 2019 as transformers implements it, so vectors agree with it
to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedder.backends.linear import Linear

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Attend = Callable[["Tensor"], "Tensor"]
"""Attention within each text: `(T, 3 hidden)` to `(T, hidden)`."""

Group = tuple[int, int]
"""(texts, tokens of each): that many texts of one length, one after the other."""


@dataclass(frozen=True, slots=True)
class Affine:
    """`weight` and `bias` `(hidden,)` of a normalisation."""

    weight: Tensor
    bias: Tensor | None


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer; `qkv` gives query, key and value in one, `(T, 3 hidden)`; `up` ends in the activation."""

    qkv: Linear
    out: Linear
    out_norm: Affine
    up: Linear
    down: Linear
    down_norm: Affine


def number_places(
    token_ids: NDArray[np.int64], lengths: NDArray[np.int64], padding_id: int | None
) -> NDArray[np.int64]:
    """The place of each token `(T,)` in its text, for texts of these lengths one after the other.

    Counted from 0; with a `padding_id` from 1, without the tokens that are it, whose place is 0:
    RoBERTa and MPNet have such a token in the middle of a text when somebody types it
    (`create_position_ids_from_input_ids` in transformers).
    """
    starts = np.cumsum(lengths) - lengths
    if padding_id is None:
        return np.arange(len(token_ids)) - np.repeat(starts, lengths)
    counted = token_ids != padding_id
    before = np.concatenate([[0], np.cumsum(counted)])
    places: NDArray[np.int64] = (before[1:] - np.repeat(before[starts], lengths)) * counted
    return places


@dataclass(frozen=True, slots=True)
class Encoder:
    """The weights of an encoder by their part in it.

    `rows` says in how many rows so many tokens are best computed; those past the tokens are idle.
    `flash` says that torch's attention over texts of different lengths in one kernel is to be had.
    `places` `(positions, hidden)` is what is added to a word at place i: position and, where there
    is one, token type 0; which place a token has is `number_places`' to say, with this `padding_id`.
    `bias` gives the attention's relative-position bias `(heads, L, L)`, contiguous.
    """

    rows: Callable[[int], int]
    words: Tensor
    places: Tensor
    norm: Affine
    layers: tuple[Layer, ...]
    heads: int
    eps: float
    bias: Callable[[int], Tensor] | None = None
    padding_id: int | None = None
    flash: bool = False

    def encode(self, token_ids: Tensor, places: Tensor, groups: Sequence[Group]) -> Tensor:
        """Last hidden states `(T, hidden)` of `token_ids` `(T,)`, each at its place `(T,)` in its text.

        `groups` say, in the same order, which rows are a text; their tokens sum to T.
        """
        from torch.nn.functional import pad

        tokens = len(token_ids)
        attend = self._attention(groups, token_ids)
        flat = pad(self.start(token_ids, places), (0, 0, 0, self.rows(tokens) - tokens))
        flat = self._normalise(flat, self.norm)
        for layer in self.layers:
            flat = self._layer(flat, layer, attend)
        return flat[:tokens]

    def start(self, token_ids: Tensor, places: Tensor) -> Tensor:
        """What the first normalisation is given: word and place of each token, `(T, hidden)`."""
        from torch.nn.functional import embedding

        return embedding(token_ids, self.words).add_(embedding(places, self.places))

    def _layer(self, flat: Tensor, layer: Layer, attend: Attend) -> Tensor:
        flat = layer.out(attend(layer.qkv(flat))).add_(flat)
        flat = self._normalise(flat, layer.out_norm)
        return self._normalise(layer.down(layer.up(flat)).add_(flat), layer.down_norm)

    def _attention(self, groups: Sequence[Group], token_ids: Tensor) -> Attend:
        """The way to attend to texts of these lengths on the device of `token_ids`."""
        import torch

        if not self.flash:
            return lambda qkv: self._attend(qkv, groups)
        lengths = torch.tensor([0, *(length for texts, length in groups for _ in range(texts))])
        ends = lengths.cumsum(0).to(token_ids.device, torch.int32)
        longest = max(length for _, length in groups)
        return lambda qkv: self._attend_flash(qkv, ends, longest)

    def _attend_flash(self, qkv: Tensor, ends: Tensor, longest: int) -> Tensor:
        """All texts by one kernel that knows where each `ends` (Dao 2023, FlashAttention-2)."""
        from torch.nn.attention.varlen import varlen_attn

        query, key, value = qkv.view(len(qkv), 3, self.heads, -1).unbind(1)
        # One split: a vector that does not depend on which texts share its batch.
        attended = varlen_attn(query, key, value, ends, ends, longest, longest, num_splits=1)
        assert not isinstance(attended, tuple)
        return attended.reshape(len(qkv), -1)

    def _attend(self, qkv: Tensor, groups: Sequence[Group]) -> Tensor:
        """Scaled dot-product attention, one group after the other."""
        hidden = qkv.shape[1] // 3
        if len(groups) == 1 and len(qkv) == groups[0][0] * groups[0][1]:
            return self._attend_group(qkv, groups[0]).reshape(-1, hidden)
        attended = qkv.new_empty(len(qkv), hidden)
        start = 0
        for texts, length in groups:
            rows = slice(start, start + texts * length)
            attended[rows].view(texts, length, self.heads, -1).copy_(
                self._attend_group(qkv[rows], (texts, length))
            )
            start = rows.stop
        attended[start:] = 0
        return attended

    def _attend_group(self, qkv: Tensor, group: Group) -> Tensor:
        """`(n L, 3 hidden)` to `(n, L, heads, hidden / heads)`."""
        from torch.nn.functional import scaled_dot_product_attention

        query, key, value = qkv.view(*group, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind()
        mask = self.bias(group[1]) if self.bias else None
        return scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2)

    def _normalise(self, flat: Tensor, norm: Affine) -> Tensor:
        from torch.nn.functional import layer_norm

        return layer_norm(flat, flat.shape[1:], norm.weight, norm.bias, self.eps)
