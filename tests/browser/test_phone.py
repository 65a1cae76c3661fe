"""A phone in the dark: searched, walked through, boxed by a finger, saved, turned in space, compared."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .test_accessibility import grave
from .test_compare import compare
from .test_explorer import place_of, upload_topics
from .test_page import OpenPage, saved, view
from .test_space import into_space, most_alone, places

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
