"""The sidebar of collections: our own script (`assets/explorer/shelf.js`) over `ui.shelf_routes`.

A collection is opened by a route, which only its keeper may ask; what then goes on screen is a
dataset like any other, by an id that cannot be guessed.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from embedder.errors import InvalidInput
from ui.components import script_component
from ui.loading import put_on_screen
from ui.session import Session
from ui.steps import Step
from ui.view import QUIET, Desk, bind

EMPTY = "Reading the collections…"
WIDTH_PX = 340


@dataclass
class SidebarView:
    """The list of collections, and the button in the masthead that shows it."""

    shelf: Any
    toggle: Any


def build_toggle() -> Any:
    """The button; it is to be seen where collections may be (`page.css`)."""
    import gradio as gr

    return gr.Button("Collections", size="sm", scale=0, min_width=110, elem_id="shelf-toggle")


def build(desk: Desk, toggle: Any) -> SidebarView:
    """Lay the sidebar out, closed; its script opens it."""
    import gradio as gr

    with gr.Sidebar(open=False, width=WIDTH_PX, elem_id="shelf-side"):
        shelf = script_component("shelf", "shelf", EMPTY)
    return SidebarView(shelf, toggle)


def wire_load(desk: Desk, view: SidebarView, loaded: Any) -> None:
    """After each load the sidebar knows what is on screen."""
    loaded.success(bind(desk, on_screen), [], [view.shelf], **QUIET)


async def on_screen(desk: Desk, session: Session) -> Any:
    """The component's value: the texts on screen, nothing of any collection."""
    dataset = session.dataset
    if dataset is None:
        return ""
    told = {"id": dataset.id, "name": dataset.name, "n": len(dataset.texts), "whole": dataset.whole}
    return json.dumps(told)


async def show_opened(
    desk: Desk, session: Session, told: Any, model: Any = None
) -> AsyncGenerator[Step, None]:
    """What a route of the sidebar has opened, on the map.

    Raises:
        InvalidInput: it is not kept any more, or never was.
    """
    wanted = told.get("data") if isinstance(told, dict) else None
    dataset = desk.datasets.get(wanted if isinstance(wanted, str) else None)
    if dataset is None or not dataset.whole:
        raise InvalidInput("These texts are no longer here. Open the collection again.")
    layout = told.get("layout")
    yield put_on_screen(session, dataset, layout if isinstance(layout, str) else "")
