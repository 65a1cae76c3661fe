"""Collections as folders below one: `NAME/collection.json` and LanceDB's files beside it."""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from embedder.collections.lance.arrow import schema_of
from embedder.collections.lance.files import (
    LOCK_WAIT_S,
    LOCKS,
    Files,
    connect,
    exclusive,
    translated,
    writers_lock,
)
from embedder.collections.lance.manifest import (
    Manifest,
    fresh_rows,
    read_manifest,
    stamp_of,
    write_manifest,
)
from embedder.collections.lance.memory import Memory
from embedder.collections.lance.table import LanceTable
from embedder.collections.open_tables import OpenTables
from embedder.collections.store import Info
from embedder.errors import CollectionExists, UnknownCollection
from embedder.lance_library import lancedb

EXACT_ROWS = 100_000
"""Up to so many rows vectors are searched in memory, one by one: faster than by any index."""
MEMORY_BYTES = 512 * 2**20
_INDEX_CACHE_BYTES, _METADATA_CACHE_BYTES = 512 * 2**20, 64 * 2**20
_GONE = "~gone-"
"""Folders on their way to be deleted; a name of a collection cannot begin so."""


class LanceStore:
    """The contract of `Store` in the folder `root`, which is made when first written to."""

    def __init__(
        self,
        root: Path,
        *,
        memory_bytes: int = MEMORY_BYTES,
        exact_rows: int = EXACT_ROWS,
        lock_wait_s: float = LOCK_WAIT_S,
    ) -> None:
        self._root = root
        self._exact_rows = exact_rows
        self._lock_wait_s = lock_wait_s
        self._memory = Memory(memory_bytes)
        self._session: Any = None
        self._lock = threading.Lock()
        self._open = OpenTables(self._table)
        self._swept = False

    def names(self) -> list[str]:
        """Folders that hold a collection."""
        if not self._root.is_dir():
            return []
        folders = (path for path in self._root.iterdir() if not path.name.startswith((LOCKS, _GONE)))
        return sorted(path.name for path in folders if stamp_of(path) is not None)

    def create(self, name: str, dimensions: int, info: Info) -> LanceTable:
        """A folder; its manifest, written last, makes it a collection."""
        folder = self._root / name
        with translated(name):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._exclusive(name):
            if stamp_of(folder) is not None:
                raise CollectionExists(name)
            manifest = Manifest(dimensions, fresh_rows(), dict(info))
            with translated(name):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                for left in folder.iterdir():  # by one who was killed here
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
                table = connect(folder, self._cache()).create_table(
                    manifest.rows,
                    schema=schema_of(dimensions, ()),
                    # A row keeps its number when files are compacted, so memory stays right.
                    storage_options={"new_table_enable_stable_row_ids": "true"},
                )
                index = lancedb().index
                table.create_index("id", config=index.BTree())
                table.create_index("text", config=words_index(index.FTS))
                write_manifest(folder, manifest)
        return self.open(name)

    def open(self, name: str) -> LanceTable:
        """The table of the folder, the same for everybody in this process."""
        if stamp_of(self._root / name) is None:
            self._open.forget(name)
            raise UnknownCollection(name)
        self._sweep_once()
        return self._open.get(name)

    def drop(self, name: str) -> None:
        """Rename the folder, which is the end of the collection, then delete it."""
        self._open.forget(name)
        gone = self._root / f"{_GONE}{uuid.uuid4().hex}"
        if stamp_of(self._root / name) is None:
            raise UnknownCollection(name)
        with self._exclusive(name), translated(name):
            try:
                (self._root / name).rename(gone)
            except FileNotFoundError:
                raise UnknownCollection(name) from None
        shutil.rmtree(gone, ignore_errors=True)

    def rename(self, name: str, new: str) -> None:
        """Rename the folder."""
        self._open.forget(name)
        if stamp_of(self._root / name) is None:
            raise UnknownCollection(name)
        with ExitStack() as locks:
            for one in sorted((name, new)):
                locks.enter_context(self._exclusive(one))
            if stamp_of(self._root / new) is not None:
                raise CollectionExists(new)
            with translated(name):
                shutil.rmtree(self._root / new, ignore_errors=True)  # of one who was killed while making it
                try:
                    (self._root / name).rename(self._root / new)
                except FileNotFoundError:
                    raise UnknownCollection(name) from None

    def replace(self, name: str, other: str, mark: int, info: Callable[[Info], Info] | None = None) -> bool:
        """Put the rows of `other` beside those of `name`, then name them in its manifest."""
        self._open.forget(other)
        old_table = self.open(name)
        with ExitStack() as locks:
            for one in sorted((name, other)):
                locks.enter_context(self._exclusive(one))
            old_table.refresh()
            if old_table.mark != mark:
                return False
            folder, source = self._root / name, self._root / other
            with translated(name):
                try:
                    new = read_manifest(source)
                except FileNotFoundError:
                    raise UnknownCollection(other) from None
                if info is not None:
                    new = replace(new, info=dict(info(read_manifest(folder).info)))
                rows = fresh_rows()
                # Under both names until the manifest is written: killed here, none of them is lost.
                shutil.copytree(source / f"{new.rows}.lance", folder / f"{rows}.lance", copy_function=_linked)
                write_manifest(folder, replace(new, rows=rows))
                gone = source.rename(self._root / f"{_GONE}{uuid.uuid4().hex}")
                shutil.rmtree(gone, ignore_errors=True)
                for left in folder.glob("rows-*.lance"):  # the old, and those of one who was killed here
                    if left.name != f"{rows}.lance":
                        shutil.rmtree(left, ignore_errors=True)
        return True

    def close(self) -> None:
        """Wait for upkeep everywhere."""
        self._open.close()

    def _sweep_once(self) -> None:
        """Delete what was on its way to be deleted when its process was killed, beside everything else."""
        with self._lock:
            swept, self._swept = self._swept, True
        if not swept:
            # It may be much, and what an interpreter that ends leaves is there for the next.
            threading.Thread(target=self._sweep, name="sweep-collections", daemon=True).start()

    def _sweep(self) -> None:
        """Two may delete one folder at once: each ignores what the other has deleted already."""
        for gone in self._root.glob(f"{_GONE}*"):
            shutil.rmtree(gone, ignore_errors=True)

    def _table(self, name: str) -> LanceTable:
        files = Files(self._root, name, self._memory, self._cache(), self._lock_wait_s)
        return LanceTable(files, self._exact_rows)

    def _exclusive(self, name: str) -> Any:
        return exclusive(name, threading.RLock(), writers_lock(self._root, name), self._lock_wait_s)

    def _cache(self) -> Any:
        """LanceDB's own caches, bounded, shared by all collections of the store."""
        with self._lock:
            if self._session is None:
                self._session = lancedb().Session(_INDEX_CACHE_BYTES, _METADATA_CACHE_BYTES)
            return self._session


def _linked(source: str, target: str) -> None:
    """The same file by another name too, a copy where the disk has no links; Lance changes no file."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def words_index(config: Any) -> Any:
    """BM25 over words as they are: no stemming, no stop words, no accents taken off, in any language."""
    return config(
        base_tokenizer="icu", stem=False, remove_stop_words=False, ascii_folding=False, max_token_length=None
    )
