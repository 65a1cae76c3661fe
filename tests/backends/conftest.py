"""The bundled model's form, and its weights computed in whichever way a test asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from embedder.backends import load_backend
from embedder.backends.form import Form, Forms, form_key
from embedder.backends.packed import PackedBackend
from embedder.backends.placement import Placement
from embedder.backends.sources import model_folder
from embedder.config import DEFAULT_MODEL, Settings

Placed = Callable[[Placement], PackedBackend]


@pytest.fixture(scope="session")
def folder() -> Path:
    return model_folder(DEFAULT_MODEL)


@pytest.fixture(scope="session")
def form(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Form:
    """What is learned of the model when it is loaded for the first time."""
    settings = Settings(cache_dir=tmp_path_factory.mktemp("cache"))
    load_backend(DEFAULT_MODEL, DEFAULT_MODEL, settings)
    form = Forms(settings.cache_dir).recall(form_key(folder), DEFAULT_MODEL)
    assert form is not None
    return form


@pytest.fixture(scope="session")
def placed(folder: Path, form: Form) -> Placed:
    """The model computed so."""
    return lambda placement: PackedBackend(folder, form, placement)
