"""Two nodes of one core each on this machine, and a bucket on its loopback, once for all tests here."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.environments import ROOT

if TYPE_CHECKING:
    from tests.bulk.s3 import Bucket

_STORE_BYTES = 100 * 2**20
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing-secret"}


@dataclass
class TwoNodes:
    """A cluster whose head computes nothing; a driver joins it by `address`."""

    environment: dict[str, str]
    cluster: Any = None
    nodes: list[Any] = field(default_factory=list)

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    @property
    def logs(self) -> Path:
        return Path(self.cluster.head_node.get_logs_dir_path())

    def fill(self) -> None:
        """See to it that there are two."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            if self.cluster is None:
                self.cluster = self._head()
            while len(self.nodes) < 2:
                self.nodes.append(self.cluster.add_node(num_cpus=1, object_store_memory=_STORE_BYTES))
        self.cluster.wait_for_nodes()

    def lose_one(self) -> None:
        """Without a farewell: its raylet is killed, and so are its workers."""
        self.cluster.remove_node(self.nodes.pop(), allow_graceful=False)

    def _head(self) -> Any:
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": _STORE_BYTES}
        return Cluster(initialize_head=True, head_node_args=head)


@pytest.fixture(autouse=True)
def loggers_as_they_were() -> Iterator[None]:
    """The command, run in this process, sets loggers and all their handlers for itself alone."""
    ours = logging.getLogger("embedder")
    handlers = [*logging.getLogger().handlers, *ours.handlers]
    before = ours.propagate, ours.handlers[:], [one.level for one in handlers]
    yield
    ours.propagate, ours.handlers, levels = before
    for handler, level in zip(handlers, levels, strict=True):
        handler.setLevel(level)


@pytest.fixture(scope="package")
def ray_folder() -> Iterator[str]:
    """Where Ray keeps its sockets and logs: its name is short, for a socket's path is."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="package")
def started(ray_folder: str) -> Iterator[TwoNodes]:
    nodes = TwoNodes(
        KEYS
        | {
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_TMPDIR": ray_folder,
            "PYTHONPATH": str(ROOT),
            "HF_HUB_OFFLINE": "1",
        }
    )
    try:
        nodes.fill()
        yield nodes
    finally:
        if nodes.cluster is not None:
            nodes.cluster.shutdown()


@pytest.fixture
def two_nodes(started: TwoNodes) -> TwoNodes:
    """Two, whatever another test has done to them."""
    started.fill()
    return started


@pytest.fixture(scope="package")
def bucket() -> Iterator[Bucket]:
    """An empty bucket of a server that speaks as S3 does."""
    from tests.bulk.s3 import Bucket

    made = Bucket()
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in KEYS.items():
                patch.setenv(name, value)
            made.make()
        yield made
    finally:
        made.stop()


@pytest.fixture
def s3(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """The bucket, with its address and keys in the environment."""
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": bucket.endpoint}.items():
        monkeypatch.setenv(name, value)
    return bucket


@pytest.fixture
def cache_dir() -> str:
    """What was learned of the model by another test is not learned anew."""
    return os.environ["TESSERA_TEST_CACHE_DIR"]
