"""The model of what is brought next: a field where there is a choice, and a badge with what it can do."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from embedder.errors import TesseraError
from ui import loading, theme
from ui.owned import RUNTIME
from ui.session import Session
from ui.view import QUIET, Desk, bind, bind_stream, status


@dataclass
class ModelView:
    """The badge, and the field beside it."""

    badge: Any
    field: Any


def build(desk: Desk) -> ModelView:
    """Lay both out; the field is to be seen where more than one model is allowed."""
    import gradio as gr

    allowed = list(desk.settings.allowed_models)
    badge = gr.HTML(theme.badge(desk.settings.default_model, None), elem_id="badge")
    field = gr.Dropdown(
        allowed,
        value=allowed[0],
        label="Model",
        visible=len(allowed) > 1,
        filterable=False,
        container=False,
        min_width=200,
        elem_id="model",
    )
    return ModelView(badge, field)


def wire(desk: Desk, view: ModelView, blocks: Any, loads: list[Any], line: Any) -> None:
    """The badge at first, after a choice, which is said in `line` too, and after each of `loads`."""
    blocks.load(bind_stream(desk, show_model), [view.field], [view.badge], **QUIET)
    view.field.input(bind_stream(desk, choose_model), [view.field], [view.badge, line], **QUIET)
    for loaded in loads:
        loaded.success(bind(desk, show_maker), [], [view.badge, view.field], **QUIET)


async def choose_model(desk: Desk, session: Session, model: Any) -> AsyncGenerator[Any, None]:
    """The badge of the model for what comes next, and what that means for the texts on screen."""
    import gradio as gr

    dataset = session.dataset
    line = gr.skip()
    if dataset is not None:
        line = loading.summary(dataset)
        if dataset.model.id != model and dataset.model.runtime != RUNTIME:
            line = (
                status(f"The texts on screen are still by {dataset.model.id}; bring some for the other.")
                + line
            )
    async with aclosing(show_model(desk, session, model)) as badges:
        async for badge in badges:
            yield badge, line


async def show_maker(desk: Desk, session: Session) -> Any:
    """After a load: the badge and the field say by which model its vectors are, if it runs here."""
    import gradio as gr

    dataset = session.dataset
    if dataset is None or dataset.model.id not in desk.settings.allowed_models:
        return gr.skip(), gr.skip()
    if dataset.model.runtime == RUNTIME:
        return gr.skip(), gr.skip()
    return theme.badge(dataset.model.id, dataset.model), gr.update(value=dataset.model.id)


async def show_model(desk: Desk, session: Session, model: Any) -> AsyncGenerator[Any, None]:
    """The badge: how far the model is, then what it is."""
    model_id = model if isinstance(model, str) and model in desk.settings.allowed_models else None
    model_id = model_id or desk.settings.default_model
    yield theme.badge(model_id, None)
    try:
        info = await desk.engine.model_info(model_id)
    except TesseraError as error:
        yield theme.badge(model_id, None, str(error))
        return
    yield theme.badge(model_id, info)
