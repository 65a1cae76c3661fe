"""Every setting is a flag, every flag an environment variable, and no secret is either's argument."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from embedder.cli.flags import add_setting_flags, flags_to_environment
from embedder.config import Settings, environment_names
from tests.cli.commands import environment, run

SECRETS = {"keys", "page_auth", "upstream_keys", "data_url"}
LIGHT = """
import sys, embedder.cli
heavy = {"torch", "gradio", "umap", "numba", "sklearn", "pandas", "plotly", "transformers", "uvicorn"}
print(sorted(heavy & set(sys.modules)))
"""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    add_setting_flags(made)
    return made


def test_every_setting_but_secrets_has_a_flag_with_its_description_and_variable() -> None:
    flags = {action.dest: action for action in parser()._actions if action.dest != "help"}
    assert set(flags) == set(Settings.model_fields) - SECRETS
    for name, action in flags.items():
        assert Settings.model_fields[name].description in str(action.help)
        assert environment_names(name)[0] in str(action.help)
        assert action.default is None


def test_flags_become_the_environment_that_settings_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        for variable in environment_names(name):
            monkeypatch.setenv(variable, "")  # restored after the test, whatever is set below
    monkeypatch.setenv("EMBED_MODEL", "from-the-environment")
    monkeypatch.setenv("TESSERA_BATCH_TOKENS", "77")
    arguments = ["--port", "0", "--no-ui", "--open", "--model", "from-the-flag", "--models", "a,b=/c"]
    flags_to_environment(parser().parse_args([*arguments, "--request-timeout-s", "1.5"]))
    settings = Settings.load()
    assert (settings.port, settings.ui, settings.open) == (0, False, True)
    assert settings.default_model == "from-the-flag"
    assert settings.models == ("a", "b=/c")
    assert settings.request_timeout_s == 1.5
    assert settings.batch_tokens == 77
    assert os.environ["TESSERA_UI"] == "false"


@pytest.mark.parametrize("command", ["collection", "key"])
def test_help_names_every_action(tmp_path: Path, command: str) -> None:
    own = run(tmp_path, command, "--help").stdout.decode()
    actions = re.findall(r"^    ([a-z]+) ", own, re.MULTILINE)
    assert len(actions) >= 4
    whole = run(tmp_path, "--help", COLUMNS="1000").stdout.decode()
    (listed,) = re.findall(rf"^    {command}\s[^:]+: (.+)", whole, re.MULTILINE)
    assert listed.split(", ") == actions


def test_help_says_where_keys_go_and_takes_none(tmp_path: Path) -> None:
    shown = run(tmp_path, "serve", "--help")
    assert shown.returncode == 0
    assert b"EMBED_KEY" in shown.stdout
    assert b"--keys" not in shown.stdout
    assert b"--page-auth" not in shown.stdout
    refused = run(tmp_path, "serve", "--keys", "secret")
    assert refused.returncode == 2


def test_importing_the_command_line_loads_nothing_heavy(tmp_path: Path) -> None:
    loaded = subprocess.check_output([sys.executable, "-c", LIGHT], env=environment(), cwd=tmp_path)
    assert loaded.decode().strip() == "[]"


def test_version(tmp_path: Path) -> None:
    assert run(tmp_path, "--version").stdout == b"tessera 0.1.0\n"
