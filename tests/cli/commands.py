"""The command as a user runs it: in a process of its own, outside the checkout."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.cli.forked import forks
from tests.conftest import ROOT

TESSERA = [sys.executable, "-m", "embedder.cli"]


def environment(**variables: str) -> dict[str, str]:
    """Ours to import, no setting from outside, no network; what is compiled is kept for all."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TESSERA_", "EMBED_", "SPACE_"))
    }
    ours = {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    return inherited | ours | {"TESSERA_CACHE_DIR": os.environ["TESSERA_TEST_CACHE_DIR"]} | variables


def run(
    folder: Path, *arguments: str, stdin: bytes = b"", **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """`tessera *arguments` in `folder`, until it ends; its imports are there when it begins."""
    return forks().run(folder, arguments, environment(**variables), stdin)


def start(folder: Path, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
    """`tessera *arguments` in `folder`, running."""
    return subprocess.Popen(
        [*TESSERA, *arguments],
        cwd=folder,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A suite run in the background inherits an ignored SIGINT, and would pass that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
    )
