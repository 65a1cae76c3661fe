"""LanceDB as it is imported here: without what is never called, and costs more than the rest of it.

Those are the models of a REST client, some 300 pydantic classes that are built one by one, and pandas, which
pyarrow imports to know its classes when it sees them.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_MODELS = "lance_namespace_urllib3_client"
_LOCK = threading.Lock()
_READ_AHEAD_BYTES = 32 * 2**20
"""Of a scan. LanceDB's own bound is 2 GB: to read a million vectors took 1.7 GB, and takes 0.5 so."""


def lancedb() -> Any:
    """The module `lancedb`."""
    with _LOCK:
        if "lancedb" in sys.modules:
            return importlib.import_module("lancedb")
        with _pandas_later():
            importlib.import_module("pyarrow.dataset")
        _without_arrows_own_heap()
        os.environ.setdefault("LANCE_DEFAULT_IO_BUFFER_SIZE", str(_READ_AHEAD_BYTES))
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
        # It looks once, under a lock. Past this it has, so whoever imports pandas never waits for that lock.
        _tell_pyarrow("have_pandas")
    except BaseException:
        sys.meta_path.remove(finder)
        raise
    finally:
        finder.hidden_from = None
    if finder.passed_by:  # another thread has it by now, or soon
        importlib.import_module("pandas")
        _tell_pyarrow("pd")


class _PandasLater(MetaPathFinder):
    """Hides pandas from the thread that made it, then has pyarrow look for it again when it is imported.

    Other threads have it meanwhile as it comes: to tell pyarrow at that moment they might wait for the lock
    under which it looks for pandas, and its holder for them.
    """

    def __init__(self) -> None:
        self.hidden_from: int | None = threading.get_ident()
        self.passed_by = False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "pandas":
            return None
        if threading.get_ident() == self.hidden_from:
            raise ModuleNotFoundError("pandas is not imported here.", name=name)
        if self.hidden_from is not None:
            self.passed_by = True
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Heralded(spec.loader)
        return spec


class _Heralded(Loader):
    """Loads pandas as its own loader does, then tells pyarrow."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        _tell_pyarrow("pd")


def _tell_pyarrow(asked: str) -> None:
    """Have it look for pandas: `have_pandas` once and for all, `pd` again where it was not found before."""
    with suppress(ImportError):  # a pandas that is too old for it
        from pyarrow.lib import _pandas_api

        getattr(_pandas_api, asked)
