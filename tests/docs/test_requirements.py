"""The requirements files are what scripts/pin.py makes of pyproject.toml and this environment."""

from __future__ import annotations

import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.environments import ROOT, run


@pytest.mark.parametrize(("file", "flags"), [("requirements.txt", []), ("requirements-test.txt", ["--test"])])
def test_pins_are_what_is_installed(file: str, flags: list[str]) -> None:
    made = run([sys.executable, ROOT / "scripts" / "pin.py", *flags])
    assert made == (ROOT / file).read_text(encoding="utf-8"), "run `make pins`"


def test_every_dependency_is_pinned_within_its_range() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = {
        canonicalize_name(r.name): r for r in map(Requirement, (x for x in lines if not x.startswith("#")))
    }
    for wanted in map(Requirement, project["dependencies"]):
        (pin,) = pins[canonicalize_name(wanted.name)].specifier
        assert pin.operator == "=="
        assert pin.version in wanted.specifier


def test_requirements_bring_no_tools_and_no_build_of_torch() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert "torch==2.13.0\n" in text
    assert not [
        name for name in ("pytest", "ruff", "mypy", "playwright", "-e ", "+cpu", "nvidia") if name in text
    ]
