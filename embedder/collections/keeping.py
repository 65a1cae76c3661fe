"""Texts in columns, as a page or a file has them, into a collection with the vectors they have."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from embedder.collections.catalogue import Collections
from embedder.collections.cells import typed_rows
from embedder.collections.collection import Collection, OnProgress
from embedder.collections.rows import MAX_ID_CHARS, content_id
from embedder.collections.texts import Added, NewText
from embedder.errors import ModelMismatch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ID, DOCUMENT = "id", "document"
"""Columns that are not columns of a collection, where they can be what they are called."""
_PART_ROWS = 2000


def new_texts(texts: Sequence[str], columns: Mapping[str, Sequence[str]]) -> list[NewText]:
    """Row i of everything is text i. Ids come from the column `id` where it has a different one for each.

    Else a text has the id of its content, so that adding it again changes nothing; one that is
    there twice has a number behind its second id, so that no row is lost.

    Raises:
        InvalidInput: more columns, or longer ones, than a collection takes.
    """
    left = dict(columns)
    documents: Sequence[str] = [""] * len(texts)
    if _can_be_documents(columns.get(DOCUMENT)):
        documents = left.pop(DOCUMENT)
    if _can_be_ids(columns.get(ID), len(texts)):
        ids: Sequence[str] = left.pop(ID)
    else:
        ids = _by_content(texts, documents)
    rows = typed_rows(left, len(texts))
    return [
        NewText(text, row_id, document, row)
        for text, row_id, document, row in zip(texts, ids, documents, rows, strict=True)
    ]


async def keep(
    collections: Collections,
    name: str,
    texts: Sequence[NewText],
    vectors: NDArray[np.float32],
    made_by: tuple[str, str] = ("", ""),
    *,
    progress: OnProgress | None = None,
) -> Collection:
    """A new collection `name` of `texts` with their `vectors` `(n, d)`; nothing is embedded.

    `made_by` is the name and the fingerprint of the model that made them. If it fails or is
    cancelled, nothing of the collection stays.

    Raises:
        InvalidInput, CollectionExists, StoreFailed
    """
    model, fingerprint = made_by
    made = await collections.create_for_vectors(name, vectors.shape[1], model=model, fingerprint=fingerprint)
    try:
        await add_with_vectors(made, texts, vectors, made_by, progress=progress)
    except BaseException:
        await asyncio.shield(collections.delete(name))
        raise
    return made


async def add_with_vectors(
    collection: Collection,
    texts: Sequence[NewText],
    vectors: NDArray[np.float32],
    made_by: tuple[str, str] = ("", ""),
    *,
    progress: OnProgress | None = None,
) -> Added:
    """`Collection.add` in parts small enough to tell of; `made_by` is as in `keep`.

    Raises:
        InvalidInput, CollectionBusy, StoreFailed
        ModelMismatch: also where it is not known who made the one's vectors or the other's.
    """
    model, fingerprint = made_by
    if fingerprint != collection.about.fingerprint:
        raise ModelMismatch(
            collection.name, collection.about.model or "a model nobody named", model or "a model nobody named"
        )
    ids: list[str] = []
    new = replaced = 0
    for start in range(0, len(texts), _PART_ROWS):
        some = slice(start, start + _PART_ROWS)
        added = await collection.add(texts[some], vectors=vectors[some], fingerprint=fingerprint)
        ids += added.ids
        new, replaced = new + added.new, replaced + added.replaced
        if progress:
            progress(min(some.stop, len(texts)), len(texts))
    return Added(ids, new, replaced)


def _can_be_ids(cells: Sequence[str] | None, rows: int) -> bool:
    return (
        cells is not None and len(set(cells)) == rows and all(0 < len(cell) <= MAX_ID_CHARS for cell in cells)
    )


def _can_be_documents(cells: Sequence[str] | None) -> bool:
    return cells is not None and all(len(cell) <= MAX_ID_CHARS for cell in cells)


def _by_content(texts: Sequence[str], documents: Sequence[str]) -> list[str]:
    seen: Counter[str] = Counter()
    ids = []
    for text, document in zip(texts, documents, strict=True):
        own = content_id(text, document)
        seen[own] += 1
        ids.append(own if seen[own] == 1 else f"{own}-{seen[own]}")
    return ids
