"""Texts that were brought, and the dataset that they grow into as their vectors come."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedder.analysis.projection import pca_2d
from embedder.corpus.jobs import FailedText, Progress, Slice
from embedder.errors import InvalidInput
from ui.datasets import Dataset, Datasets
from ui.owned import Owned, add_places
from ui.view import many, status

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

REPAINT_S = 0.7
GRACE_S = 10.0


@dataclass(frozen=True, slots=True)
class Brought:
    """Texts before they are embedded, with vectors and places `(n, 2)` where their file has some."""

    name: str
    texts: list[str]
    columns: dict[str, list[str]]
    notes: tuple[str, ...] = ()
    owned: Owned | None = None
    places: NDArray[np.float32] | None = None


class Growing:
    """A dataset in the making: on the map as soon as its first texts have vectors."""

    def __init__(self, datasets: Datasets, brought: Brought, made_as: str) -> None:
        self.slices: list[Slice] = []
        self.id = made_as
        self._datasets = datasets
        self._brought = brought
        self._painted = 0
        self._painted_s = 0.0

    async def add(self, part: Slice) -> Dataset | None:
        """Take a slice; the dataset so far, where it has grown enough to be painted again.

        Each time it's half as large again: then all paintings together cost no more than a few.
        """
        self.slices.append(part)
        done, now_s = part.progress.done, time.monotonic()
        if done == part.progress.total or done < 1.5 * self._painted or now_s - self._painted_s < REPAINT_S:
            return None
        self._painted, self._painted_s = done, now_s
        try:
            dataset = await asyncio.to_thread(assemble, self._brought, self.slices, self.id, whole=False)
        except InvalidInput:  # all that came so far failed
            return None
        self._datasets.put(dataset)
        return dataset

    def drop(self) -> None:
        """Forget it, as soon as no page may still be asking for what it was shown of it."""
        asyncio.get_running_loop().call_later(GRACE_S, self._datasets.drop, self.id)


def said(progress: Progress) -> str:
    """Stage, rate and time left."""
    left = f", about {progress.remaining_s:.0f} s left" if progress.remaining_s >= 1 else ""
    return status(
        f"Embedding: {progress.done:,} of {many(progress.total, 'text')}, "
        f"{progress.rate_texts_s:,.0f} a second{left}",
        share=progress.done / progress.total,
    )


def assemble(brought: Brought, slices: list[Slice], dataset_id: str, *, whole: bool = True) -> Dataset:
    """One dataset of `slices`; texts that failed are left out and counted."""
    import numpy as np

    failed: list[FailedText] = [text for part in slices for text in part.failed]
    rows = np.concatenate([part.rows for part in slices])
    if not len(rows):
        raise InvalidInput(f"No text could be embedded. The first one: {failed[0].message}")
    truncated = [part.rows[index] for part in slices for index in part.embeddings.truncated]
    place = {int(row): index for index, row in enumerate(rows)}
    vectors = np.concatenate([part.embeddings.vectors for part in slices])
    notes = (*brought.notes, *([f"{many(len(failed), 'text')} failed and left out"] if failed else []))
    dataset = Dataset(
        name=brought.name,
        texts=[brought.texts[row] for row in rows],
        columns={name: [column[row] for row in rows] for name, column in brought.columns.items()},
        vectors=vectors,
        prompt_tokens=np.concatenate([part.embeddings.prompt_tokens for part in slices]),
        truncated=frozenset(place[int(row)] for row in truncated),
        model=slices[0].embeddings.model,
        flat=pca_2d(vectors),
        notes=notes,
        id=dataset_id,
        whole=whole,
    )
    if whole and brought.places is not None:
        add_places(dataset, brought.places[rows])
    return dataset
