"""LanceDB as it is imported here: without what is never called, and costs more than the rest of it.

That are the models of a REST client, some 300 pydantic classes that are built one by one, and pandas, which
pyarrow imports to know its classes when it sees them.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from embedder.libraries import share_the_heap

_MODELS = "lance_namespace_urllib3_client"
_LOCK = threading.Lock()


def lancedb() -> Any:
    """The module `lancedb`."""
    with _LOCK:
        if "lancedb" in sys.modules:
            return importlib.import_module("lancedb")
        with _pandas_later():
            importlib.import_module("pyarrow.dataset")
        share_the_heap()
        _without_arrows_own_heap()
        if _MODELS in sys.modules:
            return importlib.import_module("lancedb")
        with _without_models():
            return importlib.import_module("lancedb")


def _without_arrows_own_heap() -> None:
    """Arrow's buffers from the system's, as LanceDB's are: its own keeps some 15 MB of what was freed."""
    import pyarrow as pa

    if "ARROW_DEFAULT_MEMORY_POOL" not in os.environ:  # the owner's word
        pa.set_memory_pool(pa.system_memory_pool())


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


@contextmanager
def _pandas_later() -> Iterator[None]:
    """Inside, this thread finds no pandas, unless it's there; pyarrow hears of it once it is imported."""
    if "pandas" in sys.modules:
        yield
        return
    finder = _PandasLater()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        finder.hidden_from = None


class _PandasLater(MetaPathFinder):
    """Finds pandas for all threads but one, and has pyarrow look for it again when it is imported."""

    def __init__(self) -> None:
        self.hidden_from: int | None = threading.get_ident()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "pandas":
            return None
        if threading.get_ident() == self.hidden_from:
            raise ModuleNotFoundError("pandas is not imported here.", name=name)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Heralded(spec.loader)
        return spec


class _Heralded(Loader):
    """Loads pandas as its own loader does, then tells pyarrow."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        from pyarrow.lib import _pandas_api

        _ = _pandas_api.pd  # looks for it where it was not found before
