"""`tessera models`: what would be served, without loading it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from embedder.cli.models import read_limits
from tests.cli.commands import environment, run
from tests.conftest import MODEL

NO_TORCH = "import sys; from embedder.cli import main; main(['models']); sys.exit('torch' in sys.modules)"


def test_models_are_listed_with_limits_and_place(tmp_path: Path) -> None:
    listed = run(tmp_path, "models", TESSERA_MODELS="absent/model")
    assert listed.returncode == 0
    head, default, absent = listed.stdout.decode().splitlines()
    assert head.split() == ["MODEL", "DIMENSIONS", "MAX", "TOKENS", "FILES"]
    name, dimensions, max_tokens, folder = default.split(maxsplit=3)
    assert (name, dimensions, max_tokens) == (MODEL, "384", "256")
    assert (Path(folder) / "model.safetensors").is_file()
    assert absent.startswith("absent/model")
    assert "not on this machine" in absent


def test_torch_is_not_loaded_for_it(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", NO_TORCH], env=environment(), cwd=tmp_path, check=True, capture_output=True
    )


@pytest.mark.parametrize("name", ["embedding_dimension", "word_embedding_dimension"])
def test_limits_come_from_the_last_module_that_tells(tmp_path: Path, name: str) -> None:
    files = {
        "config.json": {"hidden_size": 768, "max_position_embeddings": 512},
        "modules.json": [
            {"path": "", "type": "sentence_transformers.models.Transformer"},
            {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"path": "2_Dense", "type": "sentence_transformers.models.Dense"},
        ],
        "1_Pooling/config.json": {name: 768},
        "2_Dense/config.json": {"in_features": 768, "out_features": 64},
    }
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(json.dumps(content))
    assert read_limits(tmp_path) == (64, 512)


def test_a_static_model_tells_by_its_table(tmp_path: Path) -> None:
    modules = [{"path": "0_StaticEmbedding", "type": "sentence_transformers.models.StaticEmbedding"}]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "0_StaticEmbedding").mkdir()
    save_file(
        {"embedding.weight": np.zeros((5, 7), dtype=np.float32)},
        tmp_path / "0_StaticEmbedding" / "model.safetensors",
    )
    assert read_limits(tmp_path) == (7, None)


def test_a_folder_that_says_nothing_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{broken")
    assert read_limits(tmp_path) == (None, None)
