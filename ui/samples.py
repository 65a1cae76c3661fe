"""Texts to begin with, made from Python itself: nothing to download, nothing to license."""

from __future__ import annotations

import importlib
import inspect
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

_EMOJI = {
    "faces and feelings": [(0x1F600, 0x1F64F), (0x1F910, 0x1F917)],
    "animals": [(0x1F400, 0x1F43F), (0x1F980, 0x1F98F)],
    "plants": [(0x1F330, 0x1F344), (0x1F490, 0x1F490)],
    "food and drink": [(0x1F345, 0x1F37F), (0x1F950, 0x1F95E)],
    "sky and weather": [(0x1F300, 0x1F321)],
    "sport and music": [(0x1F3A4, 0x1F3C6)],
    "buildings": [(0x1F3E0, 0x1F3F0)],
    "travel": [(0x1F680, 0x1F6B6)],
    "office": [(0x1F4B0, 0x1F4DF)],
}
"""Blocks of Unicode 9 and before, so that every Python names them alike."""

_MODULES = {
    "numbers": ("math", "statistics", "random", "fractions"),
    "text": ("string", "textwrap", "re", "difflib", "html"),
    "dates": ("datetime", "calendar", "time"),
    "files": ("os.path", "shutil", "tempfile", "glob", "zipfile", "csv"),
    "network": ("socket", "ssl", "urllib.parse", "ipaddress", "smtplib"),
    "concurrency": ("asyncio", "threading", "queue", "subprocess"),
    "collections": ("collections", "itertools", "heapq", "bisect", "functools"),
    "encoding": ("base64", "hashlib", "secrets", "json", "struct", "zlib"),
    "introspection": ("inspect", "ast", "dis", "traceback", "typing"),
}
_BORROWED = {"enum", "typing", "abc", "types", "builtins", "operator", "contextlib", "_thread"}
"""Where modules borrow what is not theirs to be known by."""
_PER_MODULE = 14
_LONGEST_CHARS = 160


@dataclass(frozen=True, slots=True)
class Sample:
    """Texts and the columns beside them, each as long as `texts`."""

    name: str
    texts: list[str]
    columns: dict[str, list[str]]


@cache
def emoji() -> Sample:
    """Emoji by their Unicode names, with the character and its group beside them."""
    rows = [
        (unicodedata.name(chr(code)).lower(), chr(code), group)
        for group, ranges in _EMOJI.items()
        for first, last in ranges
        for code in range(first, last + 1)
    ]
    texts, characters, groups = zip(*rows, strict=True)
    return Sample("Emoji by name", list(texts), {"group": list(groups), "emoji": list(characters)})


@cache
def standard_library() -> Sample:
    """First sentences of the documentation of Python's own functions and classes."""
    rows: dict[str, tuple[str, str]] = {}
    for area, modules in _MODULES.items():
        for module in modules:
            for name, sentence in _documented(module):
                rows.setdefault(sentence, (f"{module}.{name}", area))
    names, areas = zip(*rows.values(), strict=True)
    return Sample("Python's standard library", list(rows), {"area": list(areas), "name": list(names)})


SAMPLES: dict[str, Callable[[], Sample]] = {
    "Emoji by name": emoji,
    "Python's standard library": standard_library,
}


def _documented(module_name: str) -> Iterator[tuple[str, str]]:
    """Up to `_PER_MODULE` names of a module with their first sentences, in order of the alphabet."""
    module = importlib.import_module(module_name)
    found = 0
    for name in sorted(vars(module)):
        value = getattr(module, name)
        if name.startswith("_") or not (inspect.isroutine(value) or inspect.isclass(value)):
            continue
        if getattr(value, "__module__", None) in _BORROWED - {module_name}:
            continue
        sentence = _first_sentence(inspect.getdoc(value) or "")
        # What a class inherits and signatures of C functions say nothing of the thing itself.
        if len(sentence) < 20 or sentence.startswith(f"{name}(") or not value.__doc__:
            continue
        yield name, sentence
        found += 1
        if found == _PER_MODULE:
            return


def _first_sentence(documentation: str) -> str:
    paragraph = " ".join(documentation.strip().split("\n\n")[0].split())
    sentence = paragraph.split(". ")[0].rstrip(".")
    return sentence if len(sentence) <= _LONGEST_CHARS and "->" not in sentence else ""
