"""docs/guide.md is run from top to bottom against a running server, and every output compared."""

from __future__ import annotations

import doctest
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sybil import Document, Example
from sybil.example import SybilFailure
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

from tests.docs.markdown import ROOT
from tests.environments import call_environment

GUIDE = ROOT / "docs" / "guide.md"
FLAGS = doctest.ELLIPSIS


def run_console(example: Example) -> str | None:
    """Run each `$ command` of the block in bash and compare what follows it; `...` stands for anything."""
    for part in str(example.parsed).split("$ ")[1:]:
        command, _, wanted = part.partition("\n")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command], capture_output=True, text=True, check=False
        )
        got = done.stdout.rstrip("\n") + "\n"
        if done.returncode or not doctest.OutputChecker().check_output(
            wanted.rstrip("\n") + "\n", got, FLAGS
        ):
            return (
                f"$ {command}\nwanted: {wanted}\ngot ({done.returncode}): {got[:2000]}{done.stderr[-1000:]}"
            )
    return None


def run_guide(path: Path) -> int:
    """Run the examples of `path` in order; how many there were.

    Raises:
        SybilFailure: an output is not the one shown.
    """
    document = Document.parse(
        str(path),
        PythonCodeBlockParser(doctest_optionflags=FLAGS),
        CodeBlockParser(language="console", evaluator=run_console),
    )
    examples = list(document.examples())
    for example in examples:
        example.evaluate()
    return len(examples)


@pytest.fixture
def shell(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables a reader has pasted."""
    for name, value in call_environment(server.base, server.model, server.key).items():
        monkeypatch.setenv(name, value)


@pytest.mark.model
@pytest.mark.usefixtures("shell")
def test_the_guide_runs() -> None:
    assert run_guide(GUIDE) > 20


@pytest.mark.model
@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize(
    ("right", "wrong"),
    [("(1, 384)", "(1, 385)"), ("0.666\n", "0.667\n"), ('"object":"list"', '"object":"lost"')],
)
def test_a_wrong_output_is_noticed(tmp_path: Path, right: str, wrong: str) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert right in text
    (tmp_path / "guide.md").write_text(text.replace(right, wrong, 1), encoding="utf-8")
    with pytest.raises(SybilFailure):
        run_guide(tmp_path / "guide.md")


def test_nothing_in_the_guide_goes_untested() -> None:
    fences = [line for line in GUIDE.read_text(encoding="utf-8").splitlines() if line.startswith("```")]
    assert set(fences[::2]) == {"```python", "```console"}
    assert set(fences[1::2]) == {"```"}
