"""The texts on screen with all that was worked out about them, kept for a while under an id."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from embedder.analysis.clusters import ClusterName, name_clusters
from embedder.analysis.contrast import WordCounts
from embedder.analysis.neighbours import (
    KEPT_NEIGHBOURS,
    KnownNeighbours,
    Neighbours,
    nearest_neighbours,
)
from embedder.analysis.projection import Projection
from embedder.analysis.ranking import KeywordIndex
from embedder.analysis.similarity import Floats, OnProgress
from embedder.types import ModelInfo

if TYPE_CHECKING:
    from ui.beside import Beside
    from ui.shelf import Part

MAX_BYTES = 512 * 2**20
MAX_LAYOUTS = 8
"""So many layouts of a dataset are kept: the first one and the newest."""
MAX_SELECTIONS = 64
PCA, PCA_3D, AXES, FROM_FILE = "pca", "pca-3d", "axes-", "file"
"""Keys: of PCA's layouts, what those by two semantic axes begin with, of places that a file has."""
NEIGHBOURS = "neighbours"
FEW_TEXTS = 4000
"""Up to so many texts neighbours take less than another process would need to be told."""
FindNeighbours = Callable[[Floats, OnProgress], Coroutine[Any, Any, Neighbours]]
_Worked = TypeVar("_Worked")


def new_id() -> str:
    """An id that nobody can guess."""
    return secrets.token_urlsafe(16)


@dataclass(slots=True, eq=False)
class Workings:
    """What is worked out about a dataset when it is first asked for, once."""

    layouts: dict[str, Projection] = field(default_factory=dict)
    newest: str = PCA
    legends: dict[str, dict[str, Any]] = field(default_factory=dict)
    find_neighbours: FindNeighbours | None = None
    """Finds them elsewhere than in a thread of this process; set by whoever keeps the dataset."""
    shares: dict[str, float] = field(default_factory=dict)
    """How far what takes seconds has come, by its name, 0 to 1."""
    beside: dict[str, Beside] = field(default_factory=dict)
    """The same texts in other models' spaces, by what was chosen."""
    part: Part | None = None
    """Of which collection the texts are, where they are of one; told to its keeper only."""
    edition: int = 0
    """Counts layouts that took the place of one with the same key: who has painted that one paints again."""
    remarks: dict[str, str] = field(default_factory=dict)
    """What is to be said of a layout, by its key."""
    mapped: bool = False
    """Whether the texts stand on a map of all of a collection of which they are a part."""
    outdated: bool = False
    """Whether the layout is the map that was kept with a collection of older texts; a newer one is due."""
    known: KnownNeighbours | None = None
    """Lists of neighbours kept with the map of a collection of which these texts are all, or some."""
    selections: OrderedDict[str, NDArray[np.int32]] = field(default_factory=OrderedDict)
    """Rows that somebody selected, by a key that an address has room for; the newest `MAX_SELECTIONS`."""
    _made: dict[str, asyncio.Future[Any]] = field(default_factory=dict)
    _waiting: dict[str, int] = field(default_factory=dict)

    def copied(self) -> Workings:
        """What is worked out by now, for another dataset of the same rows."""
        made = Workings(dict(self.layouts), self.newest, dict(self.legends), self.find_neighbours)
        made._made = {name: one for name, one in self._made.items() if one.done() and _good(one)}
        return made

    def give(self, name: str, made: Any) -> None:
        """What is there already, as if it had been made under that name."""
        self._made[name] = asyncio.get_running_loop().create_future()
        self._made[name].set_result(made)

    def forget(self, name: str) -> None:
        """Let go of what was made under that name."""
        self._made.pop(name, None)

    def ready(self, name: str) -> Any:
        """What was made under that name, or None while it isn't there."""
        made = self._made.get(name)
        return made.result() if made is not None and made.done() and _good(made) else None

    async def once(self, name: str, make: Callable[[], _Worked]) -> _Worked:
        """What `make` gives, run in a thread by whoever asks first; what failed is tried again."""
        return await asyncio.shield(self._future(name, lambda: asyncio.to_thread(make)))

    async def once_elsewhere(self, name: str, start: Callable[[], Coroutine[Any, Any, _Worked]]) -> _Worked:
        """As `once`, of work that can be stopped: it is, when the last one who waits for it leaves."""
        made = self._future(name, start)
        self._waiting[name] = self._waiting.get(name, 0) + 1
        try:
            return await asyncio.shield(made)
        finally:
            self._waiting[name] -= 1
            if not self._waiting[name] and not made.done():
                made.cancel()
                self._made.pop(name, None)

    def _future(
        self, name: str, start: Callable[[], Coroutine[Any, Any, _Worked]]
    ) -> asyncio.Future[_Worked]:
        made = self._made.get(name)
        if made is None or (made.done() and not _good(made)):
            made = self._made[name] = asyncio.ensure_future(start())
        return made


