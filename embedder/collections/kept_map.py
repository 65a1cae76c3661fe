"""One map as it is kept on disk: what it is of, and its arrays, each in a file of its own."""

from __future__ import annotations

from dataclasses import dataclass
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

    def neighbours(self, rows: NDArray[np.int64] | None = None) -> Neighbours:
        """The nearest of each, itself first, or of some `rows` of this map; numbers are rows of this map."""
        import numpy as np

        from embedder.analysis.neighbours import Neighbours

        wanted = slice(None) if rows is None else rows
        near, far = self._array("indices", mapped=True), self._array("distances", mapped=True)
        return Neighbours(near[wanted].astype(np.int64), np.array(far[wanted]))

    def _array(self, name: str, *, mapped: bool = False) -> Any:
        import numpy as np

        mode: Any = "r" if mapped else None
        try:
            values = np.load(self.folder / f"{name}.npy", mmap_mode=mode, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            raise _gone() from None
        self._check(values)
        return values

    def _check(self, values: Any) -> None:
        if len(values) != self.head.rows:
            raise _gone()


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


def _gone() -> StoreFailed:
    return StoreFailed("The map that was kept with this collection is gone or damaged. It is made anew.")
