"""Which folders are loaded at all: safetensors only, nobody's code, nothing from outside."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest

from embedder.backends.sources import locate_model, model_folder
from embedder.config import DEFAULT_MODEL
from embedder.errors import ModelUnavailable


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    shutil.copytree(model_folder(DEFAULT_MODEL), folder, ignore=shutil.ignore_patterns("*.safetensors"))
    return folder


def test_the_default_model_is_in_a_package() -> None:
    folder = model_folder(DEFAULT_MODEL)
    assert (folder / "model.safetensors").is_file()
    assert locate_model(DEFAULT_MODEL) == folder


def test_pickled_weights_are_refused_and_never_opened(copy: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (copy / "ran",))  # type: ignore[return-value]

    (copy / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ModelUnavailable, match="pickle"):
        model_folder(str(copy))
    assert not (copy / "ran").exists()


def test_a_decoy_does_not_make_a_pickle_safe(copy: Path) -> None:
    folder = copy / "3_Dense"
    folder.mkdir()
    (folder / "pytorch_model.bin").write_bytes(b"")
    (folder / "decoy.safetensors").write_bytes(b"")
    with pytest.raises(ModelUnavailable, match="pickle"):
        model_folder(str(copy))


def test_modules_of_other_packages_are_refused(copy: Path) -> None:
    modules = json.loads((copy / "modules.json").read_text())
    modules.append({"idx": 3, "name": "3", "path": "", "type": "os.system"})
    (copy / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelUnavailable, match=r"os\.system"):
        model_folder(str(copy))


def test_what_cannot_be_found_is_said_with_the_ways_it_was_looked_for() -> None:
    for name in ("no-such-org/no-such-model", "/no/such/folder", "../nowhere", "a/b/c", "bad name!"):
        with pytest.raises(ModelUnavailable, match="neither a folder"):
            model_folder(name)
