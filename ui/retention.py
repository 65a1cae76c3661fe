"""What is left of the ten nearest neighbours when the vectors on screen are made smaller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

from embedder.analysis.retention import (
    CODINGS,
    K,
    Truth,
    cut_to,
    mean_kept,
    rows_looked_at,
    shares_kept,
    true_neighbours,
    whole_truth,
    widths,
)
from embedder.analysis.similarity import Floats, OnProgress, unit_rows
from embedder.errors import InvalidInput
from ui.datasets import NEIGHBOURS, Dataset
from ui.view import many
from ui.working import shares, stoppable

MAX_WHOLE = 50_000
"""Of more texts only a sample is measured: nobody finds the neighbours of all of them here."""
MAX_FORMS = 64
WHOLE = "kept of all"


def plan(dataset: Dataset) -> dict[str, Any]:
    """What is worth measuring, in order, and what each takes for a vector; or `why_not`."""
    try:
        _check(dataset)
    except InvalidInput as error:
        return {"why_not": str(error), "steps": []}
    d, n = dataset.vectors.shape[1], len(dataset.texts)
    steps = [described(dataset, str(width)) for width in reversed(widths(d))]
    return {
        "why_not": None,
        "n": n,
        "sample": rows_looked_at(n),
        "whole_why_not": _not_whole(dataset),
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

    Over a sample of many texts, unless `whole_steps` has measured that form over all of them.

    Raises:
        InvalidInput: there is no such form, too few texts, or more are still to come.
    """
    _check(dataset)
    form = described(dataset, what)
    over_all = dataset.workings.ready(f"{WHOLE} {form['what']}")
    if over_all is not None:
        return _told(dataset, form, (over_all, 0.0), len(dataset.texts))
    name = f"kept {form['what']}"
    if dataset.workings.ready(name) is None:
        async with turn:
            truth = await dataset.workings.once("true neighbours", lambda: _truth(dataset))
            await dataset.workings.once(name, lambda: _share(dataset, truth, what))
    truth = dataset.workings.ready("true neighbours")
    return _told(dataset, form, dataset.workings.ready(name), len(truth.rows))


async def whole_steps(
    dataset: Dataset, wanted: list[str], turn: asyncio.Lock
) -> AsyncGenerator[dict[str, Any], None]:
    """How far it is, and each form of `wanted` as `measured` tells it, over every text, once it is.

    The true neighbours are those that the dataset has, or finds now for whatever needs them later. Whoever
    leaves ends it; what was measured by then is kept.

    Raises:
        InvalidInput: as `measured`; or these texts are too many, or of a collection that knows more.
    """
    _check(dataset)
    if why_not := _not_whole(dataset):
        raise InvalidInput(why_not)
    forms = [described(dataset, what) for what in wanted]
    before = 0 if dataset.known_neighbours else 1
    parts = before + len(forms)
    finding = asyncio.ensure_future(dataset.neighbours())
    async for step in shares(dataset, finding, NEIGHBOURS):
        yield {"stage": "Finding the true neighbours:", "share": step["share"] / parts}
    truth = whole_truth(finding.result())
    for place, form in enumerate(forms, before):
        work = asyncio.ensure_future(_over_all(dataset, truth, form["what"], turn))
        async for step in shares(dataset, work, WHOLE):
            yield {"stage": f"Measuring {form['name']}:", "share": (place + step["share"]) / parts}
        found = _told(dataset, form, (work.result(), 0.0), len(dataset.texts))
        yield {"found": found, "share": (place + 1) / parts}


async def _over_all(dataset: Dataset, truth: Truth, what: str, turn: asyncio.Lock) -> float:
    """The share that a form keeps of all texts' neighbours; ends when nobody waits for it."""
    name, workings = f"{WHOLE} {what}", dataset.workings
    kept: float | None = workings.ready(name)
    if kept is not None:
        return kept

    def tell(share: float) -> None:
        workings.shares[WHOLE] = share

    def make(told: OnProgress) -> float:
        return mean_kept(_shares(dataset, truth, what, told), len(dataset.texts))[0]

    workings.shares[WHOLE] = 0.0
    async with turn:
        return await workings.once_elsewhere(name, partial(stoppable, make, tell))


def _told(
    dataset: Dataset, form: dict[str, Any], found: tuple[float, float], looked_at: int
) -> dict[str, Any]:
    share, within = found
    n = len(dataset.texts)
    over = (
        f"over all {n:,} texts"
        if looked_at == n
        else f"over {looked_at:,} texts spread evenly over the {n:,}, against all"
    )
    return {**form, "share": share, "margin": within, "over": over, "rows": looked_at}


def _truth(dataset: Dataset) -> Truth:
    return true_neighbours(unit_rows(dataset.vectors))


def _share(dataset: Dataset, truth: Truth, what: str) -> tuple[float, float]:
    """The share that a form keeps, and how far that of all may be from it."""
    return mean_kept(_shares(dataset, truth, what), len(dataset.texts))


def _shares(dataset: Dataset, truth: Truth, what: str, progress: OnProgress | None = None) -> Floats:
    unit = unit_rows(dataset.vectors)
    if what in CODINGS:
        coding = CODINGS[what]
        return shares_kept(truth, unit, coding.make(unit), shortlist=coding.shortlist, progress=progress)
    return shares_kept(truth, unit, cut_to(unit, int(what)), progress=progress)


def _not_whole(dataset: Dataset) -> str | None:
    """Why not all of these texts are measured; None where they can be."""
    n, known = len(dataset.texts), dataset.workings.known
    if n > MAX_WHOLE:
        return (
            f"All are measured of up to {MAX_WHOLE:,} texts; these are {n:,}, so it is a sample of them, "
            "against all."
        )
    if known is not None and not (known.exact and known.whole):
        return (
            "The neighbours kept with these texts' collection are known only in part, so it is a sample of "
            "the texts that is measured, against all on the map."
        )
    if known is not None and known.k <= K:
        return f"The lists kept with the collection's map do not hold {K} others of each text."
    return None


def _check(dataset: Dataset) -> None:
    if not dataset.whole:
        raise InvalidInput("More texts are still being embedded. This is measured when all are there.")
    if len(dataset.texts) <= K:
        raise InvalidInput(
            f"Among {many(len(dataset.texts), 'text')} each is one of the {K} nearest of each, whatever is "
            f"cut. Bring more than {K}."
        )
