"""The name of a vector space: equal names mean vectors that agree to 1e-5."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from embedder.types import ModelInfo, Precision

if TYPE_CHECKING:
    import torch


def fingerprint(weights: Mapping[str, torch.Tensor], space: Mapping[str, Any]) -> str:
    """SHA-256 over every weight (name, type, shape, bytes) and what else makes the space.

    `space` holds plain values: modules with pooling and normalisation, max tokens, tokenizer,
    precision class.
    """
    import torch

    digest = hashlib.sha256(json.dumps(space, sort_keys=True).encode())
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return f"sha256:{digest.hexdigest()[:32]}"


def in_precision(info: ModelInfo, precision: Precision, neighbours_kept: float | None = None) -> ModelInfo:
    """The same model computed in other numbers than float32: a vector space of its own."""
    name = f"{info.fingerprint}-{precision}"
    return replace(info, fingerprint=name, precision=precision, neighbours_kept=neighbours_kept)
