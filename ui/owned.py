"""Vectors and places that a file has already: taken as they are, nothing is embedded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedder.analysis.clusters import clusters_of
from embedder.analysis.projection import Projection, pca_2d
from embedder.analysis.similarity import are_unit, directed
from embedder.corpus.reading import TextTable
from embedder.engine import Engine
from embedder.errors import InvalidInput, TesseraError
from embedder.types import ModelInfo
from ui.datasets import FROM_FILE, Dataset, new_id

RUNTIME = "file"
"""The runtime of a model that is not here: its vectors came with a file."""
PLACES = "places from the file"
UNNAMED = "a model that is not named"


@dataclass(frozen=True, slots=True, eq=False)
class Owned:
    """A file's `vectors` float32 `(n, d)`, and what made them."""

    vectors: NDArray[np.float32]
    model: str
    fingerprint: str


def owned_of(table: TextTable) -> Owned | None:
    """What a table brings of its own, if it was read with its vectors."""
    if table.vectors is None:
        return None
    return Owned(table.vectors, table.model, table.fingerprint)


def places_of(table: TextTable) -> NDArray[np.float32] | None:
    """A file's places `(n, 2)`, unless its vectors were declined: then a map of the new ones is wanted."""
    declined = table.vectors is None and bool(table.given.vectors)
    return None if declined else table.points


def add_places(dataset: Dataset, places: NDArray[np.float32]) -> None:
    """Places that came with a file as a layout of its texts, the first to be shown."""
    dataset.add_layout(FROM_FILE, Projection(places, "file", clusters=clusters_of(places)))


async def maker_of(engine: Engine, owned: Owned, allowed: tuple[str, ...]) -> ModelInfo:
    """The model that made the vectors, where it runs here with the same fingerprint and makes as many
    dimensions, else its bare name.
    """
    if owned.model in allowed and owned.fingerprint:
        try:
            info = await engine.model_info(owned.model)
        except TesseraError:  # a model that cannot be had is as one that is not here
            info = None
        same = info is not None and info.fingerprint == owned.fingerprint
        if info is not None and same and info.dimensions == owned.vectors.shape[1]:
            return info
    told = owned.fingerprint or hashlib.sha256(owned.vectors.tobytes()).hexdigest()
    return ModelInfo(
        id=owned.model or UNNAMED,
        dimensions=owned.vectors.shape[1],
        max_tokens=None,
        fingerprint=told,
        runtime=RUNTIME,
        normalized=are_unit(owned.vectors),
    )


def dataset_of(  # noqa: PLR0917  # the parts of a dataset
    name: str,
    texts: list[str],
    columns: dict[str, list[str]],
    notes: tuple[str, ...],
    owned: Owned,
    model: ModelInfo,
    *,
    source: str = "the file",
) -> Dataset:
    """A dataset of what the file has; tokens are not counted, for nobody read the texts.

    Raises:
        InvalidInput: a vector of zeros, which has no direction.
    """
    empty = np.flatnonzero(~directed(owned.vectors))
    if len(empty):
        raise InvalidInput(
            f"{len(empty):,} of the vectors of {source} are all zeros, the first is of text "
            f"{empty[0] + 1:,}; such a vector has no direction. Leave these rows out, or have the texts "
            "embedded anew."
        )
    return Dataset(
        name=name,
        texts=texts,
        columns=columns,
        vectors=owned.vectors,
        prompt_tokens=np.zeros(len(texts), dtype=np.int64),
        truncated=frozenset(),
        model=model,
        flat=pca_2d(owned.vectors),
        notes=(
            *notes,
            f"{owned.vectors.shape[1]:,} dimensions from {source} by {model.id}, not embedded anew",
        ),
        id=new_id(),
    )


def check_reader(model: ModelInfo) -> None:
    """Refuse to embed beside vectors whose model is not here.

    Raises:
        InvalidInput
    """
    if model.runtime == RUNTIME:
        why = (
            "and what brought them does not say by which model"
            if model.id == UNNAMED
            else f"by {model.id}, and no model here has that name, fingerprint and number of dimensions"
        )
        raise InvalidInput(
            f"These vectors came with their texts, {why}. So nothing new can be compared with them: search "
            "by words, a pattern or “More like this”, or have the texts embedded anew."
        )
