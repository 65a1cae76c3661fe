"""The owner's collections on the page: who may see them, what there is, what is on screen of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from embedder.access import Access
from embedder.collections import Collection, Collections
from embedder.collections.begun import begun
from embedder.collections.deleted import Deleted, deleted
from embedder.collections.map_rows import MAX_ROWS
from embedder.collections.notes import files_of, title_of
from embedder.errors import InvalidInput, StoreFailed, TesseraError, UnknownCollection
from ui.datasets import Dataset, Datasets

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

MAX_LISTED = 200
MAX_BEFORE = 32
_ASKS_FOR_KEY = (
    "Collections are the owner's: this server asks for a key to see or change them. Write one of its keys."
)
_NOT_LOCAL = (
    "Collections are the owner's. This server has no key, so they are only for its own machine, and they can "
    "be neither seen nor changed from here."
)


class NotKeeper(TesseraError):
    """Who asks may neither see nor change collections."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Texts on screen as rows of a collection: row i has the id `ids[i]`; `total` are in the collection.

    `made` tells one collection from another that has its name later; `mark` is how far it was written.
    """

    name: str
    made: tuple[int, str]
    ids: Sequence[str]
    total: int
    mark: int

    @property
    def whole(self) -> bool:
        """Whether all that is in the collection is on screen."""
        return len(self.ids) >= self.total


@dataclass(slots=True)
class Before:
    """What was on screen before something was deleted, and how far the collection was written after."""

    dataset_id: str
    part: Part
    mark: int


@dataclass
class Shelf:
    """Collections, and what the page remembers of them beside the store."""

    collections: Collections
    access: Access
    shown: dict[str, str] = field(default_factory=dict)
    """By collection the dataset it was opened as last."""
    before: dict[str, Before] = field(default_factory=dict)
    """By what was deleted."""

    @property
    def mapping(self) -> set[str]:
        """Collections whose maps are being made or brought up to date, also while nobody looks at them."""
        return self.collections.mapping

    def check(self, request: HTTPConnection) -> None:
        """Return if the request is the keeper's, by the same rule as the API's.

        Raises:
            NotKeeper
        """
        if not self.access.keeps(request):
            raise NotKeeper(_ASKS_FOR_KEY if self.access.has_keys else _NOT_LOCAL)

    async def told(self, dataset: Dataset | None) -> dict[str, Any]:
        """Every collection, what can be put back, and what of a collection is on screen."""
        names = await self.collections.names()
        return {
            "collections": [await self._about(name) for name in names[:MAX_LISTED]],
            "more": max(0, len(names) - MAX_LISTED),
            "deleted": [as_told(one) for one in await deleted(self.collections)],
            "begun": [asdict(one) for one in await begun(self.collections)],
            "part": await self.part(dataset) if dataset is not None else None,
        }

    async def opened(self, name: str, dataset: Dataset) -> tuple[Collection, Part]:
        """The collection `name`, and what of it is on screen.

        Raises:
            UnknownCollection, StoreFailed
            InvalidInput: what is on screen is not of it.
        """
        opened, part = await self.collections.open(name), dataset.workings.part
        if part is None or (part.name, part.made) != (name, await made(opened)):
            raise InvalidInput(f"What is on screen is not of the collection {name!r}. Open it first.")
        return opened, part

    async def part(self, dataset: Dataset) -> dict[str, Any] | None:
        """Of which collection these texts are, if that is still there."""
        part = dataset.workings.part
        if part is None:
            return None
        try:
            opened = await self.collections.open(part.name)
            if await made(opened) != part.made:
                return None
        except TesseraError:
            return None
        return {
            "name": part.name,
            "drawn": len(part.ids),
            "total": part.total,
            "whole": part.whole,
            "mappable": self._mappable(dataset, part),
        }

    def _mappable(self, dataset: Dataset, part: Part) -> bool:
        """Whether there is more to lay out than is on screen, and it stands on no map of all yet."""
        more = not part.whole and part.total <= MAX_ROWS and self.collections.maps is not None
        return more and not dataset.workings.mapped

    async def known(self, datasets: Datasets, opened: Collection, mark: int) -> Dataset | None:
        """The dataset it was opened as before, if neither has changed since."""
        dataset = datasets.get(self.shown.get(opened.name))
        part = dataset.workings.part if dataset else None
        if part is None or (part.name, part.mark) != (opened.name, mark):
            return None
        return dataset if part.made == await made(opened) else None

    def place(self, dataset: Dataset, part: Part) -> None:
        """`dataset` is a part of a collection now, and what that is opened as."""
        dataset.workings.part = part
        self.shown[part.name] = dataset.id

    def remember(self, deleted_id: str, before: Before) -> None:
        """What was on screen before that deletion."""
        self.before[deleted_id] = before
        while len(self.before) > MAX_BEFORE:
            del self.before[next(iter(self.before))]

    async def _about(self, name: str) -> dict[str, Any]:
        try:
            opened = await self.collections.open(name)
            about, stats = await opened.read_about(), await opened.stats()
            files = files_of(about.metadata).values()
            return {
                "name": name,
                "title": title_of(about.metadata),
                "count": stats.count,
                "model": about.model,
                "dimensions": about.dimensions,
                "recall": stats.recall,
                "sample": stats.recall_sample,
                "coming": sum(one.state == "in_progress" for one in files),
            }
        except (StoreFailed, UnknownCollection) as error:
            return {"name": name, "problem": str(error)}


async def made(opened: Collection) -> tuple[int, str]:
    """What a collection has from its beginning."""
    about = await opened.read_about()
    return about.created, about.fingerprint


async def mark_of(opened: Collection) -> int:
    """How far it is written."""
    return await asyncio.to_thread(lambda: opened.table.mark)


def as_told(one: Deleted) -> dict[str, Any]:
    """What can be put back, for the script."""
    return {
        "id": one.id,
        "collection": one.collection,
        "title": one.title,
        "whole": one.whole,
        "count": one.count,
        "left_s": one.left_s,
    }