def _good(made: asyncio.Future[Any]) -> bool:
    return not made.cancelled() and made.exception() is None


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Texts on screen with their vectors `(n, d)`; row i everywhere is text i.

    `whole` is False while more of its texts are still being embedded.
    """

    name: str
    texts: list[str]
    columns: dict[str, list[str]]
    vectors: Floats
    prompt_tokens: NDArray[np.int64]
    truncated: frozenset[int]
    model: ModelInfo
    flat: Projection
    notes: tuple[str, ...] = ()
    id: str = field(default_factory=new_id)
    whole: bool = True
    workings: Workings = field(default_factory=Workings)

    @property
    def first_layout(self) -> str:
        """The key of the layout that was there first, which stays: what a shared dataset opens with."""
        return next((key for key in self.workings.layouts if not key.startswith(AXES)), PCA)

    @property
    def held_bytes(self) -> int:
        """About what it costs to keep."""
        cells = sum(len(cell) for column in self.columns.values() for cell in column)
        near = 12 * KEPT_NEIGHBOURS * len(self.texts)
        return int(self.vectors.nbytes) + near + 4 * sum(map(len, self.texts)) + 4 * cells

    def layout(self, key: str | None = None) -> Projection:
        """The layout of that key, by default the newest; PCA's where there is no such."""
        return self.workings.layouts.get(key or self.workings.newest, self.flat)

    def add_layout(self, key: str, layout: Projection, *, newest: bool = True) -> None:
        """Keep a layout; it is the `newest` now, unless it's only for who knows its key."""
        layouts = self.workings.layouts
        if key in layouts:
            self.workings.edition += 1
            self.workings.forget(f"names {key}")
        layouts[key] = layout
        if newest:
            self.workings.newest = key
        while len(layouts) > MAX_LAYOUTS:
            oldest = next(one for one in layouts if one != self.first_layout)
            del layouts[oldest]
            self.workings.forget(f"names {oldest}")

    def keep_selection(self, rows: NDArray[np.int32]) -> str:
        """Keep rows in their order; the key they are found by."""
        key = hashlib.blake2b(rows.tobytes(), digest_size=9).hexdigest()
        kept = self.workings.selections
        kept[key] = rows
        kept.move_to_end(key)
        while len(kept) > MAX_SELECTIONS:
            kept.popitem(last=False)
        return key

    async def neighbours(self) -> Neighbours:
        """The `KEPT_NEIGHBOURS` nearest of every text, each itself the first; exact, found once.

        For whatever needs neighbours: clicks, layouts, outliers. A second for some 5,000
        texts, half a minute for 50,000; whoever asks meanwhile waits for the same, and
        `workings.shares[NEIGHBOURS]` says how far it is.

        Raises:
            TesseraError: the process that finds them failed, or too many wait for it.
        """

        def told(share: float) -> None:
            self.workings.shares[NEIGHBOURS] = share

        find = self.workings.find_neighbours
        if find is None or len(self.texts) <= FEW_TEXTS:
            return await self.workings.once(
                NEIGHBOURS, lambda: nearest_neighbours(self.vectors, progress=told)
            )
        return await self.workings.once_elsewhere(NEIGHBOURS, lambda: find(self.vectors, told))

    @property
    def counted(self) -> bool:
        """Whether tokens are known: of vectors that came with a file nobody counted them."""
        return bool(self.prompt_tokens.any())

    @property
    def known_neighbours(self) -> Neighbours | None:
        """`neighbours`, if they are there already."""
        known: Neighbours | None = self.workings.ready(NEIGHBOURS)
        return known

    async def keyword_index(self) -> KeywordIndex:
        """The texts' words, indexed once."""
        return await self.workings.once("keywords", lambda: KeywordIndex(self.texts))

    async def word_counts(self) -> WordCounts:
        """Which texts hold which word, counted once."""
        return await self.workings.once("words", lambda: WordCounts(self.texts))

    async def cluster_names(self, key: str) -> list[ClusterName]:
        """Names of a layout's clusters, made once."""
        clusters = self.layout(key).clusters
        if clusters is None:
            return []
        return await self.workings.once(
            f"names {key}", lambda: name_clusters(clusters, self.texts, self.vectors)
        )


class Datasets:
    """Datasets by id, bounded in bytes and in time since somebody last looked."""

    def __init__(
        self,
        expiry_s: float,
        *,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.monotonic,
        find_neighbours: FindNeighbours | None = None,
    ) -> None:
        self.expiry_s = expiry_s
        self.max_bytes = max_bytes
        self._clock = clock
        self._find_neighbours = find_neighbours
        self._kept: OrderedDict[str, tuple[Dataset, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, dataset: Dataset) -> None:
        """Keep `dataset` under its id, in place of what was there."""
        dataset.workings.find_neighbours = self._find_neighbours
        self._kept[dataset.id] = dataset, self._clock()
        self._kept.move_to_end(dataset.id)
        self._tidy()

    def get(self, dataset_id: str | None) -> Dataset | None:
        """The dataset of that id, if it is still there."""
        kept = self._kept.get(dataset_id or "")
        if kept is None or kept[1] < self._clock() - self.expiry_s:
            return None
        self._kept[kept[0].id] = kept[0], self._clock()
        self._kept.move_to_end(kept[0].id)
        return kept[0]

    def drop(self, dataset_id: str) -> None:
        """Forget one."""
        self._kept.pop(dataset_id, None)

    def _tidy(self) -> None:
        """Forget who went unseen, then the longest unseen until bytes fit; never the newest."""
        oldest_s = self._clock() - self.expiry_s
        held_bytes = sum(dataset.held_bytes for dataset, _ in self._kept.values())
        while len(self._kept) > 1:
            dataset, seen_s = next(iter(self._kept.values()))
            if seen_s >= oldest_s and held_bytes <= self.max_bytes:
                return
            held_bytes -= dataset.held_bytes
            self._kept.popitem(last=False)
