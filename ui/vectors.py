"""The view of vectors: one text or two looked at closely, and what is left of all when they are smaller.

What is looked at is our own script (`assets/explorer/vectors.js`) over the routes of
`ui.vector_routes`; Gradio tells it which texts are on screen.
"""

from __future__ import annotations

import json
from typing import Any

from ui.components import script_component
from ui.session import Session
from ui.view import QUIET, Desk, bind

EMPTY = "No vectors yet. Paste texts, upload a file or choose a sample."


def build(desk: Desk) -> Any:
    """The component; its value says which dataset is on screen."""
    return script_component("vectors", "vectors", EMPTY)


def wire_load(desk: Desk, view: Any, loaded: Any) -> None:
    """After a load: the new dataset."""
    loaded.success(bind(desk, on_screen), [], [view], **QUIET)


async def on_screen(desk: Desk, session: Session) -> str:
    """The component's value."""
    return json.dumps({"id": session.dataset.id}) if session.dataset else ""
