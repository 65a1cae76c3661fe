"""`collection.json`: what a collection's folder says of itself, written whole or not at all."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from embedder.collections.filters import Kind
from embedder.errors import StoreFailed

FILE = "collection.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """The index of vectors in use: `rows` it was trained with, how it is asked, and what that finds.

    `recall` is the share of the true ten nearest found, over `sample` vectors of the collection when it
    had `measured_rows`.
    """

    rows: int
    nprobes: int
    refine: int
    recall: float
    sample: int
    measured_rows: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """`rows` names the table in the folder; `slots` are (name, kind, Arrow column) of the columns seen."""

    dimensions: int
    rows: str
    info: Mapping[str, Any]
    slots: tuple[tuple[str, Kind, str], ...] = ()
    index: VectorIndex | None = None
    format: int = field(default=_FORMAT)

    @property
    def slot_of(self) -> dict[tuple[str, Kind], str]:
        """Arrow column of a column's name and kind."""
        return {(name, kind): column for name, kind, column in self.slots}


def fresh_rows() -> str:
    """A name for a table that none had before: what is kept in memory of one is never taken for another's."""
    return f"rows-{uuid.uuid4().hex[:16]}"


def read_manifest(folder: Path) -> Manifest:
    """What the folder says.

    Raises:
        FileNotFoundError: it holds no collection.
        StoreFailed: what it says is not understood.
    """
    try:
        told = json.loads((folder / FILE).read_text("utf-8"))
        if told["format"] != _FORMAT:
            raise StoreFailed(
                f"The collection {folder.name!r} was written by another version of this program."
            )
        index = told.get("index")
        return Manifest(
            dimensions=int(told["dimensions"]),
            rows=str(told["rows"]),
            info=dict(told["info"]),
            slots=tuple((str(name), cast("Kind", kind), str(column)) for name, kind, column in told["slots"]),
            index=VectorIndex(**index) if index else None,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StoreFailed(
            f"The file {FILE} of the collection {folder.name!r} is damaged ({type(error).__name__})."
        ) from None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Put `manifest` in the place of what was there, on disk when this returns.

    Raises:
        OSError
    """
    part = folder / f"{FILE}.{os.getpid()}.part"
    try:
        with part.open("w", encoding="utf-8") as sink:
            json.dump(asdict(manifest), sink, ensure_ascii=False)
            sink.flush()
            os.fsync(sink.fileno())
        # To the nanosecond: a disk's own clock ticks a few milliseconds, in which two may write.
        now_ns = time.time_ns()
        os.utime(part, ns=(now_ns, now_ns))
        part.replace(folder / FILE)
    finally:
        part.unlink(missing_ok=True)


def stamp_of(folder: Path) -> tuple[int, int] | None:
    """Something that changes whenever the manifest is written; None where there is none."""
    try:
        stat = os.stat(os.path.join(folder, FILE))  # asked at each search, which paths by pathlib would slow
    except (FileNotFoundError, NotADirectoryError):
        return None
    return stat.st_ino, stat.st_mtime_ns


def with_slots(manifest: Manifest, wanted: list[tuple[str, Kind]]) -> Manifest:
    """`manifest` with a slot for each of `wanted`, which have none yet."""
    slots = list(manifest.slots)
    for name, kind in wanted:
        slots.append((name, kind, f"{kind[0]}{len(slots)}"))
    return replace(manifest, slots=tuple(slots))
