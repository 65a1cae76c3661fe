"""Environments of their own for client libraries, some of which would move our pins.

Each lies in `.venv-clients/NAME`, is made from tests/clients/requirements-NAME.txt (or the npm
project tests/clients/node) when first asked for, and again when that file changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parent.parent
CLIENTS = ROOT / "tests" / "clients"
ENVIRONMENTS = ROOT / ".venv-clients"


def run(command: list[str | Path], *, timeout_s: float = 600.0, **options: Any) -> str:
    """Standard output of `command`; the test fails with all it printed if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        **options,
    )
    if done.returncode != 0:
        pytest.fail(f"{command} ended with {done.returncode}.\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def call_environment(base: str, model: str, key: str) -> dict[str, str]:
    """The variables a user has in a shell, and no proxy or key of this machine's."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TESSERA_", "EMBED_", "OPENAI_")) and not name.lower().endswith("_proxy")
    }
    return kept | {"EMBED_BASE": base, "EMBED_MODEL": model, "EMBED_KEY": key}


def program(name: str) -> Path:
    """Where `name` is installed; without it a test skips, but fails in CI."""
    found = shutil.which(name)
    if found is None:
        message = f"No {name} on this machine: install it to run this test."
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return Path(found)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The Chromium on PATH, else Playwright's own; `scripts/chromium` provides one of them."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for found in map(shutil.which, names) if found), None)
    # Chromium's sandbox refuses root; these tests open pages of their own only.
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    quiet = [
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*flags, *quiet])
        try:
            yield browser
        finally:
            browser.close()


def client_python(name: str) -> Path:
    """The interpreter of the environment of tests/clients/requirements-`name`.txt."""
    requirements = CLIENTS / f"requirements-{name}.txt"
    folder = ENVIRONMENTS / name
    python = folder / "bin" / "python"
    stamp = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    if not _is_made(folder, stamp):
        shutil.rmtree(folder, ignore_errors=True)
        run([sys.executable, "-m", "venv", folder])
        run(
            [
                python,
                "-m",
                "pip",
                "install",
                "--disable-pip-version-check",
                "--no-compile",
                "-q",
                "-r",
                requirements,
            ]
        )
        (folder / "made-from").write_text(stamp)
    return python


def node_project() -> Path:
    """A folder whose node_modules hold what tests/clients/node locks."""
    npm = program("npm")
    source, folder = CLIENTS / "node", ENVIRONMENTS / "node"
    locked = b"".join((source / name).read_bytes() for name in ("package.json", "package-lock.json"))
    stamp = hashlib.sha256(locked).hexdigest()
    if not _is_made(folder, stamp):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, folder)
        run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)
        (folder / "made-from").write_text(stamp)
    return folder


def run_node(source: str, environment: dict[str, str]) -> Any:
    """What the ES module `source` prints, read as JSON; npm's packages are at hand."""
    folder = node_project()
    return json.loads(
        run([program("node"), "--input-type=module", "-e", source], cwd=folder, env=environment)
    )


def _is_made(folder: Path, stamp: str) -> bool:
    made_from = folder / "made-from"
    return made_from.is_file() and made_from.read_text() == stamp
