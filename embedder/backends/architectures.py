"""Which of transformers' encoders can be run packed, and where each keeps its weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedder.backends.encoder import Affine, Encoder, Layer
from embedder.backends.linear import Activation, Linear, Product, choose_product
from embedder.backends.placement import Placement

if TYPE_CHECKING:
    from torch import Tensor


class Unsupported(Exception):
    """The model's architecture, or a switch in its configuration, has no packed form here."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A transformer's weights by name, below whatever prefix its file has before them."""

    tensors: Mapping[str, Tensor]
    prefix: str
    placement: Placement
    product: Product

    def __getitem__(self, name: str) -> Tensor:
        """A copy of that tensor where it is needed: a mapped file could change, or be cut short, under us.

        Raises:
            Unsupported: there is none.
        """
        tensor = self.tensors.get(self.prefix + name)
        if tensor is None:
            raise Unsupported(f"no weight {name}")
        return tensor.to(self.placement.device, self.placement.dtype, copy=True)

    def affine(self, name: str) -> Affine:
        """A normalisation."""
        return Affine(self[f"{name}.weight"], self[f"{name}.bias"])

    def linear(self, *names: str, activation: Activation = "none") -> Linear:
        """One linear layer, or several over the same input made one."""
        import torch

        weight = torch.cat([self[f"{name}.weight"] for name in names])
        return self.product.make(weight, torch.cat([self[f"{name}.bias"] for name in names]), activation)


_WORDS = "embeddings.word_embeddings.weight"
_MPNET_PADDING_ID = 1
"""transformers has it in the code, whatever the configuration says."""


@dataclass(frozen=True, slots=True)
class _Names:
    """Where an architecture keeps the parts of a layer, below `layer` with the layer's number."""

    layer: str
    qkv: tuple[str, str, str]
    out: str
    out_norm: str
    up: str
    down: str
    down_norm: str


_BERT = _Names(
    "encoder.layer.{}.",
    ("attention.self.query", "attention.self.key", "attention.self.value"),
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
)
_MPNET = _Names(
    "encoder.layer.{}.",
    ("attention.attn.q", "attention.attn.k", "attention.attn.v"),
    "attention.attn.o",
    "attention.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
)
_DISTILBERT = _Names(
    "transformer.layer.{}.",
    ("attention.q_lin", "attention.k_lin", "attention.v_lin"),
    "attention.out_lin",
    "sa_layer_norm",
    "ffn.lin1",
    "ffn.lin2",
    "output_layer_norm",
)


def make_encoder(
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    placement: Placement,
    product: Product | None = None,
) -> Encoder:
    """The packed form of a transformers model, from its configuration and its weights.

    Its linear layers are by `product`; by default by the fastest.

    Raises:
        Unsupported
    """
    make = _ARCHITECTURES.get(str(config.get("model_type")))
    if make is None:
        raise Unsupported(f"architecture {config.get('model_type')}")
    prefix = _prefix(tensors)
    product = product or choose_product(placement, tensors[prefix + _WORDS].shape[1])
    try:
        return make(config, Weights(tensors, prefix, placement, product))
    except KeyError as missing:
        raise Unsupported(f"a configuration without {missing}") from None


def _prefix(tensors: Mapping[str, Tensor]) -> str:
    """What stands before every name: nothing, or `bert.` and the like."""
    found = [name.removesuffix(_WORDS) for name in tensors if name.endswith(_WORDS)]
    if len(found) != 1:
        raise Unsupported("weights without one table of words")
    return found[0]


def _bert(config: Mapping[str, Any], weights: Weights, padding_id: int | None = None) -> Encoder:
    """BERT, and those that differ only in how positions are counted (RoBERTa: from the padding id on)."""
    if config.get("position_embedding_type", "absolute") != "absolute" or config.get("is_decoder"):
        raise Unsupported("relative positions or a decoder")
    positions = weights["embeddings.position_embeddings.weight"][padding_id or 0 :]
    return Encoder(
        rows=weights.product.rows,
        words=weights[_WORDS],
        places=positions + weights["embeddings.token_type_embeddings.weight"][0],
        norm=weights.affine("embeddings.LayerNorm"),
        layers=_layers(weights, _BERT, config["num_hidden_layers"], config["hidden_act"]),
        heads=config["num_attention_heads"],
        eps=config["layer_norm_eps"],
        padding_id=padding_id,
        flash=weights.placement.flash,
    )


