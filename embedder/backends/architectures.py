"""Which of transformers' encoders can be run packed, and where each keeps its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from embedder.backends.encoder import Affine, Encoder, Layer

if TYPE_CHECKING:
    from torch import Tensor


class Unsupported(Exception):
    """The model's architecture, or a switch in its configuration, has no packed form here."""


def make_encoder(transformer: Any) -> Encoder:
    """The packed form of a transformers model; its weights are shared, not copied.

    Raises:
        Unsupported
    """
    make = _ARCHITECTURES.get(transformer.config.model_type)
    if make is None:
        raise Unsupported(f"architecture {transformer.config.model_type}")
    return make(transformer)


def _bert(model: Any, first_place: int = 0) -> Encoder:
    """BERT, and those that differ only in where positions begin (RoBERTa: after the padding id)."""
    config, tables = model.config, model.embeddings
    if getattr(config, "position_embedding_type", "absolute") != "absolute" or config.is_decoder:
        raise Unsupported("relative positions or a decoder")
    places = tables.position_embeddings.weight[first_place:] + tables.token_type_embeddings.weight[0]
    return Encoder(
        words=tables.word_embeddings.weight.detach(),
        places=places.detach(),
        norm=_affine(tables.LayerNorm),
        layers=tuple(_bert_layer(layer) for layer in model.encoder.layer),
        heads=config.num_attention_heads,
        eps=config.layer_norm_eps,
        activation=_activation(config.hidden_act),
    )


def _bert_layer(layer: Any) -> Layer:
    inner = layer.attention.self
    return Layer(
        qkv=_fuse(inner.query, inner.key, inner.value),
        out=_affine(layer.attention.output.dense),
        out_norm=_affine(layer.attention.output.LayerNorm),
        up=_affine(layer.intermediate.dense),
        down=_affine(layer.output.dense),
        down_norm=_affine(layer.output.LayerNorm),
    )


def _roberta(model: Any) -> Encoder:
    return _bert(model, first_place=int(model.config.pad_token_id) + 1)


def _distilbert(model: Any) -> Encoder:
    config, tables = model.config, model.embeddings
    return Encoder(
        words=tables.word_embeddings.weight.detach(),
        places=tables.position_embeddings.weight.detach(),
        norm=_affine(tables.LayerNorm),
        layers=tuple(
            Layer(
                qkv=_fuse(layer.attention.q_lin, layer.attention.k_lin, layer.attention.v_lin),
                out=_affine(layer.attention.out_lin),
                out_norm=_affine(layer.sa_layer_norm),
                up=_affine(layer.ffn.lin1),
                down=_affine(layer.ffn.lin2),
                down_norm=_affine(layer.output_layer_norm),
            )
            for layer in model.transformer.layer
        ),
        heads=config.n_heads,
        eps=1e-12,
        activation=_activation(config.activation),
    )


def _mpnet(model: Any) -> Encoder:
    """MPNet: RoBERTa's positions, and one learned bias by distance for every layer."""
    config, tables = model.config, model.embeddings
    first = int(config.pad_token_id) + 1
    known: dict[int, Tensor] = {}

    def bias(length: int) -> Tensor:
        import torch

        if length not in known:
            with torch.inference_mode():
                sample = torch.empty(1, length, 1, device=tables.word_embeddings.weight.device)
                known[length] = model.encoder.compute_position_bias(sample)[0].contiguous()
        return known[length]

    return Encoder(
        words=tables.word_embeddings.weight.detach(),
        places=tables.position_embeddings.weight[first:].detach(),
        norm=_affine(tables.LayerNorm),
        layers=tuple(
            Layer(
                qkv=_fuse(layer.attention.attn.q, layer.attention.attn.k, layer.attention.attn.v),
                out=_affine(layer.attention.attn.o),
                out_norm=_affine(layer.attention.LayerNorm),
                up=_affine(layer.intermediate.dense),
                down=_affine(layer.output.dense),
                down_norm=_affine(layer.output.LayerNorm),
            )
            for layer in model.encoder.layer
        ),
        heads=config.num_attention_heads,
        eps=config.layer_norm_eps,
        activation=_activation(config.hidden_act),
        bias=bias,
    )


_ARCHITECTURES: Mapping[str, Callable[[Any], Encoder]] = {
    "bert": _bert,
    "roberta": _roberta,
    "xlm-roberta": _roberta,
    "camembert": _roberta,
    "distilbert": _distilbert,
    "mpnet": _mpnet,
}


def _fuse(query: Any, key: Any, value: Any) -> Affine:
    """One matrix for three; the three become views of it, so that the weights exist once."""
    import torch

    with torch.no_grad():
        weight = torch.cat([query.weight, key.weight, value.weight])
        bias = torch.cat([query.bias, key.bias, value.bias])
        rows = query.weight.shape[0]
        for number, part in enumerate((query, key, value)):
            part.weight.data = weight[number * rows : (number + 1) * rows]
            part.bias.data = bias[number * rows : (number + 1) * rows]
    return Affine(weight, bias)


def _affine(module: Any) -> Affine:
    return Affine(module.weight.detach(), None if module.bias is None else module.bias.detach())


def _activation(name: str) -> Callable[[Tensor], Tensor]:
    from torch.nn import functional

    if name == "gelu":
        return functional.gelu
    if name in ("gelu_new", "gelu_pytorch_tanh"):
        return lambda x: functional.gelu(x, approximate="tanh")
    if name == "relu":
        return functional.relu
    raise Unsupported(f"activation {name}")
