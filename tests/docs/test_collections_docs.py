"""docs/collections.md: its program runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import environment
from tests.docs.markdown import ROOT

TEXT = (ROOT / "docs" / "collections.md").read_text(encoding="utf-8")


@pytest.mark.model
def test_the_program_runs_and_finds_the_weather_first(tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env=environment(TESSERA_DATA_DIR=str(tmp_path / "data")),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.rpartition("} ")[2] for line in lines] == [
        "The weather is lovely today.",
        "He drove to the stadium.",
    ]
    assert all("'cosine'" in line for line in lines)
