"""What only shows on a real connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator

import httpx
import numpy as np
import pytest

from embedder import Engine, Settings
from embedder.api.app import create_api
from embedder.backends.hashing import HashingBackend
from tests.api.canonical import assert_canonical_error
from tests.api.serving import eventually, serving

MAX_BODY_BYTES = 100_000


class Slow(HashingBackend):
    """A runtime that computes one text a batch, when it is let, and counts them."""

    def __init__(self, model_id: str) -> None:
        super().__init__(model_id)
        self.go = threading.Event()
        self.computed = 0

    def encode(self, batch):
        assert self.go.wait(20)
        self.computed += len(batch)
        return super().encode(batch)


class Running:
    """A server on a socket; `backend` is its runtime."""

    def __init__(self, port: int, engine: Engine, backend: Slow) -> None:
        self.port = port
        self.engine = engine
        self.backend = backend
        self.base = f"http://127.0.0.1:{port}"

    async def raw(self, *parts: bytes, until: bytes = b"", timeout_s: float = 10) -> bytes:
        """Send `parts`, one by one, and return what comes back until `until` is in it, or the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        answer = b""
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            async with asyncio.timeout(timeout_s):
                while chunk := await reader.read(65536):
                    answer += chunk
                    if until and until in answer:
                        break
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        return answer


@pytest.fixture(params=["httptools", "h11"])
async def running(request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    settings = Settings.load(
        {"model": "org/tiny", "max_body_bytes": MAX_BODY_BYTES, "batch_tokens": 8, "drain_s": 0.2}
    )
    backend = Slow("org/tiny")
    backend.go.set()
    engine = Engine(settings, loader=lambda *_: backend)
    async with engine, serving(create_api(engine, settings), http=request.param) as port:
        yield Running(port, engine, backend)
        backend.go.set()


def head_of(path: str, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", *headers, "", ""]
    return "\r\n".join(lines).encode()


async def test_a_declared_body_over_the_limit_is_refused_before_it_is_sent(running: Running) -> None:
    head = head_of("/v1/embeddings", f"Content-Length: {MAX_BODY_BYTES + 1}", "X-Request-ID: mine")
    answer = await running.raw(head, until=b"request_too_large")
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"x-request-id: mine" in answer


async def test_curl_is_refused_before_it_sends(running: Running) -> None:
    """A client that asks first (curl does, for large bodies) is told no instead of being told to go on."""
    head = head_of("/v1/embeddings", f"Content-Length: {MAX_BODY_BYTES + 1}", "Expect: 100-continue")
    answer = await running.raw(head, until=b"request_too_large")
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"100 Continue" not in answer


async def test_a_chunked_body_over_the_limit_is_refused_before_its_end(running: Running) -> None:
    chunk = b"8000\r\n" + b"a" * 0x8000 + b"\r\n"
    head = head_of("/v1/embeddings", "Transfer-Encoding: chunked")
    # Four chunks are over the limit; the closing one is never sent.
    answer = await running.raw(head, chunk, chunk, chunk, chunk, until=b"request_too_large")
    assert answer.startswith(b"HTTP/1.1 413")


async def test_a_client_that_sends_on_still_reads_the_413(running: Running) -> None:
    async with httpx.AsyncClient(base_url=running.base) as client:
        response = await client.post("/v1/embeddings", content=b"a" * (30 * MAX_BODY_BYTES))
        assert_canonical_error(response, 413, code="request_too_large")

        async def chunks():
            for _ in range(50):
                yield b"a" * 65536

        assert_canonical_error(await client.post("/v1/embeddings", content=chunks()), 413)
        good = await client.post("/v1/embeddings", json={"model": "org/tiny", "input": "a"})
        assert good.status_code == 200


async def test_a_client_that_leaves_stops_costing(running: Running) -> None:
    running.backend.go.clear()
    texts = [f"text {i}" for i in range(200)]
    body = json.dumps({"model": "org/tiny", "input": texts}).encode()
    _reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(head_of("/v1/embeddings", f"Content-Length: {len(body)}") + body)
    await writer.drain()
    queued = running.engine.metrics.queue_texts
    await eventually(lambda: sum(sample.value for sample in queued.collect()[0].samples) > 100)
    writer.close()
    await writer.wait_closed()
    await eventually(lambda: sum(sample.value for sample in queued.collect()[0].samples) == 0)
    running.backend.go.set()
    async with httpx.AsyncClient(base_url=running.base) as client:
        assert (await client.post("/org/tiny/v1/embeddings", json={"input": "after"})).status_code == 200
        # At most what was already with the runtime was computed, and the text after it.
        assert running.backend.computed < 10
        assert 'route="/v1/embeddings",status="499"' in (await client.get("/metrics")).text


async def test_a_client_that_leaves_amid_its_body(running: Running) -> None:
    _reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(head_of("/v1/embeddings", "Content-Length: 5000") + b'{"input":')
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()
    await writer.wait_closed()

    def counted() -> bool:
        return b'route="/v1/embeddings",status="499"' in running.engine.metrics.exposition()

    await eventually(counted)


async def test_percent_encoded_paths(running: Running) -> None:
    async with httpx.AsyncClient(base_url=running.base) as client:
        plain = await client.post("/org/tiny/v1/embeddings", json={"input": "a"})
        encoded = await client.post("/org%2Ftiny/v1/embeddings", json={"input": "a"})
        lower = await client.post("/org%2ftiny//v1/embeddings/", json={"input": "a"})
        assert plain.status_code == 200
        assert plain.json() == encoded.json() == lower.json()
        assert (await client.get("/v1/models/org%2Ftiny")).json()["id"] == "org/tiny"
        assert_canonical_error(await client.get("/v1/models/%ff%fe%00"), 404, code="model_not_found")


async def test_head_has_no_body_and_leaves_the_connection_in_step(running: Running) -> None:
    head = b"HEAD /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    get = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    answer = await running.raw(head + get)
    first, _, rest = answer.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200")
    assert rest.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b'"version":"0.1.0"}')


async def test_a_large_answer_arrives_whole(running: Running) -> None:
    texts = [f"text number {i}" for i in range(1500)]
    async with httpx.AsyncClient(base_url=running.base, timeout=30) as client:
        response = await client.post("/v1/embeddings", json={"model": "org/tiny", "input": texts})
    got = np.array([row["embedding"] for row in response.json()["data"]], dtype=np.float32)
    assert np.array_equal(got, (await running.engine.embed(texts)).vectors)


async def test_curl_without_a_content_type_is_told_to_send_one(running: Running) -> None:
    process = await asyncio.create_subprocess_exec(
        *["curl", "-s", f"{running.base}/v1/embeddings", "-d", '{"model":"org/tiny","input":"a"}'],
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    error = json.loads(printed)["error"]
    assert error["code"] == "unsupported_content_type"
    assert "Content-Type: application/json" in error["message"]