def _roberta(config: Mapping[str, Any], weights: Weights) -> Encoder:
    return _bert(config, weights, padding_id=int(config["pad_token_id"]))


def _distilbert(config: Mapping[str, Any], weights: Weights) -> Encoder:
    return Encoder(
        rows=weights.product.rows,
        words=weights[_WORDS],
        places=weights["embeddings.position_embeddings.weight"],
        norm=weights.affine("embeddings.LayerNorm"),
        layers=_layers(weights, _DISTILBERT, config["n_layers"], config["activation"]),
        heads=config["n_heads"],
        eps=1e-12,
        flash=weights.placement.flash,
    )


def _mpnet(config: Mapping[str, Any], weights: Weights) -> Encoder:
    """MPNet: RoBERTa's positions, and one learned bias by distance for every layer."""
    places = weights["embeddings.position_embeddings.weight"][_MPNET_PADDING_ID:]
    table = weights["encoder.relative_attention_bias.weight"]
    buckets = _distance_buckets(len(places), table.shape[0]).to(table.device)
    biases = table[buckets].permute(2, 0, 1).contiguous()

    def bias(length: int) -> Tensor:
        return biases[:, :length, :length].contiguous()

    return Encoder(
        rows=weights.product.rows,
        words=weights[_WORDS],
        places=places,
        norm=weights.affine("embeddings.LayerNorm"),
        layers=_layers(weights, _MPNET, config["num_hidden_layers"], config["hidden_act"]),
        heads=config["num_attention_heads"],
        eps=config["layer_norm_eps"],
        bias=bias,
        padding_id=_MPNET_PADDING_ID,
    )


def _distance_buckets(length: int, buckets: int, farthest: int = 128) -> Tensor:
    """Row of MPNet's table for each pair of places `(L, L)`: exact when near, by logarithm when far.

    As in Raffel et al. 2020 (T5), bidirectional.
    """
    import torch

    places = torch.arange(length)
    distance = places[None, :] - places[:, None]
    half = buckets // 2
    exact = half // 2
    steps = distance.abs()
    far = exact + (
        torch.log(steps.float().clamp(min=1) / exact) / math.log(farthest / exact) * (half - exact)
    ).to(torch.long).clamp(max=half - exact - 1)
    return torch.where(distance > 0, half, 0) + torch.where(steps < exact, steps, far)


_ARCHITECTURES: Mapping[str, Callable[[Mapping[str, Any], Weights], Encoder]] = {
    "bert": _bert,
    "roberta": _roberta,
    "xlm-roberta": _roberta,
    "camembert": _roberta,
    "distilbert": _distilbert,
    "mpnet": _mpnet,
}


def _layers(weights: Weights, names: _Names, count: int, activation: str) -> tuple[Layer, ...]:
    if activation not in _ACTIVATIONS:
        raise Unsupported(f"activation {activation}")
    ends = _ACTIVATIONS[activation]
    return tuple(_layer(weights, names, names.layer.format(number), ends) for number in range(count))


def _layer(weights: Weights, names: _Names, prefix: str, activation: Activation) -> Layer:
    return Layer(
        qkv=weights.linear(*(prefix + name for name in names.qkv)),
        out=weights.linear(prefix + names.out),
        out_norm=weights.affine(prefix + names.out_norm),
        up=weights.linear(prefix + names.up, activation=activation),
        down=weights.linear(prefix + names.down),
        down_norm=weights.affine(prefix + names.down_norm),
    )


_ACTIVATIONS: Mapping[str, Activation] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}
