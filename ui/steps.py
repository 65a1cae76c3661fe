"""What a visitor sees next while texts come."""

from __future__ import annotations

from typing import NamedTuple


class Step(NamedTuple):
    """A line for the visitor, and what the map shows from now on, if that has changed."""

    line: str
    map_value: str | None = None
