"""What one worker passes on to the one with the page arrives as it came, and comes back as it goes."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from embedder.workers.passing import Passed, PassOn
from tests.api.serving import eventually, serving


class Behind:
    """The application that has the page: it tells what it was asked, and streams until nobody reads."""

    def __init__(self) -> None:
        self.scopes: list[dict[str, Any]] = []
        self.chunks: list[bytes] = []
        self.left = 0
        self.go_on = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["path"] == "/events":
            await self._events(receive, send)
            return
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left += 1
                return
            self.chunks.append(message["body"])
            more = message.get("more_body", False)
        told = {name: scope[name] for name in ("method", "path", "scheme", "root_path", "client", "server")}
        told |= {"raw_path": scope["raw_path"].decode(), "query": scope["query_string"].decode()}
        body = json.dumps(told).encode()
        headers = [
            (b"content-length", b"%d" % len(body)),
            (b"set-cookie", b"a=1"),
            (b"set-cookie", b"b=2"),
            (b"x-request-id", b"behind"),
        ]
        await send({"type": "http.response.start", "status": 207, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _events(self, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await self.go_on.wait()
        await send({"type": "http.response.body", "body": b"data: 2\n\n", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        self.left += 1


@asynccontextmanager
async def passing(behind: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a worker that passes on to one where `behind` is."""
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "page.sock"
        config = uvicorn.Config(Passed(behind), uds=str(socket), log_config=None, lifespan="off", ws="none")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve())
        await eventually(lambda: server.started)
        front = PassOn(socket)
        await front.start()
        try:
            async with (
                serving(front) as port,
                httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client,
            ):
                yield client
        finally:
            await front.stop()
            server.should_exit = True
            await task


async def test_a_request_arrives_as_it_came_to_the_first() -> None:
    behind = Behind()
    async with passing(behind) as client:
        forged = json.dumps({"scheme": "https", "root_path": "", "client": ["::1", 1], "server": None})
        headers = {"x-tessera-scope": forged, "x-own": "1", "te": "trailers", "host": "tessera.example"}
        answer = await client.get("/a%2Fb/ü?q=%20x&q=2", headers=headers)
        told = answer.json()
        assert (told["raw_path"], told["path"]) == ("/a%2Fb/%C3%BC", "/a/b/ü")
        assert (told["query"], told["method"], told["scheme"]) == ("q=%20x&q=2", "GET", "http")
        assert told["client"][0] == told["server"][0] == "127.0.0.1"
        assert told["server"][1] == client.base_url.port
        seen = dict(behind.scopes[0]["headers"])
        assert (seen[b"x-own"], seen[b"host"]) == (b"1", b"tessera.example")
        assert not seen.keys() & {b"x-tessera-scope", b"te"}
        assert answer.status_code == 207
        assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
        assert answer.headers.get_list("date") == [answer.headers["date"]]
        assert "x-request-id" not in answer.headers, "the first worker says its own"
        assert (await client.request("HEAD", "/")).status_code == 207


async def test_what_is_sent_goes_on_chunk_by_chunk() -> None:
    behind = Behind()
    async with passing(behind) as client:

        async def chunks() -> AsyncIterator[bytes]:
            yield b"first"
            await eventually(lambda: b"".join(behind.chunks) == b"first")
            yield b"second"

        assert (await client.post("/upload", content=chunks())).status_code == 207
        assert b"".join(behind.chunks) == b"firstsecond"
        behind.chunks.clear()
        assert (await client.post("/upload", content=b"x" * 3_000_000)).status_code == 207
        assert sum(map(len, behind.chunks)) == 3_000_000
        assert len(behind.chunks) > 3


async def test_events_come_as_they_happen_and_end_when_their_reader_leaves() -> None:
    behind = Behind()
    async with passing(behind) as client:
        async with client.stream("GET", "/events") as answer:
            events = answer.aiter_raw()
            assert await anext(events) == b"data: 1\n\n"
            behind.go_on.set()
            assert await anext(events) == b"data: 2\n\n"
            assert behind.left == 0
        await eventually(lambda: behind.left == 1)


async def test_half_an_upload_is_none() -> None:
    behind = Behind()
    async with passing(behind) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        writer.write(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
        await eventually(lambda: b"".join(behind.chunks) == b"half")
        writer.close()
        await eventually(lambda: behind.left == 1)
        assert await reader.read() == b""


async def test_an_answer_that_breaks_off_does_not_look_whole() -> None:
    async def breaks(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("the page fell over")

    async with passing(breaks) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/")


async def test_without_a_worker_behind_it_says_so(tmp_path: Path) -> None:
    front = PassOn(tmp_path / "nobody.sock")
    await front.start()
    async with serving(front) as port, httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}/")
    await front.stop()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "started again" in answer.text


async def test_without_the_first_workers_word_it_is_none_of_a_worker() -> None:
    async with serving(Passed(Behind())) as port, httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 400
