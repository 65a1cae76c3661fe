"""docs/deploy/nginx.conf as it stands, its ports replaced, before two real servers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.cli.commands import run
from tests.conftest import KEY, MODEL, ROOT, Server, free_port, live_server, wait_until_answering
from tests.environments import program

pytestmark = pytest.mark.model

HEADERS = {"Authorization": f"Bearer {KEY}"}
CLIENTS = 6
TOKENS_PER_MINUTE = 3000
ANY = {"model": MODEL, "input": "anything"}


@dataclass(frozen=True)
class Balanced:
    """nginx on `port`, and the two servers' ports."""

    port: int
    behind: tuple[int, int]


@contextlib.contextmanager
def nginx(folder: Path, behind: tuple[int, int]) -> Iterator[Balanced]:
    """The example's configuration, with ports and folders of this test."""
    port = free_port()
    text = (ROOT / "docs" / "deploy" / "nginx.conf").read_text()
    for shown, ours in (("127.0.0.1:7860", behind[0]), ("127.0.0.1:7861", behind[1])):
        assert text.count(shown) == 2
        text = text.replace(shown, f"127.0.0.1:{ours}")
    text, listens = re.subn(r"listen 8080;", f"listen 127.0.0.1:{port};", text)
    assert listens == 1
    folders = [f"{name}_temp_path {folder};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")]
    text = text.replace("http {", "http {\n    " + "\n    ".join(folders))
    config = folder / "nginx.conf"
    who = "user root;\n" if os.geteuid() == 0 else ""  # else workers may not enter the test's folder
    config.write_text(f"pid {folder}/nginx.pid;\n{who}{text}")
    log = folder / "error.log"
    debian = Path("/usr/sbin/nginx")  # on the PATH of root only
    command = [
        debian if debian.exists() else program("nginx"),
        "-c",
        config,
        "-p",
        folder,
        "-e",
        log,
        "-g",
        "daemon off;",
    ]
    process = subprocess.Popen(command)
    try:
        wait_until_answering(Server(f"http://127.0.0.1:{port}", MODEL, KEY, process, log), "/ready")
        yield Balanced(port, behind)
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def behind(folder: Path, port: int, *flags: str, **environment: str) -> Iterator[Server]:
    ours = ("--drain-s", "10", "--notice-s", "1", *flags)
    with live_server(folder, *ours, port=port, **environment) as server:
        yield server


@contextlib.asynccontextmanager
async def asking(port: int) -> AsyncIterator[list[int]]:
    """Clients that ask for vectors all the while, each over a connection that stays: their statuses."""
    statuses: list[int] = []
    ended = asyncio.Event()

    async def ask(number: int) -> None:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers=HEADERS, timeout=60
        ) as client:
            count = 0
            while not ended.is_set():
                count += 1
                told = {"model": MODEL, "input": f"client {number} asks for the {count}th time"}
                answer = await client.post("/v1/embeddings", json=told)
                statuses.append(answer.status_code)

    tasks = [asyncio.create_task(ask(number)) for number in range(CLIENTS)]
    try:
        yield statuses
    finally:
        ended.set()
        await asyncio.gather(*tasks)


async def answered(port: int) -> float:
    """Vectors that a server was asked for, by its own count."""
    async with httpx.AsyncClient(timeout=60) as client:
        text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    found = re.search(r'^tessera_http_requests_total{route="/v1/embeddings",status="200"} (\S+)', text, re.M)
    return float(found[1]) if found else 0.0


async def status(port: int, path: str) -> int:
    try:
        async with httpx.AsyncClient(timeout=60) as client:
            return (await client.get(f"http://127.0.0.1:{port}{path}")).status_code
    except httpx.TransportError:
        return 0


