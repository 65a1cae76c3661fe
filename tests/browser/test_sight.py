"""The first map, which stands in the page itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Server

from .test_page import OpenPage, points

pytestmark = [pytest.mark.browser, pytest.mark.model]


@pytest.mark.parametrize(("scheme", "ground"), [("light", "rgb(250, 250, 250)"), ("dark", "rgb(17, 17, 19)")])
def test_the_map_is_there_though_no_script_of_the_page_ever_comes(
    watched_page: OpenPage, server: Server, scheme: Any, ground: str
) -> None:
    watched = watched_page(scheme=scheme)
    page = watched.page
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
    kept_away = [said for said in watched.complaints if "ERR_FAILED" in said and "/assets/" in said]
    assert kept_away
    assert watched.complaints == kept_away, "what is in the page itself has no complaint of its own"
    watched.complaints = []


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


def test_an_address_of_other_texts_or_another_layout_has_none(watched_page: OpenPage, server: Server) -> None:
    asked = watched_page().page.request
    for query in ("data=nobody-has-this", "layout=pca"):
        assert "first-sight" not in asked.get(f"{server.base}/?{query}").text()
    assert "first-sight" in asked.get(server.base).text()
