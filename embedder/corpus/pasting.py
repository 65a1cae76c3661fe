"""Pasted words to texts: a text a line, or a text a paragraph."""

from __future__ import annotations

import re
from typing import Literal

Way = Literal["lines", "paragraphs"]
_BLANK_LINES = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")
_LINE_ENDS = re.compile(r"\r\n?")


def texts_of(pasted: str, way: Way | None = None) -> tuple[list[str], Way]:
    """Texts without blanks around them, and which way they were told apart; None guesses.

    The guess is paragraphs where blank lines part two blocks or more and one of them has several lines.
    """
    sound = _LINE_ENDS.sub("\n", pasted)
    blocks = [block.strip() for block in _BLANK_LINES.split(sound.strip()) if block.strip()]
    if way is None:
        way = "paragraphs" if len(blocks) > 1 and any("\n" in block for block in blocks) else "lines"
    if way == "paragraphs":
        return [" ".join(line.strip() for line in block.split("\n")) for block in blocks], way
    return [line.strip() for line in sound.split("\n") if line.strip()], way
