"""A process that has imported what commands need, and forks for each of them.

Two thirds of what a command on a few texts takes are imports, the same each time. What it forks is a process
of its own with its own folder, environment, streams and exit code, and ends as any other.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.environments import ROOT

TIMEOUT_S = 240
IMPORTED = (
    "torch",
    "pyarrow.parquet",
    "pandas",
    "embedder.collections.lance.store",
    "lance_namespace",  # lancedb itself had better not be forked; here with its client
    "embedder.engine",
    "embedder.backends",
    "embedder.cli.collection",
    "embedder.cli.embed",
    "embedder.cli.map",
)


class Forks:
    """The process that forks, and how it is asked to."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.forked", str(theirs.fileno())],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        self._ours.settimeout(TIMEOUT_S)
        self._answers = self._ours.makefile()

    def run(
        self, folder: Path, arguments: tuple[str, ...], environment: dict[str, str], stdin: bytes
    ) -> subprocess.CompletedProcess[bytes]:
        """`tessera *arguments` in `folder`, until it ends."""
        asked = {"folder": str(folder), "arguments": arguments, "environment": environment}
        with ExitStack() as open_files:
            streams = [open_files.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
            streams[0].write(stdin)
            streams[0].seek(0)
            fds = [stream.fileno() for stream in streams]
            socket.send_fds(self._ours, [json.dumps(asked).encode() + b"\n"], fds)
            code = int(self._answers.readline())
            for stream in streams:
                stream.seek(0)
            return subprocess.CompletedProcess(
                ["tessera", *arguments], code, streams[1].read(), streams[2].read()
            )


@cache
def forks() -> Forks:
    """The one that serves this run of the tests; it ends when this process does."""
    return Forks()


def serve(asked: socket.socket) -> None:
    """Import, then fork for whatever is asked for, one after the other; returns in each child."""
    from embedder.libraries import settle_environment

    settle_environment()
    for name in IMPORTED:
        import_module(name)
    while True:
        line, fds, *_ = socket.recv_fds(asked, 1 << 20, 3)
        if not line:
            sys.exit()
        while not line.endswith(b"\n"):
            line += asked.recv(1 << 20)
        child = os.fork()
        if not child:
            become(json.loads(line), fds)
            return
        for fd in fds:
            os.close(fd)
        asked.sendall(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())


def become(asked: dict[str, Any], fds: list[int]) -> None:
    """Take on the folder, environment, arguments and streams that were asked for."""
    for ours, theirs in enumerate(fds):
        os.dup2(theirs, ours)
        os.close(theirs)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv[1:] = asked["arguments"]


if __name__ == "__main__":
    from embedder.cli import main

    serve(socket.socket(fileno=int(sys.argv[1])))
    sys.exit(main())
