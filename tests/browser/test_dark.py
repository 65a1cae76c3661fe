"""In the dark every drawing is seen on its ground, and nothing stays white: measured in pixels."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from .conftest import pixels
from .test_compare import compare
from .test_explorer import grounds_of, opened_offline, search, upload_topics
from .test_page import OpenPage, saved, view
from .test_space import into_space
from .test_vectors import choose, open_vectors

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.model]

GROUND = "rgb(24, 24, 27)"
TEXT_AT_LEAST, DRAWING_AT_LEAST = 4.5, 3.0  # WCAG 2.2, 1.4.3 and 1.4.11


def luminance(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    light: NDArray[np.float64] = linear @ np.array([0.2126, 0.7152, 0.0722])
    return light


def contrast(one: Any, other: Any) -> Any:
    light, dark = np.maximum(one, other), np.minimum(one, other)
    return (light + 0.05) / (dark + 0.05)


def colour(written: str) -> NDArray[np.float64]:
    """A colour as the browser has computed it."""
    return np.array([float(part) for part in re.findall(r"[\d.]+", written)[:3]]) / 255


def weakest(drawn: Locator, what: str) -> float:
    """The least contrast of a property's colours, over some elements, with the ground of a card."""
    written = drawn.evaluate_all(
        "(all, what) => [...new Set(all.map(one => getComputedStyle(one)[what]))]", what
    )
    written = [one for one in written if one != "none"]
    assert written
    assert all(one.startswith("rgb(") for one in written), written
    return float(min(contrast(luminance(colour(one)), luminance(colour(GROUND))) for one in written))


def standing_out(shown: Locator) -> float:
    """The share of a drawing's pixels that are seen on the ground; most of them are nearly as dark as it."""
    light = luminance(pixels(shown))
    assert np.median(light) < 0.1
    return float((contrast(light, luminance(colour(GROUND))) >= DRAWING_AT_LEAST).mean())


def white(shown: Locator | Page) -> float:
    """The share of pixels that are all but white: letters are, and a box would be."""
    return float((pixels(shown).min(axis=-1) > 0.9).mean())


def test_drawings_are_seen_in_the_dark(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(scheme="dark").page
    upload_topics(page, tmp_path)
    plot, histogram = page.locator("#map .tx-plot"), page.locator("#map .tx-histogram")
    assert plot.evaluate("plot => getComputedStyle(plot).backgroundColor") == GROUND
    assert white(page) < 0.03

    search(page, "a meal")
    assert weakest(histogram.locator("rect"), "fill") >= DRAWING_AT_LEAST
    assert standing_out(histogram) > 0.01
    page.locator("#tx-colour").select_option("score")
    dots = page.evaluate("[...document.querySelector('#map .tx-canvas').data[0].marker.color]")
    assert (
        min(contrast(luminance(colour(one)), luminance(colour(GROUND))) for one in dots) >= DRAWING_AT_LEAST
    )
    page.keyboard.press("Escape")
    page.locator("#tx-panel-Selection h2", has_text="All 13 texts").wait_for()

    bare = pixels(plot)
    page.locator(".tx-view summary").click()
    page.get_by_label("Density contours").check()
    page.locator("#map .contourlayer path").first.wait_for(state="attached")
    page.keyboard.press("Escape")
    filled = pixels(plot)
    changed = np.abs(filled - bare).max(axis=-1) > 0.02
    assert changed.mean() > 0.02, "they are seen"
    assert white(plot) < 0.01
    rings = page.locator("#map .contourlayer path[style*='stroke:']")
    assert weakest(rings, "stroke") > 2, "thin lines, beside fills"

    into_space(page)
    page.wait_for_timeout(1000)
    assert standing_out(plot) > 0.001
    assert white(plot) < 0.01

    shown = open_vectors(page)
    choose(page, 1, "2", "0 1")
    for strip in shown.locator(".tx-strip-bar").all():
        assert standing_out(strip) > 0.02
        assert white(strip) == 0
    assert weakest(shown.locator(".tx-readout"), "color") >= TEXT_AT_LEAST
    shown.locator(".tx-retention").scroll_into_view_if_needed()
    page.wait_for_selector("#vectors [data-measured]", timeout=120_000)
    chart = shown.locator(".tx-chart svg")
    assert weakest(chart.locator("text"), "fill") >= TEXT_AT_LEAST
    assert weakest(chart.locator("polyline"), "stroke") >= DRAWING_AT_LEAST
    assert weakest(chart.locator("circle, path"), "fill") >= DRAWING_AT_LEAST
    assert standing_out(chart) > 0.01
    assert white(chart) < 0.01
    for name in ("Vectors", "Similarity", "Compare", "Code"):
        view(page, name)
        page.wait_for_timeout(700)
        assert white(page) < 0.03, f"{name}: a white box"


def test_two_maps_are_seen_in_the_dark_and_what_is_saved_there_is_dark(
    open_page: OpenPage, watched_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(scheme="dark").page
    upload_topics(page, tmp_path)
    (tmp_path / "map.html").write_bytes(saved(page, "#map", "HTML, opens offline"))
    view(page, "Compare")
    page.locator("#cx-go").wait_for()
    compare(page, 13)
    for plot in page.locator("#compare .tx-plot").all():
        assert standing_out(plot) > 0.001
        assert white(plot) < 0.01
    assert white(page) < 0.03
    pictures = {"both maps": saved(page, "#compare", "SVG of both maps")}

    view(page, "Similarity")
    page.wait_for_selector("#similarity-view .sx-heat[data-painted$=' 13']")
    pictures["the heat map"] = saved(page, "#similarity-view .tx-toolbar", "SVG of the heat map")

    shown = open_vectors(page)
    pictures["the strips"] = saved(page, "#vectors", "SVG of the strips")
    shown.locator(".tx-retention").scroll_into_view_if_needed()
    page.wait_for_selector("#vectors [data-measured]", timeout=120_000)
    pictures["what is kept"] = saved(page, "#vectors", "SVG of what is kept")
    grounds = {name: grounds_of(picture.decode()) for name, picture in pictures.items()}
    figures = {name: len(found) for name, found in grounds.items()}
    assert figures == {"both maps": 3, "the heat map": 1, "the strips": 1, "what is kept": 1}
    assert {name for name, found in grounds.items() if max(found) > 40} == set()

    alone = opened_offline(watched_page, tmp_path / "map.html", scheme="dark")
    plot = alone.locator(".tx-plot")
    assert plot.evaluate("plot => getComputedStyle(plot).backgroundColor") == GROUND
    assert standing_out(plot) > 0.001
    assert white(alone) < 0.03
