"""docs/settings.md says what `Settings` has, all of it and nothing else."""

from __future__ import annotations

import re

import pytest

from embedder.config import Settings
from tests.docs.markdown import ROOT, table_rows
from tests.docs.settings_table import settings_row

TEXT = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_a_setting_is_documented_as_it_is(name: str) -> None:
    row = settings_row(name)
    assert row in table_rows(TEXT), f"docs/settings.md wants the row\n| {' | '.join(row)} |"


def test_nothing_else_is_documented() -> None:
    assert len(table_rows(TEXT)) == len(Settings.model_fields)
    documented = set(re.findall(r"\b(?:TESSERA|EMBED)_[A-Z_]+\b", TEXT))
    known = {
        variable
        for name in Settings.model_fields
        for variable in re.findall(r"\w+_\w+", settings_row(name)[0])
    }
    assert documented <= known


@pytest.mark.parametrize("path", ["README.md", "docs/api.md", "docs/guide.md", "docs/ARCHITECTURE.md"])
def test_variables_named_elsewhere_exist(path: str) -> None:
    known = {
        variable
        for name in Settings.model_fields
        for variable in settings_row(name)[0].strip("`").split("`, `")
    }
    named = set(re.findall(r"\bTESSERA_[A-Z_]+\b", (ROOT / path).read_text(encoding="utf-8")))
    assert named <= known


def test_every_setting_has_a_description() -> None:
    assert all(len(field.description or "") > 20 for field in Settings.model_fields.values())
