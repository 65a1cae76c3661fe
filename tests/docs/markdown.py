"""Documents as a reader runs them: fenced blocks by language, tables by cell."""

from __future__ import annotations

import re
from pathlib import Path

from sybil import Document
from sybil.parsers.markdown import CodeBlockParser

ROOT = Path(__file__).resolve().parents[2]


def blocks(path: Path, language: str) -> list[str]:
    """The source of every block of `language`, in order."""
    document = Document.parse(str(path), CodeBlockParser(language=language, evaluator=lambda example: None))
    return [str(example.parsed) for example in document.examples()]


def table_rows(text: str) -> list[list[str]]:
    """The cells of every table row but heads and rules."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    rules = {index for index, row in enumerate(rows) if all(re.fullmatch(r":?-+:?", cell) for cell in row)}
    return [row for index, row in enumerate(rows) if index not in rules and index + 1 not in rules]
