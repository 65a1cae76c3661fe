"""The runtimes. A new one is one file here, one branch in `load_backend`, one row in the contract suite."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from embedder.backends.sources import model_folder
from embedder.config import Settings
from embedder.protocols import Backend

if TYPE_CHECKING:
    from embedder.backends.sentence_transformers import SentenceTransformersBackend

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
    folder = model_folder(source)
    if settings.runtime == "auto" and settings.device == "cpu":
        return _load_fastest(model_id, folder, settings)
    return _load_reference(model_id, folder, settings)


def _load_reference(model_id: str, folder: Path, settings: Settings) -> SentenceTransformersBackend:
    from embedder.backends.sentence_transformers import SentenceTransformersBackend

    return SentenceTransformersBackend(model_id, folder, settings)


def _load_fastest(model_id: str, folder: Path, settings: Settings) -> Backend:
    """The packed runtime where the model has that form, else the reference.

    The form is learned from the reference, and its vectors held against the reference's, the
    first time; after that it is known.
    """
    from embedder.backends.architectures import Unsupported
    from embedder.backends.form import Forms, describe, form_key
    from embedder.backends.packed import PackedBackend

    forms, key = Forms(settings.cache_dir), form_key(folder)
    form = forms.recall(key, model_id)
    if form is not None:
        return PackedBackend(folder, form, settings.cpu_threads)
    reference = _load_reference(model_id, folder, settings)
    try:
        form = describe(reference, folder)
        packed = PackedBackend(folder, form, settings.cpu_threads)
        packed.compare(reference)
    except Unsupported as reason:
        _LOG.info("The model %s runs in sentence-transformers: no packed form for %s.", model_id, reason)
        return reference
    forms.keep(key, form)
    return packed
