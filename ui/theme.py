"""Colours, fonts of the system, and the parts of the page that are plain HTML."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from embedder.types import ModelInfo

ASSETS = Path(__file__).resolve().parent.parent / "assets"

CLAIM = "See what a model makes of your texts, and use the same vectors from your own code."

# Before the first paint where possible: what the visitor chose earlier, else what the system says.
_HEAD = """
<meta name="description" content="Text embeddings to look at, and an OpenAI-compatible API for them.">
<meta name="color-scheme" content="light dark">
"""

RESTORE = """() => {
  try {
    const chosen = localStorage.getItem("tessera-theme");
    if (chosen) document.body.classList.toggle("dark", chosen === "dark");
  } catch (error) { /* storage may be closed to us; then the system decides */ }
  document.documentElement.lang = "en";
}"""

TOGGLE = """() => {
  const dark = document.body.classList.toggle("dark");
  try { localStorage.setItem("tessera-theme", dark ? "dark" : "light"); } catch (error) { /* as above */ }
}"""


def head() -> str:
    """What stands in the page's head."""
    return _HEAD


def header() -> str:
    """Mark, name and claim."""
    mark = (ASSETS / "mark.svg").read_text()
    return f'<div class="brand">{mark}<div><h1>Tessera</h1><p>{html.escape(CLAIM)}</p></div></div>'


def badge(model_id: str, info: ModelInfo | None, problem: str | None = None) -> str:
    """The model in three figures, or how far it is."""
    if problem:
        facts = html.escape(problem)
    elif info is None:
        facts = "loading…"
    else:
        limit = f"{info.max_tokens:,} tokens a text" if info.max_tokens else "texts of any length"
        facts = f"{info.dimensions:,} dimensions · {limit}{_precision(info)}"
    name = html.escape(model_id.rsplit("/", 1)[-1])
    return (
        f'<div class="badge" title="{html.escape(model_id)}">'
        f'<span class="model">{name}</span><span class="facts">{facts}</span></div>'
    )


def _precision(info: ModelInfo) -> str:
    """Numbers other than float32 and what they cost; vectors are exact otherwise."""
    if info.precision == "float32":
        return ""
    if info.neighbours_kept is None:
        return f" · {info.precision}"
    return f" · {info.precision}: {info.neighbours_kept:.0%} of neighbours kept"


def make_theme() -> Any:
    """Gradio's base theme in our two colours; no font is fetched."""
    import gradio as gr

    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        secondary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.zinc,
        radius_size=gr.themes.sizes.radius_md,
        spacing_size=gr.themes.sizes.spacing_md,
        font=("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"),
        font_mono=("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"),
    )
    return theme.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="#111113",
        background_fill_primary="white",
        background_fill_primary_dark="#18181b",
        background_fill_secondary="*neutral_50",
        background_fill_secondary_dark="#1d1d21",
        block_background_fill="white",
        block_background_fill_dark="#18181b",
        block_border_width="1px",
        block_shadow="none",
        block_shadow_dark="none",
        border_color_primary="*neutral_200",
        border_color_primary_dark="#2b2b31",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        input_background_fill="white",
        input_background_fill_dark="#141416",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_800",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        button_border_width="1px",
        button_primary_border_color="transparent",
        button_primary_text_color="white",
        button_secondary_background_fill="transparent",
        button_secondary_background_fill_dark="transparent",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_hover_dark="#242429",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="#3a3a42",
    )
