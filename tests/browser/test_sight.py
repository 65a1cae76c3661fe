"""The first map, which stands in the page itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import Server

from .test_page import OpenPage, points

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.model]


@pytest.mark.parametrize(("scheme", "ground"), [("light", "rgb(250, 250, 250)"), ("dark", "rgb(17, 17, 19)")])
def test_the_map_is_there_though_no_script_of_the_page_ever_comes(
    browser: Browser, server: Server, scheme: Any, ground: str
) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.route("**/assets/**", lambda route: route.abort())
    page.goto(server.base)
    page.wait_for_selector("#first-sight .tx-plot[data-painted='umap-15-0.1-42 3000']")
    assert page.evaluate("getComputedStyle(document.querySelector('#first-sight')).backgroundColor") == ground
    labels = page.locator("#first-sight .tx-labels span")
    shown = labels.evaluate_all("all => all.filter(one => one.style.visibility === 'visible').length")
    assert shown >= 8
    coloured = page.evaluate("""() => {
      const canvas = document.querySelector("#first-sight canvas");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const colours = new Set();
      for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 200) colours.add(`${data[at] >> 4} ${data[at + 1] >> 4} ${data[at + 2] >> 4}`);
      return colours.size;
    }""")  # noqa: E501
    assert coloured >= 8, "dots in the colours of their groups"
    context.close()


def test_it_gives_way_to_the_map_at_the_same_place(open_page: OpenPage) -> None:
    before = """
    new MutationObserver(() => {
      const sight = document.querySelector("#first-sight .tx-plot[data-painted]");
      if (sight) window.sightAt = sight.getBoundingClientRect().toJSON();
    }).observe(document, { subtree: true, childList: true, attributes: true });
    """
    page = open_page(script=before).page
    assert page.locator("#first-sight").count() == 0
    assert points(page) == 3000
    sight = page.evaluate("window.sightAt")
    after = page.locator("#map .tx-plot").bounding_box()
    assert after is not None
    assert abs(after["x"] - sight["x"]) <= 2
    assert abs(after["y"] - sight["y"]) <= 16
    assert abs(after["width"] - sight["width"]) <= 2


def test_an_address_of_other_texts_or_another_layout_has_none(browser: Browser, server: Server) -> None:
    context = browser.new_context()
    for query in ("data=nobody-has-this", "layout=pca"):
        answer = context.request.get(f"{server.base}/?{query}")
        assert "first-sight" not in answer.text()
    assert "first-sight" in context.request.get(server.base).text()
    context.close()
