"""The same on every node of a Ray cluster: workers as a pool of actors of Ray Data."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import secrets
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedder.config import Settings
from embedder.corpus.bulk.job import Job, Report
from embedder.corpus.bulk.shards import Shard
from embedder.corpus.bulk.worker import Worker, describe
from embedder.errors import BackendFailed, ConfigError, ModelUnavailable, TesseraError
from embedder.types import ModelInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST_CPUS = 8
"""An actor takes a whole node, and of a large one so many cores."""

_KNOCK_S = 10.0
_STORE_BYTES = 128 * 2**20
"""Of Ray's object store, where it is started here: names of shards and reports go through it."""


@dataclass(frozen=True, slots=True)
class Pool:
    """How many actors there are, and how many cores and GPUs each has."""

    actors: int
    cpus: int
    gpus: float = 0.0


class Embedder:
    """The actor. What goes wrong at its start is told with its first shard, as a sentence."""

    def __init__(self, job: Job, settings: Settings) -> None:
        self._error = ""
        try:
            self._worker = Worker(job, settings)
        except TesseraError as error:
            self._error = str(error)

    def __call__(self, batch: dict[str, NDArray[np.str_]]) -> dict[str, list[str]]:
        """Shards to reports, both as JSON."""
        shards = [Shard(**json.loads(told)) for told in batch["shard"]]
        return {"report": [self._report(shard).to_json() for shard in shards]}

    def _report(self, shard: Shard) -> Report:
        return Report(shard.number, error=self._error) if self._error else self._worker.embed(shard)


@contextmanager
def joined() -> Iterator[None]:
    """This process as the driver of a job on the cluster that `RAY_ADDRESS` names, else on this machine.

    Raises:
        ConfigError: Ray is not installed, or there is no such cluster.
    """
    # Set before Ray is imported, and for what it starts: no reports to its makers.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
        import ray.data
    except ImportError:
        raise ConfigError("--on ray needs Ray: pip install 'tessera-embed[ray]'.") from None
    _keep_logs_to_files()
    address = os.environ.get("RAY_ADDRESS") or "local"
    own: dict[str, Any] = {}
    if address == "local":
        own = {"object_store_memory": _STORE_BYTES, "include_dashboard": False}
        # By the environment, or Ray would leave it as a file in the user's home.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    _knock(address)
    try:
        ray.init(address, log_to_driver=False, configure_logging=False, **own)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0][:200].rstrip(".")
        raise ConfigError(f"The Ray cluster was not reached: {reason}. RAY_ADDRESS names it.") from None
    try:
        with _stderr_of_our_own():
            yield
    finally:
        ray.shutdown()


def pool_of(actors: int | None, cpus: int | None, gpus: float) -> Pool:
    """The actors that the cluster has room for, or as many as are asked for.

    Raises:
        ConfigError: no node has room for one.
    """
    import ray

    return fitting([node["Resources"] for node in ray.nodes() if node["Alive"]], actors, cpus, gpus)


def fitting(nodes: Sequence[Mapping[str, float]], actors: int | None, cpus: int | None, gpus: float) -> Pool:
    """The same, by what each node has; without `cpus` an actor takes those of the smallest.

    Raises:
        ConfigError
    """
    cores = [int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1]
    each = cpus or min([_MOST_CPUS, *cores])
    room = 0
    for node in nodes:
        by_cpus = int(node.get("CPU", 0)) // each
        room += min(by_cpus, int(node.get("GPU", 0) / gpus)) if gpus else by_cpus
    if not room:
        needed = f"{each} CPUs" + (f" and {gpus:g} GPUs" if gpus else "")
        raise ConfigError(f"No node of the Ray cluster has the {needed} that an actor takes.")
    return Pool(min(actors or room, room), each, gpus)


def settings_for(pool: Pool, settings: Settings) -> Settings:
    """`settings` as an actor needs them: its threads, and none of the keys that open a server."""
    none: dict[str, Any] = {"keys": (), "page_auth": (), "data_url": None, "disk_cache_bytes": 0}
    return settings.model_copy(update=none | {"threads": settings.threads or pool.cpus})


def model_on(pool: Pool, settings: Settings) -> ModelInfo:
    """The model as a node of the cluster has it.

    Raises:
        ModelUnavailable
    """
    import ray

    found = ray.get(ray.remote(_describe).options(num_cpus=pool.cpus, num_gpus=pool.gpus).remote(settings))
    if isinstance(found, str):
        raise ModelUnavailable(found)
    assert isinstance(found, ModelInfo)
    return found


def embed_shards(job: Job, shards: Sequence[Shard], settings: Settings, pool: Pool) -> Iterator[Report]:
    """Embed `shards` and yield what came of each when it is done, in any order.

    A shard whose node is lost is done on another. Closing the iterator ends the actors.

    Raises:
        TesseraError: a shard could not be done; what was done before is kept.
    """
    import ray

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    rows = [{"shard": json.dumps(dataclasses.asdict(shard))} for shard in shards]
    actors = min(pool.actors, len(shards))
    reports = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        Embedder,
        fn_constructor_args=(job, settings),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=actors, initial_size=actors),
        num_cpus=pool.cpus,
        num_gpus=pool.gpus,
    )
    try:
        # Without prefetching, or each would be told when the next one is there.
        batches = reports.iter_batches(batch_size=1, prefetch_batches=0, batch_format="numpy")
        with closing(iter(batches)) as found:
            for batch in found:
                report = Report.from_json(str(batch["report"][0]))
                if report.error:
                    raise TesseraError(f"{report.error} The same command goes on from there.")
                yield report
    except ray.exceptions.RayError as error:
        raise BackendFailed(
            f"Ray ended the job with {type(error).__name__}. Its logs on the nodes say more. The same "
            "command goes on from there."
        ) from None


def _knock(address: str) -> None:
    """Find out in seconds what Ray tries for many minutes: that nobody is at `host:port`.

    Raises:
        ConfigError
    """
    host, colon, port = address.rpartition(":")
    if not colon or "/" in host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK_S).close()
    except (OSError, OverflowError):
        raise ConfigError("No Ray cluster answers where RAY_ADDRESS says. Start one, or unset it.") from None


def _keep_logs_to_files() -> None:
    """Have what Ray logs in Python in its own files only."""
    for name in ("ray", "ray.data"):
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setLevel(logging.CRITICAL + 1)


@contextmanager
def _stderr_of_our_own() -> Iterator[None]:
    """Keep standard error for what we say: what Ray's C++ writes there is in its driver's log as well."""
    sys.stderr.flush()
    theirs, before = os.dup(2), sys.stderr
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        with open(theirs, "w", encoding=before.encoding, errors=before.errors, closefd=False) as ours:
            sys.stderr = ours
            yield
    finally:
        sys.stderr = before
        os.dup2(theirs, 2)
        os.close(theirs)


def _describe(settings: Settings) -> ModelInfo | str:
    try:
        return describe(settings)
    except TesseraError as error:
        return str(error)
