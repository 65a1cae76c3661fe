"""A server of ours as a user would start it, and the plainest client of it."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.load import Target, bodies
from benchmarks.machine import ROOT, rss_bytes
from embedder.backends.sources import locate_model

_OURS = ("TESSERA_", "EMBED_", "OMP_", "TOKENIZERS_", "ORT_")
"""Settings of ours, and what an engine in this process has set: a peer must not inherit it."""


@dataclass
class Server:
    """A running server and when it was started, on the clock of `time.perf_counter`."""

    port: int
    process: subprocess.Popen[bytes]
    started_s: float

    def status(self, path: str, timeout_s: float = 60.0) -> int:
        """The status of GET `path`; 0 where nobody listens yet."""
        try:
            with contextlib.closing(self.connect(timeout_s)) as connection:
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
                return answer.status
        except OSError:
            return 0

    def wait_for(self, path: str, every_s: float = 0.01, timeout_s: float = 180.0) -> float:
        """Seconds from the process's start until `path` answered 200."""
        while time.perf_counter() - self.started_s < timeout_s:
            if self.status(path) == 200:
                return time.perf_counter() - self.started_s
            if self.process.poll() is not None:
                break
            time.sleep(every_s)
        raise SystemExit(f"{path} never answered 200; the server's exit code is {self.process.poll()}.")

    def connect(self, timeout_s: float = 600.0) -> http.client.HTTPConnection:
        """A connection of one's own."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)

    @property
    def ours(self) -> Target:
        """Where requests for vectors go, the server being ours."""
        return Target(self.port, "/v1/embeddings", model_id())

    @property
    def infinity(self) -> Target:
        """Where requests for vectors go, the server being Infinity."""
        return Target(self.port, "/embeddings", "model")

    def rss_bytes(self) -> int:
        """Memory that the process holds now; Linux only."""
        return rss_bytes(self.process.pid)

    def counter(self, name: str) -> float:
        """The sum of a metric over its labels."""
        with contextlib.closing(self.connect()) as connection:
            connection.request("GET", "/metrics")
            lines = connection.getresponse().read().decode().splitlines()
        pattern = re.compile(rf"{re.escape(name)}(?:{{[^}}]*}})? (\S+)$")
        if "{" in name:
            pattern = re.compile(rf"{re.escape(name)} (\S+)$")
        return sum(float(found[1]) for line in lines if (found := pattern.match(line)))


@contextmanager
def running(*flags: str, **variables: str) -> Iterator[Server]:
    """`python app.py *flags` on a free port, open, with no setting from outside, until the block ends."""
    with started([sys.executable, "app.py", *flags], variables) as server:
        yield server


@contextmanager
def infinity() -> Iterator[Server]:
    """Infinity with its torch engine over the same model folder, in an environment of its own."""
    program = peer_environment("infinity", ".venv-peers") / "bin" / "infinity_emb"
    flags = ["v2", "--model-id", str(locate_model(model_id())), "--served-model-name", "model"]
    command = [str(program), *flags, "--engine", "torch", "--device", "cpu", "--host", "127.0.0.1"]
    with started(command, {"DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"}) as server:
        yield server


@contextmanager
def started(command: list[str], variables: dict[str, str]) -> Iterator[Server]:
    """`command --port P` on a free port, with no setting of ours from outside, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    with tempfile.TemporaryFile() as log:
        started_s = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=ROOT,
            env=inherited | {"HF_HUB_OFFLINE": "1", **variables},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Server(port, process, started_s)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def peer_environment(name: str, folder_name: str) -> Path:
    """The environment of `requirements-NAME.txt`: made when first asked for, again when those change."""
    wanted = (ROOT / "benchmarks" / f"requirements-{name}.txt").read_text()
    folder = ROOT / folder_name
    made = folder / "requirements.txt"
    if not made.is_file() or made.read_text() != wanted:
        print(f"Installing {name} into {folder_name}: a few minutes the first time.", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q"]
        subprocess.run([*pip, *wanted.split()], check=True)
        made.write_text(wanted)
    return folder


def infinity_versions() -> str:
    """What Infinity's environment computes with, as one line."""
    program = (
        "import sys; from importlib.metadata import version; "
        "print(', '.join(f'{name} {version(name)}' for name in sys.argv[1:]))"
    )
    python = peer_environment("infinity", ".venv-peers") / "bin" / "python"
    command = [str(python), "-c", program, "torch", "sentence-transformers", "transformers", "tokenizers"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def request_vectors(
    connection: http.client.HTTPConnection, texts: Sequence[str], target: Target
) -> np.ndarray:
    """One request as OpenAI's clients send it, answered in base64: float32 `(n, d)`."""
    (body,) = bodies(target, texts, len(texts))
    connection.request("POST", target.path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"HTTP {answer.status}: {content[:300]!r}")
    rows = [item["embedding"] for item in json.loads(content)["data"]]
    return np.stack([np.frombuffer(base64.b64decode(row), dtype="<f4") for row in rows])


def model_id() -> str:
    """The model that benchmarks are of."""
    from embedder.config import DEFAULT_MODEL

    return DEFAULT_MODEL
