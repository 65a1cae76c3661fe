"""The same texts in another model's space: what there is to choose from, and how it is made."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embedder.analysis.groups import spread
from embedder.analysis.projection import pca_2d
from embedder.analysis.retention import cut_to
from embedder.analysis.similarity import unit_rows
from embedder.config import Settings
from embedder.corpus.jobs import Slice
from embedder.engine import Engine
from embedder.errors import InvalidInput
from embedder.types import EmbedOptions, Priority
from ui.datasets import Dataset
from ui.owned import RUNTIME
from ui.view import many

PACE_TEXTS = 32
_CUTS = (2, 4, 8)
_AS_BULK = EmbedOptions(priority=Priority.BULK, wait_for_room=True)


@dataclass(frozen=True, slots=True)
class Choice:
    """What to compare with: another model, or the same one cut to `dimensions`."""

    model: str
    dimensions: int | None = None

    @property
    def value(self) -> str:
        """Names it among the choices of a dataset."""
        return f"{self.model}@{self.dimensions}" if self.dimensions else self.model

    @property
    def label(self) -> str:
        """For people."""
        name = self.model.rsplit("/", 1)[-1]
        return f"{name}, cut to {self.dimensions} dimensions" if self.dimensions else name

    @property
    def pace_of(self) -> str:
        """Whose pace is measured."""
        return "the model" if self.dimensions else "both models"


@dataclass(frozen=True, slots=True)
class Beside:
    """Where the other vectors of a dataset's texts are, and both models' pace once it is measured."""

    id: str
    choice: Choice
    texts_a_second: tuple[float | None, float | None] | None = None
    """None of a model that is not here: its vectors came with a file."""


def choices(settings: Settings, dataset: Dataset) -> list[Choice]:
    """Every other allowed model, then the same one with fewer dimensions."""
    own, width = dataset.model.id, dataset.vectors.shape[1]
    here = dataset.model.runtime != RUNTIME
    others = [Choice(model) for model in settings.allowed_models if not (here and model == own)]
    return others + [Choice(own, width // part) for part in _CUTS if width // part >= 2]


def choice_of(settings: Settings, dataset: Dataset, wanted: Any) -> Choice:
    """The choice of that value.

    Raises:
        InvalidInput: there is no such.
    """
    found = [choice for choice in choices(settings, dataset) if choice.value == wanted]
    if not found:
        raise InvalidInput("These texts can't be compared with that. Choose a model from the list.")
    return found[0]


def cut(dataset: Dataset, dimensions: int) -> Dataset:
    """The same vectors with only their first `dimensions`."""
    vectors = cut_to(unit_rows(dataset.vectors), dimensions)
    return Dataset(
        name=dataset.name,
        texts=dataset.texts,
        columns=dataset.columns,
        vectors=vectors,
        prompt_tokens=dataset.prompt_tokens,
        truncated=dataset.truncated,
        model=dataset.model,
        flat=pca_2d(vectors),
    )


def assembled(dataset: Dataset, slices: Sequence[Slice]) -> Dataset | None:
    """The same texts with the vectors of `slices`; None where not one text has any.

    A text that failed keeps its row, with a vector of zeros: row i is text i in both models.
    """
    rows = np.concatenate([np.empty(0, dtype=np.int64), *(part.rows for part in slices)])
    if not len(rows):
        return None
    n, model = len(dataset.texts), slices[0].embeddings.model
    vectors = np.zeros((n, model.dimensions), dtype=np.float32)
    tokens = np.zeros(n, dtype=np.int64)
    for part in slices:
        vectors[part.rows] = part.embeddings.vectors
        tokens[part.rows] = part.embeddings.prompt_tokens
    truncated = [int(part.rows[index]) for part in slices for index in part.embeddings.truncated]
    failed = n - len(rows)
    return Dataset(
        name=dataset.name,
        texts=dataset.texts,
        columns=dataset.columns,
        vectors=vectors,
        prompt_tokens=tokens,
        truncated=frozenset(truncated),
        model=model,
        flat=pca_2d(vectors),
        notes=(f"{many(failed, 'text')} failed in {model.id}",) if failed else (),
    )


async def paces(engine: Engine, dataset: Dataset, choice: Choice) -> tuple[float | None, float | None]:
    """Texts a second of both models over the same `PACE_TEXTS` texts, one model after the other.

    None of a model that is not here.
    """
    here = dataset.model.runtime != RUNTIME
    first = await _pace(engine, dataset.texts, dataset.model.id) if here else None
    return first, first if choice.dimensions else await _pace(engine, dataset.texts, choice.model)


async def _pace(engine: Engine, texts: Sequence[str], model: str) -> float:
    # Something new before each text: vectors that are known already take no time.
    places = spread(np.arange(len(texts)), PACE_TEXTS)
    new = [f"{secrets.token_hex(2)} {texts[place]}" for place in places]
    started_s = time.perf_counter()
    await engine.embed(new, model=model, options=_AS_BULK)
    return len(new) / (time.perf_counter() - started_s)
