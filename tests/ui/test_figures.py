from __future__ import annotations

import json

import numpy as np
import pytest

from ui import figures

HOSTILE = '<b onclick="x">bold</b> <a href="//e">link</a> & co'


def points(n: int) -> np.ndarray:
    return np.arange(2 * n, dtype=np.float32).reshape(n, 2)


def test_hover_texts_are_escaped_and_wrapped() -> None:
    shown = figures.escape(HOSTILE + " word" * 200)
    assert "<b" not in shown.replace("<br>", "")
    assert "&lt;b onclick" in shown
    assert shown.count("<br>") == 3
    assert figures.escape("") == ""


def test_every_point_has_its_own_text_and_colour_of_its_group() -> None:
    groups = ["b", "a", "b", "c"]
    figure = figures.map_figure(points(4), ["t0", "t1", "t2", "t3"], groups=groups)
    assert [trace.name for trace in figure.data] == ["a", "b", "c"]
    placed = {
        text: (x, y) for trace in figure.data for text, x, y in zip(trace.text, trace.x, trace.y, strict=True)
    }
    assert placed == {f"t{i}": tuple(points(4)[i]) for i in range(4)}
    assert len({trace.marker.color for trace in figure.data}) == 3


def test_more_groups_than_colours_become_other() -> None:
    groups = [str(i) for i in range(30)] + ["often"] * 5
    figure = figures.map_figure(points(35), [""] * 35, groups=groups)
    names = [trace.name for trace in figure.data]
    assert len(names) == len(figures.PALETTE)
    assert "often" in names
    assert names[-1] == figures.OTHER
    assert sum(len(trace.x) for trace in figure.data) == 35


def test_group_names_are_escaped() -> None:
    figure = figures.map_figure(points(2), ["", ""], groups=[HOSTILE, "x"])
    assert not any("<b" in trace.name for trace in figure.data)


def test_hits_are_numbered_by_rank_where_they_lie() -> None:
    figure = figures.hits_figure(points(5), ["a", "b", "c", "d", "e"], [3, 1], [0.9, 0.5])
    found = figure.data[1]
    assert list(found.text) == ["1", "2"]
    assert found.x.tolist() == [6, 2]
    assert found.customdata[0] == "0.900  d"


def test_the_heatmap_shows_the_scores_and_no_markup() -> None:
    scores = np.array([[1, 0.25], [0.25, 1]], dtype=np.float32)
    figure = figures.heatmap_figure(scores, [HOSTILE, HOSTILE], [1, 2])
    grid = figure.data[0]
    assert grid.z.tolist() == [[1, 0.25], [0.25, 1]]
    assert len(set(grid.x)) == 2, "equal texts keep rows of their own"
    assert not any("<b " in name for name in [*grid.x, *figure.layout.yaxis.ticktext])


@pytest.mark.parametrize("n", [1, 30, figures.GL_FROM])
def test_what_is_sent_is_json_with_our_toolbar(n: int) -> None:
    sent = json.loads(figures.as_plot(figures.map_figure(points(n), [""] * n)).plot)
    assert sent["config"]["displaylogo"] is False
    assert "sendDataToCloud" in sent["config"]["modeBarButtonsToRemove"]
    assert sent["layout"]["paper_bgcolor"] == "rgba(0,0,0,0)"
    assert sent["data"][0]["type"] == ("scattergl" if n >= figures.GL_FROM else "scatter")
