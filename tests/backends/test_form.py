"""What is kept of a model: believed only whole, for the very same files, and never in the way."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from embedder.backends.form import Form, Forms, form_key
from embedder.config import DEFAULT_MODEL
from tests.environments import ROOT

pytestmark = pytest.mark.model

LOAD = """
import sys
from pathlib import Path
from embedder.backends import load_backend
from embedder.config import DEFAULT_MODEL, Settings
backend = load_backend(DEFAULT_MODEL, DEFAULT_MODEL, Settings(cache_dir=Path(sys.argv[1])))
print(backend.info.runtime, "sentence_transformers" in sys.modules, "transformers" in sys.modules)
"""


def test_a_form_comes_back_as_it_was_under_the_name_it_is_served_by(form: Form, tmp_path: Path) -> None:
    forms = Forms(tmp_path)
    forms.keep("key", replace(form, neighbours_kept={"cpu-int8": 0.95}))
    found = forms.recall("key", "my/name")
    assert found == replace(form, info=replace(form.info, id="my/name"), neighbours_kept={"cpu-int8": 0.95})
    assert forms.recall("another key", DEFAULT_MODEL) is None


@pytest.mark.parametrize("damage", ["truncated", "empty", "a list", "another field", "no tokenizer"])
def test_a_damaged_record_is_no_record(form: Form, tmp_path: Path, damage: str) -> None:
    forms = Forms(tmp_path)
    forms.keep("key", form)
    (path,) = tmp_path.rglob("*.json")
    whole = path.read_text()
    record = json.loads(whole)
    path.write_text(
        {
            "truncated": whole[: len(whole) // 2],
            "empty": "",
            "a list": "[]",
            "another field": json.dumps(record | {"remote_code": "x"}),
            "no tokenizer": json.dumps({name: record[name] for name in record if name != "tokenizer"}),
        }[damage]
    )
    assert forms.recall("key", DEFAULT_MODEL) is None
    forms.keep("key", form)
    assert forms.recall("key", DEFAULT_MODEL) == form


def test_the_key_changes_with_every_file_of_the_model(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "model"
    copy.mkdir()
    for name in ("config.json", "modules.json", "tokenizer.json"):
        shutil.copy(folder / name, copy / name)
    keys = {form_key(copy)}
    assert form_key(copy) in keys
    (copy / "config.json").write_text((copy / "config.json").read_text() + " ")
    keys.add(form_key(copy))
    (copy / "modules.json").rename(copy / "modules2.json")
    keys.add(form_key(copy))
    (copy / "extra.txt").touch()
    keys.add(form_key(copy))
    assert len(keys) == 4


def test_without_a_folder_to_write_to_it_is_said_and_that_is_all(
    form: Form, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "a file"
    blocked.touch()
    with caplog.at_level(logging.INFO, logger="embedder"):
        Forms(blocked).keep("key", form)
    assert "could not be kept" in caplog.text
    assert Forms(blocked).recall("key", DEFAULT_MODEL) is None


def test_many_may_write_at_once_and_old_ones_leave(form: Form, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: Forms(tmp_path).keep(f"key{number % 4}", form), range(32)))
    assert all(Forms(tmp_path).recall(f"key{number}", DEFAULT_MODEL) == form for number in range(4))
    for number in range(70):
        Forms(tmp_path).keep(f"later{number}", form)
    left = list(tmp_path.rglob("*"))
    assert sum(path.suffix == ".json" for path in left) <= 64
    assert Forms(tmp_path).recall("later69", DEFAULT_MODEL) == form


def test_the_second_load_needs_no_sentence_transformers(tmp_path: Path) -> None:
    seen = [
        subprocess.run(
            [sys.executable, "-c", LOAD, str(tmp_path)],
            cwd=ROOT,
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for _ in range(2)
    ]
    assert seen == [["packed", "True", "True"], ["packed", "False", "False"]]
