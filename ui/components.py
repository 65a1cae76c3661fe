"""A component of the page that is a script of ours: Gradio only hands it a value and hears of its events."""

from __future__ import annotations

import html
import json
from typing import Any

from ui import assets

# The script is named by its version in the address, which a browser may then keep for good.
_ON_LOAD = """
const address = new URL("explorer/static/VERSION/component.js", document.baseURI).href;
import(address)
  .then(({ start }) => start(MODULE, element, { watch, trigger, props }))
  .catch((error) => {
    element.querySelector(".tx").textContent = `This view could not be started: ${error.message}`;
    throw error;
  });
"""


def script_component(module: str, elem_id: str, empty: str) -> Any:
    """A `gr.HTML` that `assets/explorer/MODULE.js` draws in and answers for.

    The module exports `mount(element, { watch, trigger, props }, plotly)`; `element` holds one
    `.tx` to draw in, which says `empty` until then. The component's value is for the script alone.
    """
    import gradio as gr

    return gr.HTML(
        value="",
        html_template=f'<div class="tx"><p class="tx-empty">{html.escape(empty)}</p></div>',
        js_on_load=_ON_LOAD.replace("VERSION", assets.version()).replace("MODULE", json.dumps(module)),
        elem_id=elem_id,
        apply_default_css=False,
    )
