"""The databases that these tests start leave nothing behind, in whichever way the tests end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.servers import Postgres

STARTS_ONE = """
import signal, time
from tests.servers import Process

process = Process("sleep", signal.SIGKILL)
told = process.folder / "pid"
command = ["sh", "-c", "echo $$ > part; mv part pid; exec sleep 600"]
process.start(lambda: command, told.exists)
print(process.folder, told.read_text(), flush=True)
time.sleep(600)
"""


def is_running(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_a_server_ends_with_whoever_started_it_even_if_that_is_killed() -> None:
    owner = subprocess.Popen([sys.executable, "-c", STARTS_ONE], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    try:
        folder, pid = owner.stdout.readline().split()
        assert is_running(int(pid))
    finally:
        owner.kill()
        owner.communicate()
    deadline = time.monotonic() + 30
    while is_running(int(pid)) or Path(folder).exists():
        assert time.monotonic() < deadline, "it was left behind"
        time.sleep(0.05)


def test_a_server_needs_no_folder_opened_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = tmp_path / "private"
    private.mkdir(0o700)
    monkeypatch.setattr("tempfile.tempdir", str(private))
    server = Postgres()
    folder = server._process.folder
    try:
        assert server.database().endswith("/test_1")
        is_root = os.geteuid() == 0
        assert folder.owner() == ("nobody" if is_root else private.owner())
        assert private.stat().st_mode & 0o777 == 0o700
        assert is_root != folder.is_relative_to(private), "others could not get there"
    finally:
        server.stop()
    assert not folder.exists()
