"""`tessera models`: what would be served, judged by files alone, without loading anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from embedder.backends.remote import is_upstream
from embedder.backends.sources import locate_model, packaged
from embedder.config import Settings


def models() -> int:
    """Print a line for each allowed model; returns the exit code.

    Raises:
        ConfigError
    """
    rows = [("MODEL", "DIMENSIONS", "MAX TOKENS", "FILES")]
    settings = Settings.load()
    allowed = [*settings.allowed_models.items(), *filter(None, [settings.allowed_reranker])]
    for model_id, source in allowed:
        if is_upstream(source):
            hosts = ", ".join(urlsplit(address).netloc for address in source.split())
            rows.append((model_id, _or_unknown(None), _or_unknown(None), f"another server's: {hosts}"))
            continue
        folder, known = locate_model(source), packaged(source)
        dimensions, max_tokens = (None, None) if folder is None else read_limits(folder)
        dimensions = dimensions or (known.dimensions if known else None)
        where = str(folder) if folder else "not on this machine; fetched when served, if it can be"
        if folder is None and known is not None and known.install:
            where = f"not on this machine; pip install '{known.install}'"
        rows.append((model_id, _or_unknown(dimensions), _or_unknown(max_tokens), where))
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    for row in rows:
        print(*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3], sep="  ")
    return 0


def read_limits(folder: Path) -> tuple[int | None, int | None]:
    """(dimensions, max tokens) as the files of a sentence-transformers model say; None where they don't."""
    config = _json(folder / "config.json")
    dimensions = config.get("hidden_size")
    max_tokens = _json(folder / "sentence_bert_config.json").get("max_seq_length")
    modules = _json(folder / "modules.json") or []
    for module in modules:
        part = folder / module["path"]
        kind = str(module["type"]).rpartition(".")[2]
        told = _json(part / "config.json")
        if kind == "Pooling":
            dimensions = told.get("embedding_dimension", told.get("word_embedding_dimension", dimensions))
        elif kind == "Dense":
            dimensions = told.get("out_features", dimensions)
        elif kind == "StaticEmbedding":
            dimensions = _static_dimensions(part / "model.safetensors")
    if max_tokens is None and modules:
        max_tokens = config.get("max_position_embeddings")
    return dimensions, max_tokens


def _json(path: Path) -> Any:
    """The content of a JSON file, or an empty object where there is none."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _static_dimensions(weights: Path) -> int | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="np") as tensors:
            return int(tensors.get_slice("embedding.weight").get_shape()[1])
    except (OSError, SafetensorError):
        return None


def _or_unknown(number: int | None) -> str:
    return "unknown" if number is None else str(number)
