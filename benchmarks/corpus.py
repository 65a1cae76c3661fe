"""Real English texts that every Python has: the docstrings of its own standard library."""

from __future__ import annotations

import ast
import inspect
import random
import sysconfig
from functools import cache
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from embedder.backends.sources import locate_model
from embedder.config import DEFAULT_MODEL

_SEED = 7
_MAX_TOKENS = 256


@cache
def tokenizer() -> Tokenizer:
    """The default model's, without the padding and the cut that its file asks for."""
    folder = locate_model(DEFAULT_MODEL)
    assert folder is not None, "the default model comes with the project's requirements"
    made = Tokenizer.from_file(str(folder / "tokenizer.json"))
    made.no_padding()
    made.enable_truncation(_MAX_TOKENS)
    return made


def lengths_tokens(texts: list[str]) -> np.ndarray:
    """What the model sees of each text, special tokens included: int64 `(n,)`."""
    return np.array([len(encoding.ids) for encoding in tokenizer().encode_batch(texts)])


@cache
def docstrings() -> tuple[str, ...]:
    """Every docstring of the standard library once, in a fixed order."""
    return docstrings_below(Path(sysconfig.get_path("stdlib")))


def docstrings_below(folder: Path) -> tuple[str, ...]:
    """Every docstring of the Python files in `folder` once, in a fixed order."""
    found: dict[str, None] = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        if {"site-packages", "test", "tests", "idlelib", "lib2to3"} & set(parts):
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text:
                    found[inspect.cleandoc(text)] = None
    return tuple(found)


def short_texts(count: int) -> list[str]:
    """First lines of docstrings, 8 to 24 tokens each, all different."""
    lines = list(dict.fromkeys(text.partition("\n")[0].strip() for text in docstrings()))
    lengths = lengths_tokens(lines)
    fitting = [line for line, tokens in zip(lines, lengths, strict=True) if 8 <= tokens <= 24]
    return _sample(fitting, count)


def long_texts(count: int, tokens: int) -> list[str]:
    """Running docstring text cut into windows of about `tokens` tokens, special ones included."""
    running = " ".join(" ".join(text.split()) for text in docstrings())
    free = Tokenizer.from_str(tokenizer().to_str())
    free.no_truncation()
    offsets = free.encode(running, add_special_tokens=False).offsets
    width = tokens - 2
    windows = range(0, len(offsets) - width, width)
    return _sample([running[offsets[at][0] : offsets[at + width - 1][1]] for at in windows], count)


def mixed_texts(count: int) -> list[str]:
    """Paragraphs of docstrings of any length, all different, as an upload would have them."""
    paragraphs = (" ".join(part.split()) for text in docstrings() for part in text.split("\n\n"))
    return _sample([part for part in dict.fromkeys(paragraphs) if len(part) >= 20], count)


def _sample(texts: list[str], count: int) -> list[str]:
    if len(texts) < count:
        raise SystemExit(f"This Python's library has {len(texts)} such texts; ask for no more.")
    return random.Random(_SEED).sample(texts, count)
