"""moto's server, in an environment of its own and under a guard, as a store that speaks as S3 does."""

from __future__ import annotations

import signal
import socket
from contextlib import suppress

from tests.conftest import free_port
from tests.environments import client_python
from tests.servers import Process

NAME = "texts"


class Bucket:
    """An empty bucket at `s3://texts`, reached at `endpoint`."""

    def __init__(self) -> None:
        self._python = client_python("s3")
        self._process = Process("moto", signal.SIGTERM)
        self._port = 0
        self._process.start(self._command, self._answers)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def make(self) -> None:
        """Make the bucket, with the keys of the environment."""
        from pyarrow.fs import S3FileSystem

        store = S3FileSystem(endpoint_override=self.endpoint, region="us-east-1", allow_bucket_creation=True)
        store.create_dir(NAME)

    def stop(self) -> None:
        self._process.end()

    def _command(self) -> list[str]:
        self._port = free_port()
        return [str(self._python), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self._port)]

    def _answers(self) -> bool:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self._port), 1).close()
            return True
        return False
