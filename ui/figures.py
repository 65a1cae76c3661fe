"""Arrays to Plotly figures. Colours work on light and dark; text takes its colour from page.css."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from embedder.analysis.similarity import Floats

PALETTE = (
    "#4f6bd8", "#e8823a", "#2f9e6e", "#d9506a", "#1f9bb3", "#a35fc7",
    "#c29a1d", "#9a6b4f", "#e07fb4", "#86a92f", "#5aa9e6", "#7c8798",
)  # fmt: skip
OTHER = "other"
ACCENT = "#0d9488"
FAINT = "rgba(128,136,148,0.35)"
GL_FROM = 3000
"""From so many points on WebGL; SVG is sharper and needs no GPU."""
CONFIG = {
    "displaylogo": False,
    "displayModeBar": "hover",
    "modeBarButtonsToRemove": ["sendDataToCloud", "lasso2d", "select2d", "autoScale2d", "toImage"],
}
_LEVELS = [[0, "rgba(13,148,136,0.02)"], [0.35, "rgba(13,148,136,0.22)"], [1, "rgba(13,148,136,1)"]]
_AMOUNT = [[0, "#5aa9e6"], [0.5, "#c29a1d"], [1, "#d9506a"]]


def escape(text: str, *, width: int = 56, lines: int = 4) -> str:
    """`text` for a hover label: no markup of its own, wrapped, cut after `lines`."""
    shown = textwrap.wrap(" ".join(text.split()), width, max_lines=lines, placeholder=" …") or [""]
    return "<br>".join(html.escape(line, quote=False) for line in shown)


def shorten(text: str, width: int) -> str:
    """`text` on one line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def heatmap_figure(scores: Floats, texts: Sequence[str], numbers: Sequence[int]) -> Any:
    """Cosines `(n, n)` of `texts`; `numbers` are their places in the whole list, from 1."""
    import plotly.graph_objects as go

    n = len(texts)
    names = [f"{number}. {escape(text, lines=2)}" for number, text in zip(numbers, texts, strict=True)]
    ticks = [html.escape(shorten(text, 22), quote=False) for text in texts]
    grid = go.Heatmap(
        z=np.round(scores.astype(np.float64), 4),
        x=names,
        y=names,
        colorscale=_LEVELS,
        zmin=min(0.0, float(scores.min(initial=0.0))),
        zmax=1.0,
        xgap=1,
        ygap=1,
        texttemplate="%{z:.2f}" if n <= 14 else None,
        colorbar={
            "orientation": "h",
            "thickness": 8,
            "len": 0.4,
            "y": -0.01,
            "yanchor": "top",
            "outlinewidth": 0,
        },
        hovertemplate="<b>%{z:.4f}</b><br>%{y}<br>%{x}<extra></extra>",
    )
    figure = go.Figure(grid)
    axis = {
        "tickmode": "array",
        "tickvals": list(range(n)),
        "ticks": "",
        "showgrid": False,
        "zeroline": False,
    }
    size = 12 if n <= 20 else 10 if n <= 36 else 8
    figure.update_xaxes(
        axis,
        ticktext=[str(number) for number in numbers],
        side="top",
        tickfont={"size": size},
        showticklabels=n <= 30,  # the rows name themselves; more numbers would only crowd the picture
    )
    figure.update_yaxes(axis, ticktext=ticks, autorange="reversed", tickfont={"size": size})
    _dress(figure, height=max(320, min(720, 120 + 30 * n)), margin={"l": 120, "r": 4, "t": 26, "b": 40})
    return figure


def as_plot(figure: Any) -> Any:
    """`figure` as `gr.Plot` sends it, with our toolbar; a figure alone cannot carry one."""
    from gradio.components.plot import PlotData
    from plotly.io.json import to_json_plotly

    return PlotData(type="plotly", plot=to_json_plotly(figure.to_plotly_json() | {"config": CONFIG}))


def _dress(figure: Any, *, height: int, margin: dict[str, int]) -> None:
    """What all figures share: no background, the page's font, dark labels that wrap nothing."""
    figure.update_layout(
        template="none",
        height=height,
        margin=margin,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13, "color": "#7a828e"},
        hoverlabel={
            "bgcolor": "#18181b",
            "bordercolor": "#18181b",
            "align": "left",
            "font": {"color": "#fff"},
        },
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": "#8a919c", "activecolor": ACCENT},
    )
