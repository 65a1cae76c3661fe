"""Addresses of stores: a folder, `postgresql://…`, `milvus://…`; never shown with their passwords."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from embedder.errors import ConfigError

Kind = Literal["folder", "postgres", "milvus"]

_KINDS: dict[str, Kind] = {
    "postgresql": "postgres",
    "postgres": "postgres",
    "milvus": "milvus",
    "http": "milvus",
    "https": "milvus",
}
_FROM_ENVIRONMENT = "env:"
_TAKES = (
    "a folder, postgresql://user:password@host:5432/database, or milvus://user:password@host:19530 "
    "(https://… where Milvus is reached by TLS)"
)


def kind_of_store(url: str) -> Kind:
    """What is at `url`.

    Raises:
        ConfigError: it is no address of a store; the message does not hold it.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        if not url.strip():
            raise ConfigError(f"The address of a store is empty. It is {_TAKES}.")
        return "folder"
    kind = _KINDS.get(scheme.lower())
    try:
        parts = urlsplit(url)
        well_formed = kind == "postgres" or (bool(parts.hostname) and (parts.port or 1) > 0)
    except ValueError:
        well_formed = False
    if kind is None or not rest or not well_formed:
        raise ConfigError(f"This is no address of a store. It is {_TAKES}.")
    return kind


def resolved(told: str) -> str:
    """`told`, or for `env:NAME` what that variable holds: a command line is no place for passwords.

    Raises:
        ConfigError
    """
    if not told.startswith(_FROM_ENVIRONMENT):
        return told
    name = told.removeprefix(_FROM_ENVIRONMENT)
    if not os.environ.get(name):
        raise ConfigError(f"The environment has no variable {name!r} with the address of a store.")
    return os.environ[name]


def shown(url: str) -> str:
    """`url` for a person to read: no user, no password, no options, however badly it is written."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    # A password may hold what an address would have to write otherwise: the host is after the last @.
    host = re.split(r"[?#\s]", rest.rpartition("@")[2], maxsplit=1)[0]
    return f"{scheme}://{host.rstrip('/')}"


def user_and_password(url: str) -> tuple[str, str]:
    """Those in `url`, each "" for none."""
    parts = urlsplit(url)
    return unquote(parts.username or ""), unquote(parts.password or "")


def folder_of(url: str) -> Path:
    """The folder that `url` is."""
    return Path(url).expanduser()


def missing_package(package: str, install: str) -> ConfigError:
    """What to install for a store whose package is not there."""
    return ConfigError(f"This store needs {package}, which is not installed: pip install {install}")
