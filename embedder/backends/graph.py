"""An encoder as one ONNX graph, run by ONNX Runtime in the thread that asks: for few tokens at a time.

With few rows a product is as slow as its weights can be read, and each operator's way through torch
costs as much as its work. ONNX Runtime lays weights out to be read once and runs all layers
by one call. With many rows it is no faster than the packed encoder; `crossover.py` finds where that begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice, repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from embedder.backends.architectures import Unsupported
from embedder.backends.encoder import Affine, Encoder, Group, Layer
from embedder.backends.linear import Activation, PlainLinear
from embedder.libraries import settle_environment

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_OPSET, _IR_VERSION = 17, 9
_MICROSOFT = "com.microsoft"
"""Operators of ONNX Runtime's own: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md."""
_ACTIVATIONS: dict[Activation, str] = {"gelu": "Gelu", "gelu_tanh": "FastGelu", "relu": "Relu"}
_ERRORS_ONLY = 3
_MOST_BYTES = 512 * 2**20
"""Of the layers' weights. Several copies live while a graph is made; larger layers gain little by it."""


class GraphEncoder:
    """The layers of an encoder in ONNX Runtime; may be called from several threads at once.

    It holds a copy of the layers' weights, as laid out for its products; the table of words stays with torch.
    """

    def __init__(self, encoder: Encoder, beside: Encoder | None = None) -> None:
        """Take an encoder whose linear layers are `PlainLinear`.

        Words, places and biases stay those of `beside`, the same encoder with other layers, so that
        `encoder` may go.

        Raises:
            Unsupported: ONNX Runtime is not installed, or the encoder is not to be had as a graph.
        """
        settle_environment()
        try:
            import onnxruntime
        except ImportError as error:
            raise Unsupported("ONNX Runtime, which is not installed") from error
        options = onnxruntime.SessionOptions()
        # The thread that asks does the work: no pool that spins beside the other workers.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        self._start = (beside or encoder).start
        self._bias = (beside or encoder).bias
        self._session: Any = onnxruntime.InferenceSession(
            make_graph(encoder), options, providers=["CPUExecutionProvider"]
        )

    def encode(self, token_ids: Tensor, places: Tensor, groups: Sequence[Group]) -> Tensor:
        """As `Encoder.encode`."""
        import torch

        lengths = np.repeat([length for _, length in groups], [texts for texts, _ in groups])
        feeds = _places_of(lengths) | {"rows": self._start(token_ids, places).numpy()}
        if self._bias is not None:
            feeds["bias"] = self._bias(int(lengths.max()))[None].numpy()
        (hidden,) = self._session.run(None, feeds)
        return torch.from_numpy(hidden)


@dataclass(frozen=True, slots=True)
class _Graph:
    """Nodes and weights so far; `names` gives each output a name of its own."""

    nodes: list[Any]
    weights: list[Any]
    names: Iterator[str]

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """One more operator with one output, whose name is returned."""
        from onnx import helper

        output = next(self.names)
        self.nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **attributes))
        return output

    def keep(self, values: Tensor | NDArray[Any]) -> str:
        """A constant."""
        from onnx import numpy_helper

        name = next(self.names)
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def norm(self, norm: Affine) -> list[str]:
        """Weight and bias of a normalisation."""
        return [self.keep(part) for part in (norm.weight, norm.bias) if part is not None]


