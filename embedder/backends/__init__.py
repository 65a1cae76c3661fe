"""The runtimes. A new one is one file here, one branch in `load_backend`, one row in the contract suite."""

from __future__ import annotations

import logging
import os

from embedder.config import Settings
from embedder.protocols import Backend

_LOG = logging.getLogger(__name__)


def load_backend(model_id: str, source: str, settings: Settings) -> Backend:
    """Load the model `source` to be served as `model_id`; blocking, for seconds or minutes.

    Raises:
        ModelUnavailable: it is not to be had, or not in a form that is safe to load.
    """
    # Spinning OpenMP threads fall to a fifth of their speed when the cores are shared; read when
    # torch is imported. The tokenizers' own thread pool would compete with the batches.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from embedder.backends.architectures import Unsupported
    from embedder.backends.packed import PackedBackend
    from embedder.backends.sentence_transformers import SentenceTransformersBackend

    reference = SentenceTransformersBackend(model_id, source, settings)
    if settings.runtime == "sentence-transformers":
        return reference
    try:
        return PackedBackend(reference)
    except Unsupported as reason:
        _LOG.info("The model %s runs in sentence-transformers: no packed form for %s.", model_id, reason)
        return reference