async def more(statuses: list[int], count: int) -> None:
    """Wait until so many more requests were answered."""
    wanted = len(statuses) + count
    async with asyncio.timeout(60):
        while len(statuses) < wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_servers_come_and_go_and_no_request_fails(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        leaving = first.enter_context(behind(tmp_path / "0", ports[0]))
        second.enter_context(behind(tmp_path / "1", ports[1]))
        with nginx(tmp_path, ports) as balanced:
            await the_page_stays_with_one(balanced)
            async with asking(balanced.port) as statuses:
                await more(statuses, 60)
                shares = [await answered(port) for port in ports]
                assert min(shares) > 10, "requests are not spread"
                # One leaves: it says so first, answers what it has, and gets nothing more.
                leaving.process.terminate()
                async with asyncio.timeout(30):
                    while await status(ports[0], "/ready") == 200:
                        pass
                await asyncio.to_thread(leaving.process.wait, 30)
                alone = await answered(ports[1])
                before = len(statuses)
                await more(statuses, 40)
                assert await answered(ports[1]) - alone >= len(statuses) - before - CLIENTS
                # It comes back, and gets its share again.
                back = second.enter_context(behind(tmp_path / "2", ports[0], "--no-ui"))
                assert back.process.poll() is None
                async with asyncio.timeout(60):
                    while await answered(ports[0]) < 10:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
            assert set(statuses) == {200}


async def the_page_stays_with_one(balanced: Balanced) -> None:
    """A visitor's cookie leads to the same server each time; without it both are met."""
    base = f"http://127.0.0.1:{balanced.port}"
    apps = set()
    for _ in range(12):
        async with httpx.AsyncClient(base_url=base, timeout=60) as visitor:
            assert (await visitor.get("/")).status_code == 200
            assert visitor.cookies["tessera_visitor"]
            seen = {(await visitor.get("/config")).json()["app_id"] for _ in range(4)}
            assert len(seen) == 1, "the visitor was sent to another server's page"
            apps |= seen
    assert len(apps) == 2
    async with httpx.AsyncClient(base_url=base, timeout=60) as client:
        assert (await client.get("/metrics")).status_code == 404
        assert (await client.get("/v1/models")).status_code == 401
        assert (await client.get("/health")).status_code == 200


async def asked(client: httpx.AsyncClient, text: str) -> httpx.Response:
    return await client.post("/v1/embeddings", json={"model": MODEL, "input": text})


async def test_both_servers_together_count_what_a_key_may_spend(tmp_path: Path) -> None:
    data = {"TESSERA_DATA_DIR": str(tmp_path / "data")}
    limit = ("--tokens-per-minute", str(TOKENS_PER_MINUTE))
    made = await asyncio.to_thread(run, tmp_path, "key", "add", "Ada", *limit, **data)
    headers = {"Authorization": f"Bearer {made.stdout.decode().strip()}"}
    ports = free_port(), free_port()
    async with contextlib.AsyncExitStack() as stack:
        for number, port in enumerate(ports):
            stack.enter_context(behind(tmp_path / str(number), port, "--no-ui", **data))
        balanced = stack.enter_context(nginx(tmp_path, ports))
        balancer, *servers = [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60)
            )
            for port in (balanced.port, *ports)
        ]
        # Three quarters more than it may spend, at once, which takes 45 s to be forgiven; to each server less
        # than would close it by itself.
        texts = [f"{number}" + " word" * 240 for number in range(22)]
        answers = await asyncio.gather(*(asked(balancer, text) for text in texts))
        tokens = [answer.json()["usage"]["total_tokens"] for answer in answers if answer.status_code == 200]
        assert sum(tokens) > TOKENS_PER_MINUTE
        for port in ports:
            assert 0 < await answered(port) * max(tokens) < TOKENS_PER_MINUTE, "one server had it all"
        async with asyncio.timeout(20):  # they tell each other every second
            for server in servers:
                while (await asked(server, "more")).status_code == 200:  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
        for client in (*servers, *[balancer] * 6):
            refused = await asked(client, "more")
            assert refused.status_code == 429
            assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert (await balancer.get("/v1/models")).status_code == 200
        assert (await balancer.post("/v1/embeddings", headers=HEADERS, json=ANY)).status_code == 200
