"""Similarity: a heat map of texts or clusters, two texts explained, pairs, near-duplicates, outliers.

What is looked at and clicked is our own script over the routes of `ui.similarity_routes`; Gradio
tells it which texts are on screen.
"""

from __future__ import annotations

import json
from typing import Any

from ui.components import script_component
from ui.session import Session
from ui.view import QUIET, Desk, bind

EMPTY = "Nothing to compare yet. Paste texts, upload a file or choose a sample."


def build(desk: Desk) -> Any:
    """The component; its value says which dataset is on screen."""
    return script_component("similarity", "similarity-view", EMPTY)


def wire_load(desk: Desk, view: Any, loaded: Any) -> None:
    """After a load: tell the script."""
    loaded.success(bind(desk, show), [], [view], **QUIET)


async def show(desk: Desk, session: Session) -> str:
    """The component's value for the dataset on screen; nothing while there is none."""
    dataset = session.dataset
    return json.dumps({"id": dataset.id, "n": len(dataset.texts)}) if dataset else ""
