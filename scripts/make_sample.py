"""Makes assets/samples/python-library.npz: the first sample with its vectors, map and clusters.

`python -m scripts.make_sample`, when the default model, the layout or the texts change. The texts
are the first sentences of the documentation inside Python's own library (PSF licence).
"""

from __future__ import annotations

import ast
import asyncio
import json
import sysconfig
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from embedder import Engine, Settings
from embedder.analysis.maps import map_of
from embedder.analysis.projection import LayoutOptions, pca_2d
from embedder.corpus.jobs import embed_in_slices
from ui.map import key_of
from ui.theme import ASSETS

TARGET = ASSETS / "samples" / "python-library.npz"
MOST = 3000
CHARS = range(25, 160)
AREAS = {
    "data and numbers": (
        "array bisect collections copy dataclasses decimal enum fractions graphlib heapq numbers "
        "random reprlib sets statistics types weakref _pydecimal "
    ),
    "text": (
        "difflib gettext locale pprint re sre string stringprep textwrap unicodedata codecs "
        "encodings html "
    ),
    "dates": (
        "calendar datetime _pydatetime zoneinfo _strptime sched time timeit "
    ),
    "files and archives": (
        "bz2 csv configparser dbm filecmp fileinput fnmatch glob gzip io _pyio linecache lzma "
        "mailbox mimetypes netrc ntpath os pathlib pickle plistlib posixpath shelve shutil sqlite3 "
        "stat tarfile tempfile tomllib zipapp zipfile zipimport genericpath "
    ),
    "network": (
        "cgi email ftplib http imaplib ipaddress nntplib poplib smtpd smtplib socket socketserver "
        "ssl telnetlib urllib webbrowser wsgiref xmlrpc asyncore asynchat selectors uuid "
    ),
    "concurrency": (
        "asyncio concurrent contextvars multiprocessing queue subprocess threading _threading_local "
        "signal "
    ),
    "XML and JSON": "json xml _markupbase",
    "windows and drawing": "tkinter turtle curses colorsys turtledemo",
    "tools and tests": (
        "bdb cProfile cmd code codeop compileall doctest pdb profile pstats pydoc pydoc_data trace "
        "tracemalloc unittest venv ensurepip distutils warnings logging argparse optparse getopt "
        "getpass "
    ),
    "the language": (
        "abc ast contextlib dis functools importlib inspect keyword modulefinder opcode operator "
        "pkgutil pyclbr runpy site symtable token tokenize traceback typing _collections_abc "
        "_weakrefset "
    ),
}  # fmt: skip
LEFT_OUT = {"site-packages", "test", "tests", "idlelib", "lib2to3", "__phello__"}


def sentences() -> Iterator[tuple[str, str, str, str]]:
    """(first sentence, area, kind, name) of everything documented, in order of the files."""
    area_of = {module: area for area, modules in AREAS.items() for module in modules.split()}
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.rglob("*.py")):
        parts = path.relative_to(library).with_suffix("").parts
        if LEFT_OUT & set(parts) or parts[0] not in area_of:
            continue
        module = ".".join(part for part in parts if part != "__init__")
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            continue
        for kind, name, node in documented(tree, module):
            sentence = first_sentence(ast.get_docstring(node) or "")
            if sentence:
                yield sentence, area_of[parts[0]], kind, name


def documented(
    tree: ast.Module, module: str
) -> Iterator[tuple[str, str, ast.Module | ast.ClassDef | ast.FunctionDef]]:
    """(kind, name, node) of the module, its public functions and classes, and their methods."""
    yield "module", module, tree
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield "function", f"{module}.{node.name}", node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield "class", f"{module}.{node.name}", node
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    yield "method", f"{module}.{node.name}.{method.name}", method


def first_sentence(documentation: str) -> str:
    """It, on one line; empty where it is too short or long, a signature or a command."""
    paragraph = " ".join(documentation.strip().split("\n\n")[0].split())
    sentence = paragraph.split(". ")[0].rstrip(". ")
    words = sentence.split()
    prose = len(words) > 3 and not any(sign in sentence for sign in ("->", ">>>", "::", "$Id", "==="))
    return sentence if prose and len(sentence) in CHARS and sentence[0].isalpha() else ""


async def embed(texts: list[str]) -> tuple[np.ndarray, np.ndarray, dict[str, object]]:
    """Vectors, token counts and the model, by the engine as everybody uses it."""
    async with Engine(Settings.load()) as engine:
        parts = [part async for part in embed_in_slices(engine, texts)]
        info = await engine.model_info()
    vectors = np.concatenate([part.embeddings.vectors for part in parts])
    return vectors, np.concatenate([part.embeddings.prompt_tokens for part in parts]), asdict(info)


def main() -> None:
    """Gather, embed, lay out, store."""
    rows = {row[0].casefold(): row for row in sentences()}
    kept = list(rows.values())
    picked = np.sort(np.random.default_rng(0).permutation(len(kept))[:MOST])
    texts, areas, kinds, names = (list(cells) for cells in zip(*(kept[row] for row in picked), strict=True))
    vectors, prompt_tokens, model = asyncio.run(embed(texts))
    options = LayoutOptions()
    made, flat = map_of(vectors, options), pca_2d(vectors)
    told = {
        "name": "Python's library, by the first sentences of its documentation",
        "texts": texts,
        "columns": {"area": areas, "kind": kinds, "name": names},
        "model": model,
        "layout": key_of(options),
        "explained_share": flat.explained_share,
    }
    TARGET.parent.mkdir(exist_ok=True)
    np.savez_compressed(
        TARGET,
        told=np.frombuffer(json.dumps(told).encode(), dtype=np.uint8),
        vectors=vectors,
        prompt_tokens=prompt_tokens.astype(np.int32),
        points=made.points,
        clusters=made.clusters,
        flat=flat.points,
    )
    clusters = int(np.max(made.clusters)) + 1
    print(f"{len(texts)} of {len(kept)} texts, {clusters} clusters, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
