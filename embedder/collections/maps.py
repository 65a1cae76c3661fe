"""Maps that are kept with collections: their texts' neighbours and layout, in this machine's data folder.

The same for every store: what is kept here follows from the rows, so it can be made again, and is never
more than a collection's neighbours and places by the ids of its texts. Everything here blocks.

A collection has a folder, and in it one for each map that was made, written whole under another name
first, and `current`, which names the one that counts and is exchanged in one step. So whoever reads
sees the old one or the new one, whole, also when a writer is killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Collection as Several
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedder.errors import StoreFailed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embedder.analysis.neighbours import Neighbours
    from embedder.collections.texts import About

FORM = 1
"""Of the files; a map of another form is none."""
MAX_BYTES = 4 * 2**30
"""All maps of a data folder together; beyond, those go that were made first."""
_CURRENT, _LOCK, _UNFINISHED = "current", "lock", "~"
_UNFINISHED_S = 24 * 3600
_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class MapHead:
    """What a map is of, and how it was made.

    `created` and `fingerprint` tell the collection from another of its name, `mark` is how far it was
    written, `total` how many texts it had, of which `rows` have a direction and so a place. `laid_out` of
    them were laid out, the others `placed` beside them. `recall` is of the lists of neighbours, 1 where
    they are `exact`. `made` is in Unix seconds, `took_s` how long it took.
    """

    created: int
    fingerprint: str
    mark: int
    total: int
    rows: int
    method: str
    options: dict[str, Any]
    laid_out: int
    trustworthiness: float
    looked_at: int
    recall: float
    exact: bool
    made: int
    took_s: float
    form: int = FORM

    @property
    def placed(self) -> int:
        """How many were placed beside those that were laid out."""
        return self.rows - self.laid_out

    def of(self, about: About) -> bool:
        """Whether it is of that very collection."""
        return (self.created, self.fingerprint) == (about.created, about.fingerprint)

    def __str__(self) -> str:
        laid = (
            f"laid out {self.laid_out:,} of {self.rows:,}, the others placed"
            if self.placed
            else f"all {self.rows:,} laid out"
        )
        trust = f"trustworthiness {self.trustworthiness:.2f}"
        return f"{laid}; {trust}" + (f" on {self.looked_at:,}" if self.looked_at < self.rows else "")


@dataclass(frozen=True, slots=True, eq=False)
class KeptMap:
    """A map on disk; arrays are read when they are asked for, row i of each being the text `ids()[i]`."""

    head: MapHead
    folder: Path

    def ids(self) -> list[str]:
        """Ids of the texts that have a place.

        Raises:
            StoreFailed: it was deleted meanwhile, or is damaged; likewise the others.
        """
        import pyarrow as pa

        try:
            with pa.memory_map(str(self.folder / "ids.arrow")) as source:
                ids: list[str] = pa.ipc.open_file(source).read_all().column("id").to_pylist()
        except (OSError, pa.ArrowInvalid, KeyError):
            raise _gone() from None
        self._check(ids)
        return ids

    def points(self) -> NDArray[np.float32]:
        """Places `(rows, 2 or 3)`."""
        points: NDArray[np.float32] = self._array("points")
        return points

    def clusters(self) -> NDArray[np.int32]:
        """The cluster of each `(rows,)`, below 0 for none."""
        clusters: NDArray[np.int32] = self._array("clusters")
        return clusters

    def digests(self) -> NDArray[np.uint64]:
        """What tells whether a text's vector is still the same: uint64 `(rows,)`."""
        digests: NDArray[np.uint64] = self._array("digests")
        return digests

    def neighbours(self) -> Neighbours:
        """The nearest of each, itself first; numbers are rows of this map."""
        import numpy as np

        from embedder.analysis.neighbours import Neighbours

        return Neighbours(self._array("indices").astype(np.int64), self._array("distances"))

    def _array(self, name: str) -> Any:
        import numpy as np

        try:
            values = np.load(self.folder / f"{name}.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            raise _gone() from None
        self._check(values)
        return values

    def _check(self, values: Any) -> None:
        if len(values) != self.head.rows:
            raise _gone()


class KeptMaps:
    """The maps of one store's collections, in `folder`; `address` tells that store from others."""

    def __init__(self, folder: Path, address: str, *, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._address = address
        self._max_bytes = max_bytes

    def load(self, name: str, about: About) -> KeptMap | None:
        """The map of the collection `name`, whether its texts are the same by now or not; None if none is."""
        folder = self._of(name)
        for _ in range(2):  # between two reads it may be exchanged
            try:
                made = folder / (folder / _CURRENT).read_text("ascii").strip()
                told = json.loads((made / "head.json").read_text("utf-8"))
                head = MapHead(**told)
            except (OSError, ValueError, TypeError):
                continue
            return KeptMap(head, made) if head.form == FORM and head.of(about) else None
        return None

    def begin(self) -> Path:
        """A folder for a map in the making, in which `keep` expects its arrays and ids."""
        made = self._folder / f"{_UNFINISHED}{uuid.uuid4().hex}"
        try:
            made.mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise _unwritable(error) from None
        return made

    def keep(self, name: str, made: Path, head: MapHead, names: Several[str]) -> KeptMap:
        """`made` is the map of the collection `name` from now on; maps of collections not in `names` go.

        Raises:
            StoreFailed: the disk is full, say; or another process is at it for too long.
        """
        from filelock import FileLock, Timeout

        folder = self._of(name)
        target = folder / uuid.uuid4().hex
        try:
            (made / "head.json").write_text(json.dumps(asdict(head)), "utf-8")
            folder.mkdir(mode=0o700, exist_ok=True)
            with FileLock(self._folder / _LOCK, timeout=_WAIT_S):
                made.rename(target)
                new = folder / f"{_CURRENT}{_UNFINISHED}"
                new.write_text(target.name, "ascii")
                new.replace(folder / _CURRENT)
                _only_current(folder)
                self._tidy({self._of(one).name for one in names}, folder)
        except Timeout:
            raise StoreFailed("Another process is keeping maps and does not finish. Try again.") from None
        except OSError as error:
            raise _unwritable(error) from None
        return KeptMap(head, target)

    def forget(self, name: str) -> None:
        """Let go of a collection's map; what cannot be deleted now goes with the next one that is kept."""
        with suppress(OSError):
            (self._of(name) / _CURRENT).unlink()
        shutil.rmtree(self._of(name), ignore_errors=True)

    def _of(self, name: str) -> Path:
        digest = hashlib.blake2b(f"{self._address}\n{name}".encode(), digest_size=8).hexdigest()
        return self._folder / f"{self._mine}-{digest}"

    @property
    def _mine(self) -> str:
        """What the folders of this store's collections begin with."""
        return hashlib.blake2b(self._address.encode(), digest_size=4).hexdigest()

    def tidy(self, names: Several[str]) -> None:
        """Let go of maps of collections not in `names`, of what nobody finished, and of what is too much."""
        with suppress(OSError):
            self._tidy({self._of(name).name for name in names})

    def _tidy(self, theirs: set[str], newest: Path | None = None) -> None:
        folders = []
        for one in self._folder.iterdir():
            if not one.is_dir():
                continue
            unfinished = one.name.startswith(_UNFINISHED)
            old = unfinished and _age_s(one) > _UNFINISHED_S
            gone = one.name.startswith(f"{self._mine}-") and one.name not in theirs
            if old or (gone and one != newest):
                shutil.rmtree(one, ignore_errors=True)
            elif not unfinished:
                folders.append(one)
        held = 0
        for one in sorted(
            folders, key=lambda one: (one != newest, _age_s(one / _CURRENT))
        ):  # the newest first
            held += _bytes_in(one)
            if held > self._max_bytes and one != newest:
                shutil.rmtree(one, ignore_errors=True)


def _only_current(folder: Path) -> None:
    """Let go of a collection's older maps."""
    current = (folder / _CURRENT).read_text("ascii")
    for one in folder.iterdir():
        if one.is_dir() and one.name != current:
            shutil.rmtree(one, ignore_errors=True)


def write_arrays(
    folder: Path, points: NDArray[np.float32], clusters: NDArray[np.int32], neighbours: Neighbours
) -> None:
    """A map's arrays where `KeptMap` reads them."""
    import numpy as np

    arrays = {
        "points": points.astype("<f4"),
        "clusters": clusters.astype("<i4"),
        "indices": neighbours.indices.astype("<i4"),
        "distances": neighbours.distances.astype("<f4"),
    }
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values, allow_pickle=False)


def write_rows(folder: Path, ids: list[str], digests: NDArray[np.uint64]) -> None:
    """Which texts a map is of, where `KeptMap` reads it."""
    import numpy as np
    import pyarrow as pa

    np.save(folder / "digests.npy", digests, allow_pickle=False)

    table = pa.table({"id": pa.array(ids, pa.string())})
    with pa.OSFile(str(folder / "ids.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")


def _bytes_in(folder: Path) -> int:
    held = 0
    for root, _, files in os.walk(folder):
        for file in files:
            with suppress(OSError):
                held += (Path(root) / file).stat().st_size
    return held


def _gone() -> StoreFailed:
    return StoreFailed("The map that was kept with this collection is gone or damaged. It is made anew.")


def _unwritable(error: OSError) -> StoreFailed:
    return StoreFailed(f"The map could not be kept: {error.strerror or type(error).__name__}.")
