"""Words of Thai, which is written without blanks between them."""

from __future__ import annotations

from functools import cache
from typing import Any


def thai_words(run: str) -> list[str]:
    """A run of Thai letters as words, which in a row are the run; by BudouX's model."""
    words: list[str] = _parser().parse(run)
    return words


@cache
def _parser() -> Any:
    import budoux

    return budoux.load_default_thai_parser()