def make_graph(encoder: Encoder) -> bytes:
    """The layers of `encoder` as a serialised ONNX model: from `rows` float32 `(T, hidden)` to `hidden`.

    `pad` int64 `(n, L)` says which row stands at each place of each text, `mask` int32 `(n, L)` which
    places are a text's, and `unpad` int64 `(T,)` which of the `n L` places each row is from. So all but
    attention runs without padding. `bias` `(1, heads, L, L)` is there for encoders that have one.

    Raises:
        Unsupported: its linear layers are not `PlainLinear`, or they are too large.
    """
    from onnx import TensorProto, helper

    if _layer_bytes(encoder) > _MOST_BYTES:
        raise Unsupported("layers too large for a graph")
    graph = _Graph([], [], map("v{}".format, count()))
    hidden = int(encoder.words.shape[1])
    rows = graph.add("LayerNormalization", "rows", *graph.norm(encoder.norm), axis=-1, epsilon=encoder.eps)
    for layer in encoder.layers:
        rows = _add_layer(graph, layer, encoder, rows)
    graph.add("Identity", rows)
    graph.nodes[-1].output[0] = "hidden"

    def value(name: str, kind: int, *shape: str | int) -> Any:
        return helper.make_tensor_value_info(name, kind, shape)

    inputs = [
        value("rows", TensorProto.FLOAT, "T", hidden),
        value("pad", TensorProto.INT64, "n", "L"),
        value("unpad", TensorProto.INT64, "T"),
        value("mask", TensorProto.INT32, "n", "L"),
    ]
    if encoder.bias is not None:
        inputs.append(value("bias", TensorProto.FLOAT, 1, encoder.heads, "L", "L"))
    outputs = [value("hidden", TensorProto.FLOAT, "T", hidden)]
    made = helper.make_graph(graph.nodes, "encoder", inputs, outputs, graph.weights)
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_MICROSOFT, 1)]
    serialised: bytes = helper.make_model(
        made, opset_imports=opsets, ir_version=_IR_VERSION
    ).SerializeToString()
    return serialised


def _add_layer(graph: _Graph, layer: Layer, encoder: Encoder, rows: str) -> str:
    query, key, value = (graph.add("Gather", part, "pad") for part in _thirds(graph, layer.qkv, rows))
    heads, bias = encoder.heads, () if encoder.bias is None else ("bias",)
    inputs = (query, key, value, "", "mask", *bias)
    attended = graph.add("MultiHeadAttention", *inputs, domain=_MICROSOFT, num_heads=heads)
    flat = graph.add("Reshape", attended, graph.keep(np.array([-1, encoder.words.shape[1]])))
    out = _add_linear(graph, layer.out, graph.add("Gather", flat, "unpad"))
    rows = _add_normalised_sum(graph, out, rows, layer.out_norm, encoder.eps)
    down = _add_linear(graph, layer.down, _add_linear(graph, layer.up, rows))
    return _add_normalised_sum(graph, down, rows, layer.down_norm, encoder.eps)


def _add_normalised_sum(graph: _Graph, one: str, other: str, norm: Affine, eps: float) -> str:
    parts = graph.norm(norm)
    return graph.add("SkipLayerNormalization", one, other, *parts, domain=_MICROSOFT, epsilon=eps)


def _thirds(graph: _Graph, qkv: Any, rows: str) -> list[str]:
    """Query, key and value by products of their own, so that none has to be split off again."""
    linear = _plain(qkv)
    biases = repeat(None) if linear.bias is None else linear.bias.chunk(3)
    parts = zip(linear.weight.chunk(3), islice(biases, 3), strict=True)
    return [_add_linear(graph, PlainLinear(weight, bias), rows) for weight, bias in parts]


def _add_linear(graph: _Graph, linear: Any, rows: str) -> str:
    plain = _plain(linear)
    bias = () if plain.bias is None else (graph.keep(plain.bias),)
    output = graph.add("Gemm", rows, graph.keep(plain.weight.t()), *bias)
    if plain.activation == "none":
        return output
    name = _ACTIVATIONS[plain.activation]
    return graph.add(name, output, domain="" if name == "Relu" else _MICROSOFT)


def _plain(linear: Any) -> PlainLinear:
    if not isinstance(linear, PlainLinear):
        raise Unsupported("linear layers whose weights are laid out already")
    return linear


def _layer_bytes(encoder: Encoder) -> int:
    linears = (linear for one in encoder.layers for linear in (one.qkv, one.out, one.up, one.down))
    return sum(_plain(linear).weight.nbytes for linear in linears)


def _places_of(lengths: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """`pad`, `unpad` and `mask` for texts of these lengths, one after the other."""
    places = np.arange(lengths.max())
    taken = places < lengths[:, None]
    starts = np.cumsum(lengths) - lengths
    return {
        "pad": np.where(taken, starts[:, None] + places, 0),
        "unpad": np.flatnonzero(taken),
        "mask": taken.astype(np.int32),
    }
