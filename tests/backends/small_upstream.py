"""A small server of embeddings over real HTTP, which is slow, refuses or breaks as a test wants."""

from __future__ import annotations

import json
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from tests.conftest import free_port

POISON = "poison"
"""A request with this text is answered with 500, as by a runtime that fails on one text."""


@dataclass
class Small:
    """How it answers, which may be changed while it runs, and what it was asked."""

    port: int
    dimensions: int = 8
    model: str = "one"
    """Servers of another have other vectors."""
    delay_s: float = 0.0
    status: int = 200
    key: str | None = None
    fingerprint: str | None = None
    asked: list[list[str]] = field(default_factory=list)
    """The texts of each request that it computed."""
    refused: int = 0
    busy: int = 0
    most_busy: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def host(self) -> str:
        """As its address has it."""
        return f"127.0.0.1:{self.port}"

    def vector(self, text: str) -> list[float]:
        """Of length 1, another for every text and every model."""
        seed = zlib.crc32(f"{self.model} {text}".encode())
        vector = np.random.default_rng(seed).normal(size=self.dimensions)
        return [float(number) for number in vector / np.linalg.norm(vector)]


@contextmanager
def small(**asked: object) -> Iterator[Small]:
    """Such a server, on a free port or on `port`."""
    told = Small(**{"port": free_port(), **asked})  # type: ignore[arg-type]

    open_connections: set[socket.socket] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            open_connections.add(self.connection)

        def do_GET(self) -> None:
            if told.fingerprint is None:
                self._send(404, {"error": {"message": "no such address"}})
            else:
                self._send(200, {"id": "m", "object": "model", "fingerprint": told.fingerprint})

        def do_POST(self) -> None:
            texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input"]
            status = self._status(texts)
            if status != 200:
                with told.lock:
                    told.refused += 1
                # A server may quote what it was sent; the front must not.
                quoted = f"refused {self.headers.get('Authorization')}"
                self._send(status, {"error": {"message": quoted}})
                return
            with told.lock:
                told.asked.append(texts)
                told.busy += 1
                told.most_busy = max(told.most_busy, told.busy)
            time.sleep(told.delay_s)
            with told.lock:
                told.busy -= 1
            rows = [
                {"object": "embedding", "index": index, "embedding": told.vector(text)}
                for index, text in enumerate(texts)
            ]
            usage = {"prompt_tokens": 1, "total_tokens": 1}
            self._send(200, {"object": "list", "data": rows, "model": "m", "usage": usage})

        def _status(self, texts: list[str]) -> int:
            if told.key is not None and self.headers.get("Authorization") != f"Bearer {told.key}":
                return 401
            return 500 if told.status == 200 and POISON in texts else told.status

        def _send(self, status: int, body: object) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("x-should-retry", "false")  # openai-python's: its second try costs half a second
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing on the tests' output."""

    class Serving(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    with Serving(("127.0.0.1", told.port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()
            for connection in open_connections:  # kept alive, they would go on being answered
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
