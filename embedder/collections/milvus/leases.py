"""One writer at a time, without locks: Milvus has none, nor an exchange that fails if another was faster.

Fischer's algorithm (Lamport, A Fast Mutual Exclusion Algorithm, 1987): who finds a lease free writes
its name, waits for longer than a write takes, and has it if the name is still its own. A lease is
renewed while it is used and let go soon after, so that a run of writes pays for it once; that of a
killed writer is taken over when it has not changed for as long as a lease is good for.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from embedder.collections.milvus.heads import Heads
from embedder.errors import CollectionBusy, TesseraError

LEASE_S = 10.0
SETTLE_S = 0.15
_IDLE_S = 0.5
_TICK_S = 0.1
_LEASE = "lease"


@dataclass(slots=True)
class _Held:
    """What this process knows of one collection's lease."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    mine: bool = False
    users: int = 0
    renewed_s: float = 0.0
    used_s: float = 0.0


class Leases:
    """Those of one store in this process."""

    def __init__(self, heads: Heads, wait_s: float, lease_s: float = LEASE_S) -> None:
        self._heads = heads
        self._wait_s = wait_s
        self._lease_s = lease_s
        self._owner = uuid.uuid4().hex
        self._renewals = 0
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._keeper: threading.Thread | None = None
        self._closing = threading.Event()

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Alone among this process's threads and all processes that write to `name`.

        Raises:
            CollectionBusy, StoreFailed
        """
        with self._lock:
            one = self._held.setdefault(name, _Held())
        until_s = time.monotonic() + self._wait_s
        if not one.lock.acquire(timeout=self._wait_s):
            raise CollectionBusy(name)
        try:
            if not (one.users or (one.mine and self._is_mine(name))):
                one.mine = False
                self._claim(name, until_s)
                one.mine, one.renewed_s = True, time.monotonic()
            one.users += 1
            self._keep()
            try:
                yield
            finally:
                one.users -= 1
                one.used_s = time.monotonic()
        finally:
            one.lock.release()

    def close(self) -> None:
        """Let go of every lease."""
        self._closing.set()
        keeper = self._keeper
        if keeper is not None:
            keeper.join()
        with self._lock:
            held = list(self._held.items())
        for name, one in held:
            self._let_go(name, one)

    def _claim(self, name: str, until_s: float) -> None:
        seen, since_s = "", time.monotonic()
        while True:
            began_s = time.monotonic()
            told = self._heads.read(_LEASE, name) or ""
            if told != seen:
                seen, since_s = told, began_s
            owner = json.loads(told)["owner"] if told else ""
            if not owner or owner == self._owner or began_s - since_s > self._lease_s:
                self._write(name)
                if time.monotonic() - began_s > SETTLE_S:
                    # Too slow: another may have it since this looked, and renews it while it writes.
                    time.sleep(self._lease_s / 3)
                time.sleep(SETTLE_S)
                if self._is_mine(name):
                    return
            if time.monotonic() >= until_s:
                raise CollectionBusy(name)
            time.sleep(_TICK_S)

    def _is_mine(self, name: str) -> bool:
        told = self._heads.read(_LEASE, name)
        return bool(told) and json.loads(told or "{}").get("owner") == self._owner

    def _write(self, name: str) -> None:
        self._renewals += 1
        told = json.dumps({"owner": self._owner, "renewals": self._renewals})
        self._heads.write(_LEASE, name, told, self._lease_s)

    def _keep(self) -> None:
        with self._lock:
            if self._keeper is None and not self._closing.is_set():
                self._keeper = threading.Thread(target=self._run, name="leases", daemon=True)
                self._keeper.start()

    def _run(self) -> None:
        """Renew what is used, let go of what is not, until nothing is held."""
        while not self._closing.wait(_TICK_S):
            with self._lock:
                held = [(name, one) for name, one in self._held.items() if one.mine]
                if not held:
                    self._keeper = None
                    return
            for name, one in held:
                now_s = time.monotonic()
                if not one.users and now_s - one.used_s > _IDLE_S:
                    self._let_go(name, one)
                elif now_s - one.renewed_s > self._lease_s / 4:
                    self._renew(name, one)

    def _renew(self, name: str, one: _Held) -> None:
        with suppress(TesseraError):
            if self._is_mine(name):  # and not another's, after this process had been frozen
                self._write(name)
                one.renewed_s = time.monotonic()

    def _let_go(self, name: str, one: _Held) -> None:
        if one.lock.acquire(blocking=False):
            try:
                if one.mine and not one.users:
                    one.mine = False
                    with suppress(TesseraError):
                        if self._is_mine(name):
                            self._heads.forget(_LEASE, name)
            finally:
                one.lock.release()
