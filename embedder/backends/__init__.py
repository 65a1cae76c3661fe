"""The runtimes. A new one is one file here, one branch in `load_backend`, one row in the contract suite."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from embedder.backends.form import Form, Forms
from embedder.backends.placement import Placement, place
from embedder.backends.remote import RemoteBackend, is_upstream
from embedder.backends.sources import model_folder, packaged
from embedder.config import Settings
from embedder.libraries import settle_environment
from embedder.protocols import Backend

if TYPE_CHECKING:
    from embedder.backends.packed import PackedBackend
    from embedder.backends.sentence_transformers import SentenceTransformersBackend

_LOG = logging.getLogger(__name__)


def load_backend(model_id: str, source: str, settings: Settings) -> Backend:
    """Load the model `source` to be served as `model_id`; blocking, for seconds or minutes.

    Raises:
        ModelUnavailable: it is not to be had, or not in a form that is safe to load.
    """
    settle_environment()
    if is_upstream(source):
        return RemoteBackend(model_id, source, settings)
    folder, placement = model_folder(source), place(settings)
    known = packaged(source)
    form = "sentence-transformers" if known is None else known.form
    if form == "universal-sentence-encoder":
        return _load_universal(model_id, folder, placement)
    if settings.runtime == "auto" and form == "sentence-transformers":
        return _load_fastest(model_id, folder, placement, Forms(settings.cache_dir))
    return _load_reference(model_id, folder, placement)


def load_reranker(model_id: str, source: str, settings: Settings) -> Backend:
    """Load the cross-encoder `source` to be served as `model_id`; blocking.

    Raises:
        ModelUnavailable: it is not to be had, not in a form that is safe to load, or no cross-encoder.
    """
    from embedder.backends.cross_encoder import CrossEncoderBackend

    settle_environment()
    return CrossEncoderBackend(model_id, model_folder(source), place(settings))


def _load_reference(model_id: str, folder: Path, placement: Placement) -> SentenceTransformersBackend:
    from embedder.backends.sentence_transformers import SentenceTransformersBackend

    if placement.precision == "int8":
        _LOG.warning("The model %s runs in float32: the reference runtime has no int8.", model_id)
        placement = replace(placement, precision="float32")
    return SentenceTransformersBackend(model_id, folder, placement)


def _load_universal(model_id: str, folder: Path, placement: Placement) -> Backend:
    from embedder.backends.universal import UniversalBackend

    if placement.precision != "float32":
        _LOG.warning("The model %s runs in float32 on the CPU: its engine has nothing else.", model_id)
    return UniversalBackend(model_id, folder, threads=placement.threads)


def _load_fastest(model_id: str, folder: Path, placement: Placement, forms: Forms) -> Backend:
    """The packed runtime where the model has that form, else the reference.

    The form is learned from the reference on the CPU, its vectors are held against the reference's,
    and it is tried up to how many tokens a graph is faster, the first time; after that all is known.
    """
    from embedder.backends.architectures import Unsupported
    from embedder.backends.form import describe, form_key
    from embedder.backends.packed import PackedBackend

    key, exact = form_key(folder), Placement(threads=placement.threads)
    form = forms.recall(key, model_id)
    reference = _load_reference(model_id, folder, exact) if form is None else None
    try:
        if reference is not None:
            form = describe(reference, folder)
            packed = PackedBackend(folder, form, exact)
            packed.compare(reference)
            form = _tried(packed, replace(form, graph_tokens=packed.find_graph()), exact)
            forms.keep(key, form)
            if placement == exact:
                return packed
        assert form is not None
        if placement.precision != "float32" and placement.name not in form.neighbours_kept:
            form = _measured(form, folder, placement)
            forms.keep(key, form)
        packed = PackedBackend(folder, form, placement)
        if placement == exact and (tried := _tried(packed, form, exact)) != form:
            forms.keep(key, tried)
        return packed
    except Exception as error:  # with whatever it failed, the reference serves
        reason = str(error) if isinstance(error, Unsupported) else type(error).__name__
        _LOG.info("The model %s runs in sentence-transformers: no packed form for %s.", model_id, reason)
    if reference is not None and placement == exact:
        return reference
    return _load_reference(model_id, folder, placement)


def _tried(packed: PackedBackend, form: Form, exact: Placement) -> Form:
    """`form` with from how many tokens on all cores are faster than one, tried if that is not known.

    What was tried with other threads says nothing of these. A trial that was lost may have been so to
    other work, and is made again the next time.
    """
    threads = str(exact.threads)
    if exact.threads == 1 or threads in form.shared_tokens:
        return form
    try:
        found = packed.find_shared()
    except Exception as error:  # a model is served without it
        _LOG.warning("The trial of all cores failed with %s; each text has one.", type(error).__name__)
        return form
    return form if found is None else replace(form, shared_tokens={**form.shared_tokens, threads: found})


def _measured(form: Form, folder: Path, placement: Placement) -> Form:
    """`form` with what computing it so costs."""
    from embedder.backends.packed import PackedBackend
    from embedder.backends.precision import neighbours_kept

    exact = PackedBackend(folder, form, Placement(threads=placement.threads))
    kept = neighbours_kept(exact, PackedBackend(folder, form, placement))
    _LOG.info("The model %s keeps %.1f %% of neighbours in %s.", form.info.id, 100 * kept, placement.name)
    return replace(form, neighbours_kept={**form.neighbours_kept, placement.name: kept})
