"""Linear layers by whichever matrix product is fastest on this processor.

torch multiplies float32 matrices with MKL, which gives processors that are not Intel's its AVX2
kernels only. oneDNN, which torch carries too, has AVX-512 kernels for all of them and takes
weights laid out for it once. Which is faster is measured when a model is loaded, in milliseconds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from embedder.backends.placement import Placement
from embedder.backends.trial import CLEARLY, best_s, one_thread

if TYPE_CHECKING:
    from torch import Tensor

_LOG = logging.getLogger(__name__)

Linear = Callable[["Tensor"], "Tensor"]
"""`(T, in)` to a new `(T, out)`, bias added."""

Activation = Literal["none", "gelu", "gelu_tanh", "relu"]

MakeLinear = Callable[["Tensor", "Tensor | None", Activation], Linear]
"""From a weight `(out, in)`, a bias `(out,)` and what is done to the sum."""

_ONEDNN_NAMES: dict[Activation, tuple[str, str]] = {
    "none": ("none", ""),
    "gelu": ("gelu", "none"),
    "gelu_tanh": ("gelu", "tanh"),
    "relu": ("relu", ""),
}

_FUSED_ROWS = 64
"""Activations are part of oneDNN's product from so many rows on; with fewer that is slower."""

_LEAST_STEP = 8

_TRIAL_TOKENS, _TRIALS = 128, 15
_CLOSE = 1e-4

_INT8_MOST = 127
_LEAST_SCALE = 1e-12
"""So that a row of zeros is divided by something."""


@dataclass(frozen=True, slots=True)
class Product:
    """A way to multiply; `rounds` says whether it makes a program of its own for each number of rows."""

    make: MakeLinear
    rounds: bool = False

    def rows(self, tokens: int) -> int:
        """How many rows to compute `tokens` in: up to a thirty-second more, so that few numbers occur.

        A program of oneDNN's takes a millisecond to make and half a megabyte to keep.
        """
        if not self.rounds:
            return tokens
        step = max(_LEAST_STEP, 2 ** (tokens.bit_length() - 5))
        return int(-(-tokens // step) * step)


@dataclass(frozen=True, slots=True, eq=False)
class PlainLinear:
    """torch's own product; the weight `(out, in)` is used as it is."""

    weight: Tensor
    bias: Tensor | None
    activation: Activation = "none"
    _apply: Linear = field(init=False, repr=False)

    def __post_init__(self) -> None:
        from torch.nn.functional import linear

        product = partial(linear, weight=self.weight, bias=self.bias)
        object.__setattr__(self, "_apply", _followed(product, self.activation))

    def __call__(self, rows: Tensor) -> Tensor:
        """`(T, in)` to `(T, out)`."""
        return self._apply(rows)


def onednn_linear(weight: Tensor, bias: Tensor | None, activation: Activation = "none") -> Linear:
    """oneDNN's product, as torch's compiler calls it; the weight is copied into oneDNN's own layout."""
    import torch

    ops: Any = torch.ops.mkldnn
    laid_out = ops._reorder_linear_weight(weight.detach().contiguous())
    multiply = ops._linear_pointwise.default
    name, form = _ONEDNN_NAMES[activation]

    def fused(rows: Tensor) -> Tensor:
        product: Tensor = multiply(rows, laid_out, bias, name, [], form)
        return product

    if activation == "none":
        return fused
    apart = _followed(lambda rows: multiply(rows, laid_out, bias, "none", [], ""), activation)
    return lambda rows: fused(rows) if rows.shape[0] >= _FUSED_ROWS else apart(rows)


def int8_linear(weight: Tensor, bias: Tensor | None, activation: Activation = "none") -> Linear:
    """A product of int8 by int8 in int32: weights scaled by output, rows each by their largest.

    As in Dettmers et al. 2022 (LLM.int8), without the outliers kept apart: encoders have few.
    """
    import torch

    scale = weight.abs().amax(1).clamp_min(_LEAST_SCALE) / _INT8_MOST
    # `(in, out)` as a view: oneDNN reads it as it lies.
    quantised = (weight / scale[:, None]).round_().to(torch.int8).t()
    added = weight.new_zeros(len(weight)) if bias is None else bias

    def multiply(rows: Tensor) -> Tensor:
        row_scale = rows.abs().amax(1, keepdim=True).clamp_min_(_LEAST_SCALE).div_(_INT8_MOST)
        product = torch._int_mm((rows / row_scale).round_().to(torch.int8), quantised)
        return torch.addcmul(added, product.to(torch.float32).mul_(scale), row_scale)

    return _followed(multiply, activation)


def _followed(product: Linear, activation: Activation) -> Linear:
    from torch.nn import functional

    if activation == "none":
        return product
    if activation == "relu":
        return lambda rows: functional.relu(product(rows))
    form = "tanh" if activation == "gelu_tanh" else "none"
    return lambda rows: functional.gelu(product(rows), approximate=form)


def choose_product(placement: Placement, hidden: int) -> Product:
    """The product for the linear layers of a model of that width, placed so."""
    if placement.precision == "int8":
        return Product(int8_linear, rounds=True)
    if placement.is_exact:
        return fastest_product(hidden)
    return Product(PlainLinear)


def fastest_product(hidden: int) -> Product:
    """Whichever float32 product is faster on this processor, by a trial on one thread."""
    with one_thread():
        return _fastest(hidden)


def _fastest(hidden: int) -> Product:
    import torch

    rows, weight = torch.randn(_TRIAL_TOKENS, hidden), torch.randn(4 * hidden, hidden)
    plain = PlainLinear(weight, None, "gelu")
    try:
        onednn = onednn_linear(weight, None, "gelu")
        close = torch.allclose(onednn(rows), plain(rows), rtol=_CLOSE, atol=_CLOSE * hidden**0.5)
    except (AttributeError, RuntimeError, TypeError):  # a torch without oneDNN, or with another of its forms
        return Product(PlainLinear)
    plain_s, onednn_s = best_s([lambda: plain(rows), lambda: onednn(rows)], _TRIALS)
    if not close or onednn_s > CLEARLY * plain_s:
        return Product(PlainLinear)
    _LOG.debug("Linear layers by oneDNN: %.0f %% of the time of torch's own.", 100 * onednn_s / plain_s)
    return Product(onednn_linear, rounds=True)
