from __future__ import annotations

import json

import numpy as np

from ui import figures

HOSTILE = '<b onclick="x">bold</b> <a href="//e">link</a> & co'


def test_hover_texts_are_escaped_and_wrapped() -> None:
    shown = figures.escape(HOSTILE + " word" * 200)
    assert "<b" not in shown.replace("<br>", "")
    assert "&lt;b onclick" in shown
    assert shown.count("<br>") == 3
    assert figures.escape("") == ""


def test_the_heatmap_shows_the_scores_and_no_markup() -> None:
    scores = np.array([[1, 0.25], [0.25, 1]], dtype=np.float32)
    figure = figures.heatmap_figure(scores, [HOSTILE, HOSTILE], [1, 2])
    grid = figure.data[0]
    assert grid.z.tolist() == [[1, 0.25], [0.25, 1]]
    assert len(set(grid.x)) == 2, "equal texts keep rows of their own"
    assert not any("<b " in name for name in [*grid.x, *figure.layout.yaxis.ticktext])


def test_what_is_sent_is_json_with_our_toolbar() -> None:
    figure = figures.heatmap_figure(np.eye(2, dtype=np.float32), ["one", "two"], [1, 2])
    sent = json.loads(figures.as_plot(figure).plot)
    assert sent["config"]["displaylogo"] is False
    assert "sendDataToCloud" in sent["config"]["modeBarButtonsToRemove"]
    assert sent["layout"]["paper_bgcolor"] == "rgba(0,0,0,0)"
