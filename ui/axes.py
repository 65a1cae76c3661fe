"""Semantic axes over the texts on screen: one is a colour, two are a map of their own."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from embedder.analysis.axes import laid
from embedder.analysis.projection import Projection
from embedder.analysis.similarity import Floats
from embedder.analysis.summary import scale_ends
from embedder.engine import Engine
from embedder.errors import InvalidInput
from ui.datasets import AXES, Dataset
from ui.written import embed_beside

MAX_EXAMPLES = 32
ENDS = 10
"""So many texts are told of each end."""
SAID = (
    "Cosine of the text's vector with the axis, in all {d} dimensions. The axis is the direction from the "
    "mean of “{start}” to the mean of “{end}”: a higher number is nearer to “{end}”; 0 is not the middle."
)


@dataclass(frozen=True, slots=True)
class Poles:
    """What stands for the start of an axis and for its end, at least one word or sentence each."""

    start: tuple[str, ...]
    end: tuple[str, ...]

    @property
    def names(self) -> tuple[str, str]:
        """What to call the two ends."""
        return " | ".join(self.start), " | ".join(self.end)


def poles_of(start: str, end: str) -> Poles:
    """Words and sentences that a visitor writes, parted by `|` or lines.

    Raises:
        InvalidInput: an end is empty, or holds too many.
    """
    parts = [[part.strip() for part in re.split(r"[|\n]", end) if part.strip()] for end in (start, end)]
    if not all(parts):
        raise InvalidInput("An axis needs words at both ends, such as “cheap” and “expensive”.")
    if max(map(len, parts)) > MAX_EXAMPLES:
        raise InvalidInput(f"An end takes up to {MAX_EXAMPLES} words or sentences. Leave some out.")
    return Poles(tuple(parts[0]), tuple(parts[1]))


async def lay(engine: Engine, dataset: Dataset, wanted: list[Poles], secret: str) -> dict[str, Any]:
    """The place of every text on one or two axes; two make a layout of the dataset, whose key is returned.

    Words and sentences are embedded as the dataset's own texts are.

    Raises:
        InvalidInput: both ends mean the same, more texts are still to come, or another model made them.
    """
    if not dataset.whole:
        raise InvalidInput("More texts are still being embedded. Axes can be laid when all are there.")
    texts = [text for poles in wanted for text in (*poles.start, *poles.end)]
    vectors = iter((await embed_beside(engine, dataset, texts)).vectors)
    made = []
    for poles in wanted:
        start, end = (np.stack([next(vectors) for _ in side]) for side in (poles.start, poles.end))
        made.append(await asyncio.to_thread(_axis, dataset, poles, start, end))
    answer: dict[str, Any] = {"axes": [told for _, told in made], "key": None}
    if len(made) == 2:
        answer["key"] = _key(wanted, secret)
        points = np.stack([places for places, _ in made], axis=1)
        first = dataset.layout(dataset.first_layout)
        layout = Projection(points, "axes", clusters=first.clusters)
        dataset.add_layout(answer["key"], layout, newest=False)
    return answer


def _axis(dataset: Dataset, poles: Poles, start: Floats, end: Floats) -> tuple[Floats, dict[str, Any]]:
    """Every text's place, and an axis as the page is told of it."""
    try:
        found = laid(dataset.vectors, start, end)
    except ValueError:
        raise InvalidInput(
            "Both ends of the axis mean the same to this model. Choose words that differ."
        ) from None
    low, high = scale_ends(found.places)
    name_start, name_end = poles.names
    return found.places, {
        "start": name_start,
        "end": name_end,
        "places": base64.b64encode(found.places.astype("<f4").tobytes()).decode(),
        "low": low,
        "high": high,
        "ends": found.poles,
        "least": found.order[:ENDS],
        "most": found.order[::-1][:ENDS].copy(),
        "said": SAID.format(d=dataset.model.dimensions, start=_short(name_start), end=_short(name_end)),
    }


def _key(wanted: list[Poles], secret: str) -> str:
    """Names the layout; who doesn't know the words can't tell them from it."""
    digest = hashlib.blake2b(repr(wanted).encode(), digest_size=8, key=secret.encode()[:64])
    return AXES + digest.hexdigest()


def _short(name: str) -> str:
    return name if len(name) <= 60 else name[:59] + "…"
