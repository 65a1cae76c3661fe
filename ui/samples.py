"""Texts to begin with, made from Python itself: nothing to download, nothing to license."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedder.analysis.projection import Projection
from embedder.types import ModelInfo
from ui.datasets import Dataset
from ui.theme import ASSETS

if TYPE_CHECKING:
    from ui.view import Desk

FIRST_SAMPLE = "Python's library"
SAMPLE_ID = "sample-"
_BAKED = ASSETS / "samples" / "python-library.npz"

_EMOJI = {
    "faces and feelings": [(0x1F600, 0x1F64F), (0x1F910, 0x1F917)],
    "animals": [(0x1F400, 0x1F43F), (0x1F980, 0x1F98F)],
    "plants": [(0x1F330, 0x1F344), (0x1F490, 0x1F490)],
    "food and drink": [(0x1F345, 0x1F37F), (0x1F950, 0x1F95E)],
    "sky and weather": [(0x1F300, 0x1F321)],
    "sport and music": [(0x1F3A4, 0x1F3C6)],
    "buildings": [(0x1F3E0, 0x1F3F0)],
    "travel": [(0x1F680, 0x1F6B6)],
    "office": [(0x1F4B0, 0x1F4DF)],
}
"""Blocks of Unicode 9 and before, so that every Python names them alike."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Texts and the columns beside them, each as long as `texts`."""

    name: str
    texts: list[str]
    columns: dict[str, list[str]]


@cache
def emoji() -> Sample:
    """Emoji by their Unicode names, with the character and its group beside them."""
    rows = [
        (unicodedata.name(chr(code)).lower(), chr(code), group)
        for group, ranges in _EMOJI.items()
        for first, last in ranges
        for code in range(first, last + 1)
    ]
    texts, characters, groups = zip(*rows, strict=True)
    return Sample("Emoji by name", list(texts), {"group": list(groups), "emoji": list(characters)})


def python_library() -> Sample:
    """What Python's own library says of itself: the first sentences of its documentation."""
    told, _ = _stored()
    return Sample(told["name"], told["texts"], told["columns"])


SAMPLES: dict[str, Callable[[], Sample]] = {FIRST_SAMPLE: python_library, "Emoji by name": emoji}


async def ready_made(desk: Desk, name: str, model: object) -> Dataset | None:
    """The sample with the vectors and the map that lie beside it, if this model made them."""
    model_id = model if isinstance(model, str) else desk.settings.default_model
    if name != FIRST_SAMPLE or desk.settings.precision not in {"auto", "float32"}:
        return None
    baked = await asyncio.to_thread(_baked)
    if model_id != baked.model.id or model_id not in desk.settings.allowed_models:
        return None
    # While the model is loading its name must do; a search looks at the fingerprint again.
    if desk.engine.ready and (await desk.engine.model_info(model_id)).fingerprint != baked.model.fingerprint:
        return None
    # Everybody's, under an id that stays the same; behind a login nobody else may search it.
    dataset_id = SAMPLE_ID + (desk.secret if desk.settings.page_auth else baked.id)
    kept = desk.datasets.get(dataset_id)
    if kept is None:
        kept = replace(baked, id=dataset_id)
        desk.datasets.put(kept)
    return kept


@cache
def _stored() -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What `scripts/make_sample.py` stored, read once."""
    with np.load(_BAKED, allow_pickle=False) as arrays:
        return json.loads(arrays["told"].tobytes()), dict(arrays)


def _baked() -> Dataset:
    """The first sample with its vectors and its map."""
    told, arrays = _stored()
    model = ModelInfo(**told["model"])
    dataset = Dataset(
        name=told["name"],
        texts=told["texts"],
        columns=told["columns"],
        vectors=arrays["vectors"],
        prompt_tokens=arrays["prompt_tokens"].astype(np.int64),
        truncated=frozenset(),
        model=model,
        flat=Projection(arrays["flat"], "pca", told["explained_share"]),
        id=model.fingerprint.rpartition(":")[2][:12],
    )
    layout = Projection(arrays["points"], "umap", clusters=arrays["clusters"])
    dataset.add_layout(told["layout"], layout)
    return dataset
