"""A server of several processes, as `tessera serve --workers N` starts it, and what is known of its parts."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import KEY, Server, live_server

HEADERS = {"Authorization": f"Bearer {KEY}"}
MODULE = "embedder.workers.worker"


@dataclass(frozen=True)
class Workers:
    """A running server and its workers' process ids; each `client()` has a connection of its own."""

    server: Server

    def pids(self) -> dict[int, int]:
        """Process ids by worker's number, of those that run now."""
        found = {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                command = (folder / "cmdline").read_bytes().decode().split("\0")
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):  # it ended meanwhile
                continue
            if MODULE in command and parent == self.server.process.pid:
                found[int(command[command.index(MODULE) + 3].split(",")[0])] = int(folder.name)
        return found

    def client(self, **options: Any) -> httpx.Client:
        """A client whose requests all come over one connection, so to one worker."""
        limits = httpx.Limits(max_connections=1)
        return httpx.Client(base_url=self.server.base, headers=HEADERS, limits=limits, timeout=60, **options)

    @contextmanager
    def each(self) -> Iterator[list[httpx.Client]]:
        """A client of each worker, in the order of their process ids: the parent gives them in turn."""
        with self.client() as first, self.client() as second:
            for client in (first, second):
                client.get("/health").raise_for_status()
            yield [first, second]

    def counted(self, name: str, **labels: str) -> float:
        """A metric summed over the labels that are not told."""
        total = 0.0
        with self.client() as client:
            for line in client.get("/metrics").text.splitlines():
                found = re.fullmatch(rf"{name}(?:{{(.*)}})? (\S+)", line)
                told = dict(re.findall(r'(\w+)="([^"]*)"', (found[1] or "") if found else ""))
                if found and all(told.get(label) == value for label, value in labels.items()):
                    total += float(found[2])
        return total


@pytest.fixture(scope="package")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """Two workers with the real model and the page, ready."""
    if not Path("/proc").is_dir():
        pytest.skip("Processes are found by /proc.")
    folder = tmp_path_factory.mktemp("workers")
    with live_server(folder, "--workers", "2", "--drain-s", "10") as server:
        yield Workers(server)


def is_running(pid: int) -> bool:
    """Whether there is a process of that number which has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def until(holds: Any, timeout_s: float = 60.0) -> Any:
    """What `holds()` gives once it is true; fails after `timeout_s`."""
    async with asyncio.timeout(timeout_s):
        while not (found := await asyncio.to_thread(holds)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return found


def kill(pid: int) -> None:
    """Without a farewell."""
    os.kill(pid, signal.SIGKILL)
