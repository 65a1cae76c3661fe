"""A phone: searched, walked through, boxed by a finger, saved, turned in space, compared, measured, asked."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Server

from .test_accessibility import LISTS, grave
from .test_axes import lay
from .test_compare import compare
from .test_explorer import place_of, upload_topics
from .test_page import OpenPage, saved, view
from .test_similarity import listed
from .test_space import into_space, most_alone, places
from .test_vectors import open_vectors

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.model]

STEPS = 8


def drag(page: Page, way: list[tuple[float, float]]) -> None:
    """A finger put down, moved along and lifted: of touches Playwright itself has only taps."""
    hand = page.context.new_cdp_session(page)
    points = [way[0]]
    for (x, y), (goal_x, goal_y) in pairwise(way):
        shares = [(step + 1) / STEPS for step in range(STEPS)]
        points += [(x + (goal_x - x) * share, y + (goal_y - y) * share) for share in shares]
    for kind, (x, y) in zip(["touchStart", *["touchMove"] * (len(points) - 1)], points, strict=True):
        hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    hand.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    hand.detach()


def test_a_phone_does_what_a_desk_does(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(width=390, height=844, scheme="dark", touch=True).page
    upload_topics(page, tmp_path)
    plot, listed = page.locator("#map .tx-plot"), page.locator("#tx-panel-Selection")

    page.locator("#tx-query").tap()
    page.keyboard.type("flying by plane")
    page.keyboard.press("Enter")
    page.wait_for_selector("#map .tx-plot[data-found='semantic flying by plane']")
    first, second = (listed.locator(".tx-row").nth(place).get_attribute("data-row") for place in (0, 1))
    for row in (first, second):
        page.keyboard.press("Enter")
        page.wait_for_selector(f"#map .tx-plot[data-focus='{row}']")
    page.get_by_role("button", name="Hit before this").tap()
    page.wait_for_selector(f"#map .tx-plot[data-focus='{first}']")
    page.locator(".tx-found").get_by_role("button", name="Clear", exact=True).tap()
    listed.locator("h2", has_text="All 13 texts").wait_for()

    for way in ("Box", "Lasso"):
        page.locator("#map").get_by_role("button", name=way, exact=True).tap()
        plot.scroll_into_view_if_needed()
        spots = [place_of(page, row) for row in range(4)]
        left, top = (min(spot[axis] for spot in spots) - 8 for axis in (0, 1))
        right, bottom = (max(spot[axis] for spot in spots) + 8 for axis in (0, 1))
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        drag(page, corners[:3:2] if way == "Box" else corners)
        listed.locator("h2", has_text="selected").wait_for()
        rows = {int(row.get_attribute("data-row") or -1) for row in listed.locator(".tx-row").all()}
        assert {0, 1, 2, 3} <= rows, way
        assert len(rows) < 13
        listed.get_by_role("button", name="Clear", exact=True).tap()
        listed.locator("h2", has_text="All 13 texts").wait_for()
    page.locator("#map").get_by_role("button", name="Move", exact=True).tap()
    assert saved(page, "#map", "PNG of the map").startswith(b"\x89PNG")

    into_space(page)
    plot.scroll_into_view_if_needed()
    spots = places(page)
    row = most_alone(spots)
    page.touchscreen.tap(*spots[row])
    page.wait_for_selector(f"#map .tx-plot[data-focus='{row}']")
    assert grave(page) == []
    page.get_by_role("button", name="2-D", exact=True).tap()
    page.wait_for_selector("#map .tx-plot[data-painted='umap-15-0.1-42 13']")

    view(page, "Compare")
    page.locator("#cx-go").wait_for()
    compare(page, 13)
    page.locator("#compare .tx-row button").first.tap()
    page.wait_for_selector("#compare .tx-plot[data-focus]")
    assert grave(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def check(page: Page, what: str) -> None:
    """Nothing is wider than the phone, and nothing grave is found."""
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, what
    assert grave(page) == [], what


def test_a_phone_has_axes_lists_what_smaller_vectors_keep_and_an_answer(
    open_page: OpenPage, server: Server, tmp_path: Path
) -> None:
    page = open_page(width=390, height=844, touch=True).page
    upload_topics(page, tmp_path)
    lay(page, ("bad weather", "good weather"), ("things", "journeys"))
    page.wait_for_selector("#map .tx-plot[data-painted^='axes-']")
    page.locator(".tx-edge.right").wait_for()
    assert page.locator(".tx-edge:visible").count() == 4
    check(page, "two axes")

    view(page, "Similarity")
    page.wait_for_selector("#similarity-view .sx-heat[data-painted]")
    for name, panel in LISTS.items():
        found = listed(page, name, panel)
        if panel == "groups":  # of texts as different as these there are none until the slider says so
            page.locator("#sx-least").press("Home")
        found.locator(".tx-row").first.wait_for()
        check(page, name)

    shown = open_vectors(page)
    shown.locator(".tx-retention").scroll_into_view_if_needed()
    page.wait_for_selector("#vectors [data-measured]", timeout=120_000)
    assert shown.locator(".tx-chart circle").count() > 3
    check(page, "what smaller vectors keep")

    view(page, "Code")
    page.locator("#key input").fill(server.key)
    page.locator("#run").tap()
    page.wait_for_function(
        "document.querySelector('#outcome textarea, #outcome input').value.startsWith('200')"
    )
    check(page, "an answer")
