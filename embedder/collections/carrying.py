"""A collection's kept map taken along: to another store, or into the collection's file and out of it.

In the file a text's place, cluster and neighbours stand in its row: `x`, `y` and perhaps `z`, `cluster`,
`neighbours` (its number in the map and then those of its nearest, int32) and `distances` (float32), both as
bytes. How the map was made stands in the schema's metadata.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedder.collections.catalogue import Collections
from embedder.collections.collection import Collection
from embedder.collections.kept_map import KeptMap, MapHead, write_arrays, write_rows
from embedder.collections.map_rows import MAX_ROWS, digests_of, is_of_now
from embedder.collections.mapping import keep_filled
from embedder.collections.rows import Rows
from embedder.errors import StoreFailed

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

HEAD_KEY = b"tessera:map"
_AXES = ("x", "y", "z")
_CLUSTER, _NEIGHBOURS, _DISTANCES = "cluster", "neighbours", "distances"


def map_of_now(collections: Collections, opened: Collection) -> KeptMap | None:
    """The kept map of a collection, if it is of the texts that are there now; blocking.

    Raises:
        StoreFailed
    """
    kept = None if collections.maps is None else collections.maps.load(opened.name, opened.about)
    return kept if kept is not None and is_of_now(kept, opened.table) else None


async def copy_map(kept: KeptMap, target: Collections, new: Collection, mark: int) -> KeptMap | None:
    """Keep a map of the same texts with `new`, which was written until `mark`; None where none are kept.

    Raises:
        StoreFailed: it cannot be read or written.
    """

    def fill(folder: Path) -> MapHead:
        try:
            shutil.copytree(kept.folder, folder, dirs_exist_ok=True)
        except (OSError, shutil.Error):
            raise StoreFailed("The map that is kept with the collection could not be copied.") from None
        return _head_for(kept.head, new, mark)

    return await keep_filled(target, new, fill)


async def keep_carried(collections: Collections, made: Collection, carried: MapRows) -> KeptMap | None:
    """Keep the map that came with the rows of `made`; None where it is not whole or none are kept.

    Raises:
        StoreFailed: it cannot be written.
    """

    def fill(folder: Path) -> MapHead | None:
        try:
            head = carried.write(folder)
        except OSError as error:
            raise StoreFailed(f"The map could not be kept: {error.strerror or 'the disk failed'}.") from None
        return head and _head_for(head, made, made.table.mark)

    return await keep_filled(collections, made, fill)


def _head_for(head: MapHead, opened: Collection, mark: int) -> MapHead:
    about = opened.about
    return replace(
        head, created=about.created, fingerprint=about.fingerprint, mark=mark, total=opened.table.count()
    )


class MapColumns:
    """A map as columns of its collection's file."""

    def __init__(self, kept: KeptMap) -> None:
        self._kept = kept
        self._row_of = {row_id: row for row, row_id in enumerate(kept.ids())}
        self._points, self._clusters = kept.points(), kept.clusters()

    @property
    def head(self) -> bytes:
        """How it was made, for the metadata."""
        return json.dumps(asdict(self._kept.head)).encode()

    @property
    def fields(self) -> list[tuple[str, Any]]:
        """Names and Arrow types."""
        import pyarrow as pa

        places = [(axis, pa.float32()) for axis in _AXES[: self._points.shape[1]]]
        lists = [(_NEIGHBOURS, pa.binary()), (_DISTANCES, pa.binary())]
        return [*places, (_CLUSTER, pa.int32()), *lists]

    def arrays(self, ids: Sequence[str]) -> list[pa.Array]:
        """The columns of some rows; null for a text that has no place.

        Raises:
            StoreFailed: the map was deleted meanwhile.
        """
        import numpy as np
        import pyarrow as pa

        rows = np.array([self._row_of.get(row_id, -1) for row_id in ids], dtype=np.int64)
        nowhere = rows < 0
        rows[nowhere] = 0
        near = self._kept.neighbours(rows)
        numbers = np.concatenate([rows[:, None], near.indices], axis=1)
        lists = (numbers.astype("<i4"), near.distances.astype("<f4"))
        return [
            *(pa.array(np.ascontiguousarray(axis), mask=nowhere) for axis in self._points[rows].T),
            pa.array(self._clusters[rows], mask=nowhere),
            *(pa.array([one.tobytes() for one in some], pa.binary(), mask=nowhere) for some in lists),
        ]


class MapRows:
    """A map as it comes out of a file, row by row."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._ids: list[str] = []
        self._digests: list[NDArray[np.uint64]] = []
        self._columns: list[list[Any]] = []
        self._broken = False

    @classmethod
    def of(cls, schema: pa.Schema) -> MapRows | None:
        """For a file of that schema; None where no map is in it, or not all of one."""
        head = (schema.metadata or {}).get(HEAD_KEY)
        wanted = {*_AXES[:2], _CLUSTER, _NEIGHBOURS, _DISTANCES}
        return cls(head) if head and wanted <= set(schema.names) else None

    def take(self, batch: pa.RecordBatch, rows: Rows) -> None:
        """What stands of the map in a batch of the file, which was read as `rows`."""
        try:
            self._take(batch, rows)
        except (ValueError, TypeError):  # as other programs may leave it: then it is made again
            self._broken = True

    def _take(self, batch: pa.RecordBatch, rows: Rows) -> None:
        import numpy as np

        has_place = batch.column(_NEIGHBOURS).is_valid()
        there = np.asarray(has_place)
        if not there.any():
            return
        axes = [axis for axis in _AXES if axis in batch.schema.names]
        known = batch.filter(has_place)
        *places, clusters = (known.column(one).to_numpy(zero_copy_only=False) for one in (*axes, _CLUSTER))
        near, far = (
            np.array([np.frombuffer(one, kind) for one in known.column(name).to_pylist()])
            for name, kind in ((_NEIGHBOURS, "<i4"), (_DISTANCES, "<f4"))
        )
        self._columns.append([np.stack(places, axis=1), clusters, near, far])
        self._ids += [row_id for row_id, placed in zip(rows.ids, there, strict=True) if placed]
        self._digests.append(digests_of(rows.vectors[there]))

    def write(self, folder: Path) -> MapHead | None:
        """Write it where `KeptMap` reads it; None if it isn't whole, for it can be made again."""
        import numpy as np

        from embedder.analysis.neighbours import Neighbours

        if self._broken:
            return None
        try:
            head = MapHead(**json.loads(self._head))
            points, clusters, near, far = (np.concatenate(part) for part in zip(*self._columns, strict=True))
            number, near = near[:, 0], near[:, 1:]
            n = len(number)
            whole = head.rows == n <= MAX_ROWS and np.array_equal(np.sort(number), np.arange(n))
            whole = whole and near.shape == far.shape
            if not whole or not np.isfinite(points).all() or not (-1 <= near.min() <= near.max() < n):
                return None
        except (ValueError, TypeError, IndexError):  # lists of several lengths, no map's head, nothing at all
            return None
        order = np.argsort(number)
        neighbours = Neighbours(near[order].astype(np.int64), far[order])
        write_arrays(folder, points[order], clusters[order], neighbours)
        write_rows(folder, [self._ids[place] for place in order], np.concatenate(self._digests)[order])
        return head
