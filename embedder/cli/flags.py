"""`Settings` as flags: one for each field, and from flags to the environment that the server reads."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from embedder.config import Settings, environment_names


def add_setting_flags(parser: argparse.ArgumentParser) -> None:
    """A flag for every setting that is no secret: its name with dashes, its description as help.

    None has a default, so that what is not given stays the environment's to say.
    """
    for name, field in _shown_fields():
        variables = " or ".join(environment_names(name))
        keywords: dict[str, Any] = {
            "dest": name,
            "help": f"{field.description} [{variables}]".replace("%", "%%"),
        }
        if field.annotation is bool:
            keywords["action"] = argparse.BooleanOptionalAction
        elif get_origin(field.annotation) is Literal:
            keywords["choices"] = get_args(field.annotation)
        else:
            keywords["metavar"] = name.rpartition("_")[2].upper()
        parser.add_argument(f"--{name.replace('_', '-')}", **keywords)


def flags_to_environment(args: argparse.Namespace) -> None:
    """Set the preferred environment variable of each flag that was given."""
    for name, _ in _shown_fields():
        value = getattr(args, name)
        if value is not None:
            os.environ[environment_names(name)[0]] = str(value).lower() if isinstance(value, bool) else value


def _shown_fields() -> Iterator[tuple[str, FieldInfo]]:
    """Settings without secrets, which a command line would show to every user of the machine."""
    return (
        (name, field)
        for name, field in Settings.model_fields.items()
        if "Secret" not in repr(field.annotation)
    )
