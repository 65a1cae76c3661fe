"""A collection's folder: its manifest as it is now, its open table, and the lock of the one who writes."""

from __future__ import annotations

import contextlib
import errno
import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from embedder.collections.lance.manifest import Manifest, read_manifest, stamp_of, write_manifest
from embedder.collections.lance.memory import Memory
from embedder.collections.lance.versions import Latest
from embedder.errors import CollectionBusy, StoreFailed, UnknownCollection
from embedder.lance_library import lancedb

if TYPE_CHECKING:
    from filelock import BaseFileLock

_LOG = logging.getLogger(__name__)

T = TypeVar("T")

LOCK_WAIT_S = 60.0
LOCKS = "~locks"
_CARE = "~care"
"""Ends the name of a lock; no collection's name has it."""


class Files:
    """What all calls on one collection share in this process. Safe from any thread."""

    def __init__(
        self, root: Path, name: str, memory: Memory, session: Any, lock_wait_s: float = LOCK_WAIT_S
    ) -> None:
        self.folder = root / name
        self.name = name
        self.memory = memory
        self.latest = Latest(self.folder)
        self._session = session
        self._lock_wait_s = lock_wait_s
        self._lock = writers_lock(root, name)
        self._writers = threading.RLock()
        self._carers_lock = writers_lock(root, f"{name}{_CARE}")
        self._carers = threading.RLock()
        self._opening = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._manifest: Manifest | None = None
        self._table: Any = None

    def manifest(self) -> Manifest:
        """What the folder says now.

        Raises:
            UnknownCollection: it was deleted.
        """
        return self._opened()[0]

    def table(self) -> Any:
        """LanceDB's table, at its latest version."""
        manifest, table = self._opened()
        with translated(self.name):
            self.latest.version(table, manifest.rows)
        return table

    def still(self) -> Any:
        """Another handle on the table, which stays as the table is now, whatever is written."""
        manifest = self.manifest()
        with translated(self.name):
            table = open_rows(self.folder, manifest.rows, self._session)
            table.checkout(table.version)
        return table

    def key(self, manifest: Manifest) -> str:
        """Names the rows that are there now among all of a store."""
        return f"{self.name}/{manifest.rows}"

    def write(self, manifest: Manifest) -> None:
        """Put `manifest` in the place of what was there; for the one who writes."""
        with translated(self.name):
            write_manifest(self.folder, manifest)

    def sweep(self, rows: str) -> None:
        """Delete tables other than `rows`, of those killed at an exchange; for the one who writes."""
        for left in self.folder.glob("rows-*.lance"):
            if left.name != f"{rows}.lance":
                shutil.rmtree(left, ignore_errors=True)

    def read(self, work: Callable[[Any, Manifest], T]) -> T:
        """`work(table, manifest)`, twice where the rows were exchanged or tidied up under it.

        Raises:
            UnknownCollection, StoreFailed
        """
        try:
            return self._attempt(work)
        except StoreFailed:
            self.latest.forget()
            return self._attempt(work)

    @contextmanager
    def writing(self, wait_s: float | None = None) -> Iterator[Any]:
        """The table, for the only one who writes to it in any process.

        Raises:
            CollectionBusy: another did not finish within `wait_s`, or as long as the store waits.
            UnknownCollection, StoreFailed
        """
        wait_s = self._lock_wait_s if wait_s is None else wait_s
        with exclusive(self.name, self._writers, self._lock, wait_s):
            _, table = self._opened()
            with translated(self.name):
                # What it has read of older versions must not decide which ids are there.
                table.checkout_latest()
                yield table

    @contextmanager
    def caring(self, wait_s: float) -> Iterator[None]:
        """Alone among all who look after the table: two indexes made at once spoil each other.

        Raises:
            CollectionBusy: another did not finish within `wait_s`.
        """
        with exclusive(self.name, self._carers, self._carers_lock, wait_s):
            yield

    @contextmanager
    def trying(self) -> Iterator[None]:
        """For work that may as well be done later: what goes wrong is logged, by its kind only."""
        try:
            yield
        except (CollectionBusy, UnknownCollection):
            pass
        except Exception as error:
            _LOG.warning("Upkeep of the collection %s failed: %s", self.name, type(error).__name__)

    def _attempt(self, work: Callable[[Any, Manifest], T]) -> T:
        manifest, table = self._opened()
        with translated(self.name):
            self.latest.version(table, manifest.rows)
            return work(table, manifest)

    def _opened(self) -> tuple[Manifest, Any]:
        with self._opening:
            stamp = stamp_of(self.folder)
            if stamp is None:
                raise UnknownCollection(self.name)
            if self._manifest is None or stamp != self._stamp:
                with translated(self.name):
                    manifest = read_manifest(self.folder)
                    if self._manifest is None or manifest.rows != self._manifest.rows:
                        if self._manifest is not None:
                            self.memory.forget(self.key(self._manifest))
                        self._table = open_rows(self.folder, manifest.rows, self._session)
                self._manifest, self._stamp = manifest, stamp
            return self._manifest, self._table


def writers_lock(root: Path, name: str) -> BaseFileLock:
    """The lock of whoever writes to `name`; the system lets go of it when that process ends, however."""
    from filelock import FileLock

    (root / LOCKS).mkdir(mode=0o700, parents=True, exist_ok=True)
    return FileLock(root / LOCKS / f"{name}.lock", thread_local=False)


@contextmanager
def exclusive(
    name: str, writers: threading.RLock, lock: BaseFileLock, wait_s: float = LOCK_WAIT_S
) -> Iterator[None]:
    """Alone among this process's threads and all processes.

    Raises:
        CollectionBusy
    """
    from filelock import Timeout

    if not writers.acquire(timeout=wait_s):
        raise CollectionBusy(name)
    try:
        with translated(name):
            try:
                lock.acquire(timeout=wait_s)
            except Timeout:
                raise CollectionBusy(name) from None
        try:
            yield
        finally:
            lock.release()
    finally:
        writers.release()


def connect(folder: Path, session: Any) -> Any:
    """LanceDB over one collection's folder; its tables stay at a version until they are told to look."""
    return lancedb().connect(folder, session=session)


def open_rows(folder: Path, rows: str, session: Any) -> Any:
    """The table of that name in the folder."""
    return connect(folder, session).open_table(rows)


@contextmanager
def translated(name: str) -> Iterator[None]:
    """What LanceDB and the disk raise as our own error, without their words, which may quote a text."""
    from pyarrow import ArrowException

    try:
        yield
    except (OSError, RuntimeError, ValueError, ArrowException) as error:
        full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
        why = "The disk is full" if full else type(error).__name__
        raise StoreFailed(
            f"The collection {name!r} could not be read or written: {why}. "
            "What was kept before stays; try again once that is mended."
        ) from error


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below `folder`; those that go meanwhile are not counted."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file():
                total += path.stat().st_size
    return total
