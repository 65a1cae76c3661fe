"""What every test may ask for: a live server, as a user would start it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from tests.servers import Milvus, Postgres

# How long an example takes is no property of the code: what is loaded on first use comes on top.
hypothesis.settings.register_profile("tessera", deadline=None)
hypothesis.settings.load_profile("tessera")

# As the product sets it at its start: with another OpenMP loaded beside torch's, waiting threads that
# spin take the cores from those that work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

ROOT = Path(__file__).resolve().parent.parent
KEY = "test-key"
MODEL = "sentence-transformers/all-MiniLM-L6-v2"


def pytest_configure(config: pytest.Config) -> None:
    """One cache folder for all servers of a run, or a named one: to compile takes a minute."""
    if "TESSERA_TEST_CACHE_DIR" not in os.environ:
        folder = os.environ["TESSERA_TEST_CACHE_DIR"] = tempfile.mkdtemp(prefix="tessera-tests-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    # Where the processes of layouts keep it too.
    os.environ.setdefault("NUMBA_CACHE_DIR", os.path.join(os.environ["TESSERA_TEST_CACHE_DIR"], "numba"))


@dataclass(frozen=True)
class Server:
    """A running `python app.py`; `base` has no trailing slash, `log` holds what it printed."""

    base: str
    model: str
    key: str
    process: subprocess.Popen[bytes]
    log: Path


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def live_server(
    folder: Path,
    *flags: str,
    key: str = KEY,
    wait_for: str = "/ready",
    port: int | None = None,
    **environment: str,
) -> Iterator[Server]:
    """Run `python app.py *flags`, by default on a free port, writing under `folder`, until the block ends."""
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "server.log"
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("TESSERA_", "EMBED_"))
    }
    ours = {
        "HF_HUB_OFFLINE": "1",
        "TESSERA_CACHE_DIR": os.environ.get("TESSERA_TEST_CACHE_DIR", str(folder / "cache")),
        "TESSERA_DATA_DIR": str(folder / "data"),
        "EMBED_KEY": key,
        **environment,
    }
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(port), *flags],
            cwd=ROOT,
            env=inherited | ours,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    server = Server(f"http://127.0.0.1:{port}", MODEL, key, process, log)
    try:
        wait_until_answering(server, wait_for)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_answering(server: Server, path: str, timeout_s: float = 120.0) -> None:
    """Return once `path` answers 200; fail with the server's log if it ends or never does."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            with urllib.request.urlopen(server.base + path, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.1)
    pytest.fail(f"The server never answered {path}. Its log:\n{server.log.read_text()[-5000:]}")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with the real model and a key, shared by all tests that don't change it."""
    with live_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def few_paragraphs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What int8 costs is measured over few texts: a thousand take half a minute."""
    from embedder.backends.precision import paragraphs

    paragraphs.cache_clear()
    monkeypatch.setattr("embedder.backends.precision._TEXTS", 60)
    yield
    paragraphs.cache_clear()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """PostgreSQL with pgvector, started for the first test that asks."""
    from tests.servers import Postgres

    server = Postgres()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def milvus() -> Iterator[Milvus]:
    """Milvus Lite's server, started for the first test that asks."""
    from tests.servers import Milvus

    server = Milvus()
    yield server
    server.stop()
