"""LanceDB as it is imported here: without the models of a REST client that is never called.

Those are some 300 pydantic classes, built one by one: more than half of what the import costs, and 45 MB.
Only namespaces and `list_tables` make any of them, and nothing here calls those.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_MODELS = "lance_namespace_urllib3_client"
_LOCK = threading.Lock()


def lancedb() -> Any:
    """The module `lancedb`."""
    with _LOCK:
        if "lancedb" in sys.modules or _MODELS in sys.modules:
            return importlib.import_module("lancedb")
        with _without_models():
            return importlib.import_module("lancedb")


@contextmanager
def _without_models() -> Iterator[None]:
    """Inside, that package holds a bare class by every name; whoever imports it afterwards gets it whole."""
    finder = _Placeholders()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if finder.has(name)]:
            del sys.modules[name]


class _Placeholders(MetaPathFinder, Loader):
    """Finds and makes the modules below `_MODELS`."""

    def has(self, name: str) -> bool:
        return name == _MODELS or name.startswith(f"{_MODELS}.")

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if self.has(name) else None

    def create_module(self, spec: ModuleSpec) -> None:
        """As Python does it by itself."""

    def exec_module(self, module: ModuleType) -> None:
        module.__getattr__ = _bare_class  # type: ignore[method-assign]


def _bare_class(name: str) -> type:
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {})
