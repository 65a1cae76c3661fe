"""What a job has embedded so far, in a folder beside its output, so that a stopped job goes on from there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embedder.corpus.jobs import FailedText, Slice
from embedder.errors import ConfigError, FileUnreadable
from embedder.types import Kind, ModelInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SHARD_TEXTS, _SHARD_S = 4096, 10.0
"""A shard is written with so many texts or after so many seconds: what a killed process loses."""
_NAME = re.compile(r"(\d{9})-(\d{9})\.npz")
_ABOUT, _LOCK = "job.json", "lock"


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """Texts `start` to `stop` of a job: row i of `vectors` `(n, d)` is of `rows[i]`; the others failed."""

    start: int
    stop: int
    rows: NDArray[np.int64]
    vectors: NDArray[np.float32]
    truncated: int
    failed: tuple[FailedText, ...]


def job_key(texts: Sequence[str], info: ModelInfo, kind: Kind | None, dimensions: int | None) -> str:
    """Names a job: equal for the same texts in the same order, and vectors of the same making."""
    digest = hashlib.sha256(json.dumps([info.fingerprint, kind, dimensions, len(texts)]).encode())
    for text in texts:
        told = text.encode("utf-8", "surrogatepass")
        digest.update(len(told).to_bytes(8, "little"))
        digest.update(told)
    return digest.hexdigest()


class Shards:
    """The shards of the job `key` in `folder`, which is made; those of another job are cleared away.

    One process at a time holds it, until `close`. A shard is there whole or not at all, whenever the
    process or the machine stops.

    Raises:
        ConfigError: the folder cannot be made, or another process is at work in it.
    """

    def __init__(self, folder: Path, key: str) -> None:
        from filelock import FileLock, Timeout

        self._folder = folder
        self._waiting: list[Slice] = []
        self._written_s = time.monotonic()
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            self._lock = FileLock(folder / _LOCK, thread_local=False)
            self._lock.acquire(blocking=False)
        except Timeout:
            raise ConfigError(f"Another process is at work in {folder}. Let it end, or stop it.") from None
        except OSError as error:
            raise self._unwritable(error) from None
        if self._known_key() != key:
            self._clear()
            self._write(_ABOUT, json.dumps({"key": key}).encode())
        self._spans = self._contiguous()
        self.done = self._spans[-1][1] if self._spans else 0

    def add(self, part: Slice) -> None:
        """Keep a slice, the next one after what is there; `part` counts from `done` as it was at the start.

        Raises:
            ConfigError: the disk is full, say.
        """
        self._waiting.append(part)
        texts = sum(len(one.rows) + len(one.failed) for one in self._waiting)
        if texts >= _SHARD_TEXTS or time.monotonic() - self._written_s > _SHARD_S:
            self.flush()

    def flush(self) -> None:
        """Write what is still in memory.

        Raises:
            ConfigError
        """
        import numpy as np

        if not self._waiting:
            return
        parts, self._waiting = self._waiting, []
        first = parts[0].start
        stop = self.done + sum(len(one.rows) + len(one.failed) for one in parts)
        failed = [[one.index - first, one.message] for part in parts for one in part.failed]
        name = f"{self.done:09d}-{stop:09d}.npz"
        try:
            with (self._folder / f"~{name}").open("wb") as sink:
                np.savez(
                    sink,
                    allow_pickle=False,
                    rows=np.concatenate([one.rows for one in parts]) - first,
                    vectors=np.concatenate([one.embeddings.vectors for one in parts]),
                    truncated=np.array(sum(len(one.embeddings.truncated) for one in parts)),
                    failed=np.array(json.dumps(failed)),
                )
                sink.flush()
                os.fsync(sink.fileno())
            (self._folder / f"~{name}").replace(self._folder / name)
        except OSError as error:
            raise self._unwritable(error) from None
        self._spans.append((self.done, stop))
        self.done, self._written_s = stop, time.monotonic()

    def __iter__(self) -> Iterator[Shard]:
        """Every shard, in order.

        Raises:
            FileUnreadable: one is broken.
        """
        for start, stop in self._spans:
            yield self._read(start, stop)

    def clear(self) -> None:
        """Let go of all shards; the job begins anew."""
        self._clear()
        self._spans, self._waiting, self.done = [], [], 0

    def close(self, *, keep: bool) -> None:
        """Let others at the folder; without `keep`, or where there is nothing in it, it is gone."""
        if keep:
            self.flush()
        self._lock.release()
        if not (keep and self._spans):
            shutil.rmtree(self._folder, ignore_errors=True)

    def _known_key(self) -> str:
        try:
            return str(json.loads((self._folder / _ABOUT).read_text("utf-8"))["key"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _contiguous(self) -> list[tuple[int, int]]:
        """The spans of the shards that follow each other from the first text on."""
        found = filter(None, (_NAME.fullmatch(path.name) for path in self._folder.iterdir()))
        spans: list[tuple[int, int]] = []
        for start, stop in sorted((int(name[1]), int(name[2])) for name in found):
            if start == (spans[-1][1] if spans else 0) and stop > start:
                spans.append((start, stop))
        return spans

    def _read(self, start: int, stop: int) -> Shard:
        import zipfile

        import numpy as np

        try:
            with np.load(self._folder / f"{start:09d}-{stop:09d}.npz", allow_pickle=False) as arrays:
                failed = [
                    FailedText(start + place, message) for place, message in json.loads(str(arrays["failed"]))
                ]
                rows = start + arrays["rows"].astype(np.int64)
                return Shard(start, stop, rows, arrays["vectors"], int(arrays["truncated"]), tuple(failed))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            raise FileUnreadable(
                f"What was kept of this job in {self._folder} is broken. Delete that folder and begin anew."
            ) from None

    def _write(self, name: str, content: bytes) -> None:
        try:
            (self._folder / f"~{name}").write_bytes(content)
            (self._folder / f"~{name}").replace(self._folder / name)
        except OSError as error:
            raise self._unwritable(error) from None

    def _clear(self) -> None:
        for path in self._folder.iterdir():
            if _NAME.fullmatch(path.name.removeprefix("~")):
                path.unlink(missing_ok=True)

    def _unwritable(self, error: OSError) -> ConfigError:
        return ConfigError(f"{self._folder} cannot be written: {error.strerror or error}.")
