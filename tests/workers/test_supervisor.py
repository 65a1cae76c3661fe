"""How several processes start, leave and fall over together; no model is needed for that."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from embedder.cli.serve import check_workers
from embedder.errors import ConfigError
from tests.cli.commands import run, start
from tests.conftest import KEY, MODEL, Server
from tests.workers.conftest import Workers, is_running, kill, until

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="Processes are found by /proc.")

NO_MODEL = {"TESSERA_MODEL": "absent/model", "EMBED_KEY": KEY}


@contextmanager
def serving(folder: Path, *flags: str, workers: int = 2) -> Iterator[Workers]:
    """A server that answers, its model failing to load, and nothing of it left at the end."""
    told = ("--workers", str(workers)) if workers > 1 else ()
    variables = NO_MODEL | {"TMPDIR": str(folder)}
    process = start(folder, "serve", "--no-ui", "--port", "0", *told, *flags, **variables)
    assert process.stdout is not None
    base = ""
    while not base.startswith("export EMBED_BASE="):
        base = process.stdout.readline().decode()
        assert base, process.communicate()[1].decode()
    made = Workers(Server(base.strip().partition("=")[2], MODEL, KEY, process, folder / "log"))
    found: dict[int, int] = {}
    try:
        with made.client() as client:
            client.get("/health").raise_for_status()
        found = made.pids()
        yield made
    finally:
        process.kill()
        process.communicate()
        for pid in found.values():
            with contextlib.suppress(ProcessLookupError):
                kill(pid)


def leave(workers: Workers) -> None:
    workers.server.process.send_signal(signal.SIGTERM)


def folders(folder: Path) -> list[Path]:
    """What servers have made for themselves in their temporary folder."""
    return list(folder.glob("tessera-*"))


async def ended(process: subprocess.Popen[bytes]) -> int:
    return await asyncio.to_thread(process.wait, 60)


@pytest.mark.parametrize("count", [1, 2])
async def test_a_server_gives_notice_before_it_leaves(tmp_path: Path, count: int) -> None:
    with serving(tmp_path, "--notice-s", "3", "--drain-s", "2", workers=count) as workers:
        with workers.client() as kept, workers.client() as new:
            assert kept.get("/ready").json()["status"] in ("loading", "failed")
            leave(workers)
            await until(lambda: kept.get("/ready").json()["status"] == "leaving")
            for client in (kept, new):
                answer = client.get("/v1/models")
                assert answer.status_code == 200, "what is asked is answered until the notice is over"
                assert answer.headers["connection"] == "close"
        code = await ended(workers.server.process)
        assert code in (0, -signal.SIGTERM)
        with workers.client() as client, pytest.raises(httpx.ConnectError):
            client.get("/health")


async def test_a_second_signal_ends_the_notice(tmp_path: Path) -> None:
    with serving(tmp_path, "--notice-s", "300", "--drain-s", "2") as workers:
        with workers.client() as client:
            leave(workers)
            await until(lambda: client.get("/ready").json().get("status") == "leaving")
        leave(workers)
        assert await ended(workers.server.process) == 0


async def test_nothing_is_left_when_it_has_left(tmp_path: Path) -> None:
    with serving(tmp_path, "--drain-s", "2") as workers:
        pids = await until(lambda: len(found := workers.pids()) == 2 and found)
        assert folders(tmp_path)
        leave(workers)
        assert await ended(workers.server.process) == 0
        assert not any(map(is_running, pids.values()))
        assert not folders(tmp_path)


async def test_workers_leave_when_their_parent_was_killed(tmp_path: Path) -> None:
    with serving(tmp_path, "--drain-s", "2") as workers:
        pids = await until(lambda: len(found := workers.pids()) == 2 and found)
        workers.server.process.kill()
        await until(lambda: not any(map(is_running, pids.values())))


async def test_one_that_ends_is_replaced_and_one_that_stands_still_is_passed_over(tmp_path: Path) -> None:
    with serving(tmp_path, "--drain-s", "2") as workers:
        pids = await until(lambda: len(found := workers.pids()) == 2 and found)
        os.kill(pids[0], signal.SIGTERM)
        await until(lambda: (new := workers.pids()) and len(new) == 2 and new[0] != pids[0])
        os.kill(pids[1], signal.SIGSTOP)
        # Until it is noticed a connection may go to it, and nobody is there to answer.
        await until(lambda: all(answers(workers) for _ in range(6)))
        os.kill(pids[1], signal.SIGCONT)


async def test_what_waits_at_the_door_of_one_that_is_killed_is_answered_by_another(tmp_path: Path) -> None:
    with serving(tmp_path, "--drain-s", "2") as workers:
        await until(lambda: all(answers(workers) for _ in range(4)))
        pids = workers.pids()
        address = httpx.URL(workers.server.base)
        os.kill(pids[1], signal.SIGSTOP)
        opened = [await asyncio.open_connection(address.host, address.port) for _ in range(8)]
        for _, writer in opened:
            writer.write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        read = [asyncio.create_task(reader.read()) for reader, _ in opened]
        await asyncio.wait(read, timeout=0.5)
        assert not all(task.done() for task in read), "none was given to the one that stands still"
        kill(pids[1])
        async with asyncio.timeout(30):
            assert {(await task).partition(b"\r\n")[0] for task in read} == {b"HTTP/1.1 200 OK"}
        for _, writer in opened:
            writer.close()


def answers(workers: Workers) -> bool:
    try:
        return httpx.get(workers.server.base + "/health", timeout=1).status_code == 200
    except httpx.TimeoutException:
        return False


async def test_many_connections_at_once_are_all_answered(tmp_path: Path) -> None:
    with serving(tmp_path) as workers:
        address = httpx.URL(workers.server.base)

        async def ask() -> bytes:
            reader, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
            return answer.partition(b"\r\n")[0]

        assert set(await asyncio.gather(*(ask() for _ in range(600)))) == {b"HTTP/1.1 200 OK"}


def test_what_a_worker_refuses_is_said_once_and_ends_all(tmp_path: Path) -> None:
    variables = {"TESSERA_MODEL": "explorer/model", "TMPDIR": str(tmp_path)}
    refused = run(tmp_path, "serve", "--port", "0", "--workers", "2", **variables)
    assert refused.returncode == 2
    assert b"begins like one of the page's own paths" in refused.stderr
    assert not folders(tmp_path)


def test_workers_are_a_number(tmp_path: Path) -> None:
    refused = run(tmp_path, "serve", "--workers", "0")
    assert refused.returncode == 2
    assert refused.stderr.startswith(b"tessera: TESSERA_WORKERS: ")


def test_they_are_refused_where_connections_cannot_be_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    check_workers()
    monkeypatch.delattr(socket, "send_fds")
    with pytest.raises(ConfigError, match="--workers needs"):
        check_workers()
