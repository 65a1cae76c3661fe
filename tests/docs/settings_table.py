"""docs/settings.md's rows as `Settings` has them.

Run as a script it prints the table, to be pasted into docs/settings.md.
"""

from __future__ import annotations

import argparse
from typing import Any

from pydantic_core import PydanticUndefined

from embedder.cli.flags import add_setting_flags
from embedder.config import Settings, environment_names

_OF_THE_MACHINE = {
    "host": "`127.0.0.1`",
    "cache_dir": "`~/.cache/tessera`",
    "data_dir": "`~/.local/share/tessera`",
}


def settings_row(name: str) -> list[str]:
    """Variables, flag, default and meaning of the setting `name`, as Markdown cells."""
    field = Settings.model_fields[name]
    variables = ", ".join(f"`{variable}`" for variable in environment_names(name))
    return [
        variables,
        _flags().get(name, ""),
        _default(name, field.default),
        (field.description or "").replace("|", "\\|"),
    ]


def _flags() -> dict[str, str]:
    """The flags of `tessera serve` for each setting; a secret has none."""
    parser = argparse.ArgumentParser(add_help=False)
    add_setting_flags(parser)
    return {
        action.dest: ", ".join(f"`{flag}`" for flag in action.option_strings) for action in parser._actions
    }


def _default(name: str, value: Any) -> str:
    if name in _OF_THE_MACHINE:
        return _OF_THE_MACHINE[name]
    assert value is not PydanticUndefined, f"{name} has a default of the machine: say it in _OF_THE_MACHINE"
    if value in ((), None):
        return ""
    if isinstance(value, bool):
        return f"`{int(value)}`"
    return f"`{value}`"


if __name__ == "__main__":
    for setting in Settings.model_fields:
        print("| " + " | ".join(settings_row(setting)) + " |")
