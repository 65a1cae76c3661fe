"""Maps that are kept with collections: their texts' neighbours and layout, in this machine's data folder.

The same for every store: what is kept here follows from the rows, so it can be made again, and is never
more than a collection's neighbours and places by the ids of its texts. Everything here blocks.

A collection has a folder, and in it one for each map that was made, written whole under another name
first, and `current`, which names the one that counts and is exchanged in one step. So whoever reads
sees the old one or the new one, whole, also when a writer is killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Collection as Several
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from embedder.collections.kept_map import FORM, KeptMap, MapHead
from embedder.errors import StoreFailed

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from embedder.collections.texts import About

MAX_BYTES = 4 * 2**30
"""All maps of a data folder together; beyond, those go that were made first."""
_CURRENT, _LOCK, _UNFINISHED = "current", "lock", "~"
_KEEPERS = "keepers-lock"
_UNFINISHED_S = 24 * 3600
_WAIT_S = 30.0


class KeptMaps:
    """The maps of one store's collections, in `folder`; `address` tells that store from others."""

    def __init__(self, folder: Path, address: str, *, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._address = address
        self._max_bytes = max_bytes

    def load(self, name: str, about: About) -> KeptMap | None:
        """The map of the collection `name`, whether its texts are the same by now or not; None if none is."""
        folder = self._of(name)
        for _ in range(2):  # between two reads it may be exchanged
            try:
                made = folder / (folder / _CURRENT).read_text("ascii").strip()
                told = json.loads((made / "head.json").read_text("utf-8"))
                head = MapHead(**told)
            except (OSError, ValueError, TypeError):
                continue
            return KeptMap(head, made) if head.form == FORM and head.of(about) else None
        return None

    def has(self, name: str) -> bool:
        """Whether a map is kept of the collection `name`, or of another that had its name."""
        return (self._of(name) / _CURRENT).exists()

    def begin(self) -> Path:
        """A folder for a map in the making, in which `keep` expects its arrays and ids."""
        made = self._folder / f"{_UNFINISHED}{uuid.uuid4().hex}"
        try:
            made.mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise _unwritable(error) from None
        return made

    def keep(self, name: str, made: Path, head: MapHead, names: Several[str]) -> KeptMap:
        """`made` is the map of the collection `name` from now on; maps of collections not in `names` go.

        Raises:
            StoreFailed: the disk is full, say; or another process is at it for too long.
        """
        from filelock import FileLock, Timeout

        folder = self._of(name)
        target = folder / uuid.uuid4().hex
        try:
            (made / "head.json").write_text(json.dumps(asdict(head)), "utf-8")
            folder.mkdir(mode=0o700, exist_ok=True)
            with FileLock(self._folder / _LOCK, timeout=_WAIT_S):
                made.rename(target)
                new = folder / f"{_CURRENT}{_UNFINISHED}"
                new.write_text(target.name, "ascii")
                new.replace(folder / _CURRENT)
                _only_current(folder)
                self._tidy({self._of(one).name for one in names}, folder)
        except Timeout:
            raise StoreFailed("Another process is keeping maps and does not finish. Try again.") from None
        except OSError as error:
            raise _unwritable(error) from None
        return KeptMap(head, target)

    def keepers_lock(self) -> BaseFileLock:
        """Of the one process, among all that share this folder, that brings maps up to date."""
        from filelock import FileLock

        return FileLock(self._folder / _KEEPERS, timeout=0, thread_local=False)

    def forget(self, name: str) -> None:
        """Let go of a collection's map; what cannot be deleted now goes with the next one that is kept."""
        with suppress(OSError):
            (self._of(name) / _CURRENT).unlink()
        shutil.rmtree(self._of(name), ignore_errors=True)

    def _of(self, name: str) -> Path:
        digest = hashlib.blake2b(f"{self._address}\n{name}".encode(), digest_size=8).hexdigest()
        return self._folder / f"{self._mine}-{digest}"

    @property
    def _mine(self) -> str:
        """What the folders of this store's collections begin with."""
        return hashlib.blake2b(self._address.encode(), digest_size=4).hexdigest()

    def tidy(self, names: Several[str]) -> None:
        """Let go of maps of collections not in `names`, of what nobody finished, and of what is too much."""
        with suppress(OSError):
            self._tidy({self._of(name).name for name in names})

    def _tidy(self, theirs: set[str], newest: Path | None = None) -> None:
        folders = []
        for one in self._folder.iterdir():
            if not one.is_dir():
                continue
            unfinished = one.name.startswith(_UNFINISHED)
            old = unfinished and _age_s(one) > _UNFINISHED_S
            gone = one.name.startswith(f"{self._mine}-") and one.name not in theirs
            if old or (gone and one != newest):
                shutil.rmtree(one, ignore_errors=True)
            elif not unfinished:
                folders.append(one)
        held = 0
        for one in sorted(
            folders, key=lambda one: (one != newest, _age_s(one / _CURRENT))
        ):  # the newest first
            held += _bytes_in(one)
            if held > self._max_bytes and one != newest:
                shutil.rmtree(one, ignore_errors=True)


def _only_current(folder: Path) -> None:
    """Let go of a collection's older maps."""
    current = (folder / _CURRENT).read_text("ascii")
    for one in folder.iterdir():
        if one.is_dir() and one.name != current:
            shutil.rmtree(one, ignore_errors=True)


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")


def _bytes_in(folder: Path) -> int:
    held = 0
    for root, _, files in os.walk(folder):
        for file in files:
            with suppress(OSError):
                held += (Path(root) / file).stat().st_size
    return held


def _unwritable(error: OSError) -> StoreFailed:
    return StoreFailed(f"The map could not be kept: {error.strerror or type(error).__name__}.")
