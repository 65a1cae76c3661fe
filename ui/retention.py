"""What is left of the ten nearest neighbours when the vectors on screen are made smaller."""

from __future__ import annotations

import asyncio
from typing import Any

from embedder.analysis.retention import (
    CODINGS,
    K,
    Truth,
    cut_to,
    mean_kept,
    shares_kept,
    true_neighbours,
    widths,
)
from embedder.analysis.similarity import Floats, unit_rows
from embedder.errors import InvalidInput
from ui.datasets import Dataset
from ui.view import many


def plan(dataset: Dataset) -> dict[str, Any]:
    """What is worth measuring, in order, and what each takes for a vector; or `why_not`."""
    try:
        _check(dataset)
    except InvalidInput as error:
        return {"why_not": str(error), "steps": []}
    d = dataset.vectors.shape[1]
    steps = [described(dataset, str(width)) for width in reversed(widths(d))]
    return {
        "why_not": None,
        "n": len(dataset.texts),
        "k": K,
        "dimensions": d,
        "bytes": 4 * d,
        "steps": [*steps, *(described(dataset, name) for name in CODINGS)],
        "said": f"Of the {K} texts nearest to each by cosine in all {d} dimensions, so many are still among "
        f"the {K} nearest. Vectors are cut, brought to length 1 again, and compared by cosine; bits by "
        "Hamming distance.",
    }


def described(dataset: Dataset, what: str) -> dict[str, Any]:
    """A form of the vectors: a number of dimensions to cut to, or one of `CODINGS`.

    Raises:
        InvalidInput: there is no such form.
    """
    d = dataset.vectors.shape[1]
    if what in CODINGS:
        coding = CODINGS[what]
        return {"what": what, "name": coding.name, "dimensions": d, "bytes": coding.bytes_of(d), "cut": False}
    width = int(what) if what.isascii() and what.isdigit() and len(what) < 9 else 0
    if not 1 <= width <= d:
        raise InvalidInput(f"Ask for 1 to {d} dimensions, or one of {', '.join(CODINGS)}.")
    return {
        "what": str(width),
        "name": many(width, "dimension"),
        "dimensions": width,
        "bytes": 4 * width,
        "cut": True,
    }


async def measured(dataset: Dataset, what: str, turn: asyncio.Lock) -> dict[str, Any]:
    """The share of true neighbours that a form keeps, worked out once; one at a time for all visitors.

    Raises:
        InvalidInput: there is no such form, too few texts, or more are still to come.
    """
    _check(dataset)
    form = described(dataset, what)
    name = f"kept {form['what']}"
    if dataset.workings.ready(name) is None:
        async with turn:
            truth = await dataset.workings.once("true neighbours", lambda: _truth(dataset))
            await dataset.workings.once(name, lambda: _share(dataset, truth, what))
    truth = dataset.workings.ready("true neighbours")
    share, within = dataset.workings.ready(name)
    n, m = len(dataset.texts), len(truth.rows)
    over = (
        f"over all {n:,} texts" if m == n else f"over {m:,} texts spread evenly over the {n:,}, against all"
    )
    return {**form, "share": share, "margin": within, "over": over, "rows": m}


def _truth(dataset: Dataset) -> Truth:
    return true_neighbours(unit_rows(dataset.vectors))


def _share(dataset: Dataset, truth: Truth, what: str) -> tuple[float, float]:
    """The share that a form keeps, and how far that of all may be from it."""
    return mean_kept(_shares(dataset, truth, what), len(dataset.texts))


def _shares(dataset: Dataset, truth: Truth, what: str) -> Floats:
    unit = unit_rows(dataset.vectors)
    if what in CODINGS:
        coding = CODINGS[what]
        return shares_kept(truth, unit, coding.make(unit), shortlist=coding.shortlist)
    return shares_kept(truth, unit, cut_to(unit, int(what)))


def _check(dataset: Dataset) -> None:
    if not dataset.whole:
        raise InvalidInput("More texts are still being embedded. This is measured when all are there.")
    if len(dataset.texts) <= K:
        raise InvalidInput(
            f"Among {many(len(dataset.texts), 'text')} each is one of the {K} nearest of each, whatever is "
            f"cut. Bring more than {K}."
        )
