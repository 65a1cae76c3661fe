"""Tessera's engine: texts in, vectors out, by one road."""

from __future__ import annotations

from embedder.config import Settings
from embedder.engine import Engine
from embedder.types import Embeddings, EmbedOptions, ModelInfo, Priority

__version__ = "0.1.0"

__all__ = ["EmbedOptions", "Embeddings", "Engine", "ModelInfo", "Priority", "Settings", "__version__"]
