"""Many clients at once from one thread, cheap enough not to be what is measured.

Bodies are encoded before and answers decoded after the clock runs; between them a client does
what HTTP asks and no more: write a request, read `Content-Length` bytes, write the next.
"""

from __future__ import annotations

import asyncio
import base64
import json
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import uvloop


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go: port, path and the model's name there."""

    port: int
    path: str
    model: str


@dataclass(frozen=True, slots=True)
class Run:
    """What one load took: wall time, latency of each request in order of `bodies`, answers."""

    seconds: float
    latencies_s: np.ndarray
    answers: list[bytes]
    client_cpu_s: float

    def percentile_s(self, share: float) -> float:
        """Latency that `share` percent of requests stayed below."""
        return float(np.percentile(self.latencies_s, share))

    def vectors(self) -> np.ndarray:
        """Every vector in order: float32 `(n, d)`."""
        rows = [item["embedding"] for answer in self.answers for item in json.loads(answer)["data"]]
        return np.stack([_row(row) for row in rows])


def bodies(target: Target, texts: Sequence[str], texts_each: int) -> list[bytes]:
    """Requests of `texts_each` texts, as OpenAI's own clients ask for them."""
    starts = range(0, len(texts), texts_each)
    return [
        json.dumps(
            {"model": target.model, "input": texts[at : at + texts_each], "encoding_format": "base64"}
        ).encode()
        for at in starts
    ]


def drive(target: Target, requests: Sequence[bytes], clients: int) -> Run:
    """Send all `requests`, `clients` at a time, each client its next when it has its answer.

    Raises:
        RuntimeError: an answer was not 200.
    """
    return uvloop.run(_drive(target, requests, clients))


async def _drive(target: Target, requests: Sequence[bytes], clients: int) -> Run:
    latencies = np.zeros(len(requests))
    answers: list[bytes] = [b""] * len(requests)
    left = iter(range(len(requests)))
    head = f"POST {target.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n".encode()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for index in left:  # one iterator for all: whoever is free takes the next
            started_s = time.perf_counter()
            body = requests[index]
            writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            answers[index] = await _answer(reader)
            latencies[index] = time.perf_counter() - started_s

    wanted = min(clients, len(requests))
    streams = [await asyncio.open_connection("127.0.0.1", target.port) for _ in range(wanted)]
    cpu_s, started_s = _cpu_s(), time.perf_counter()
    await asyncio.gather(*(client(*stream) for stream in streams))
    seconds, cpu_s = time.perf_counter() - started_s, _cpu_s() - cpu_s
    for _, writer in streams:
        writer.close()
    return Run(seconds, latencies, answers, cpu_s)


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    fields = {
        name.lower(): value for name, _, value in (line.partition(b": ") for line in head.split(b"\r\n")[1:])
    }
    body = await reader.readexactly(int(fields[b"content-length"]))
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"{head[:40]!r} {body[:300]!r}")
    return body


def _row(embedding: str | list[float]) -> np.ndarray:
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding), dtype="<f4")
    return np.array(embedding, dtype=np.float32)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
