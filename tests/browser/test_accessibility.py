"""axe-core over every view, in light and dark: nothing serious."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.conftest import Server

from .test_page import OpenPage, bring, choose_file, code_of, paste, view
from .test_similarity import click_cell, drawn, listed

pytestmark = [pytest.mark.browser, pytest.mark.model]

GRAVE = {"serious", "critical"}
LISTS = {"Most similar": "pairs", "Near-duplicates": "groups", "Outliers": "outliers"}


def grave(page: Any) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {violation['help']}: {[node['html'][:160] for node in violation['nodes'][:4]]}"
        for violation in found
        if violation["impact"] in GRAVE
    ]


def select(page: Any, rows: list[int]) -> None:
    """As another view does it, whose rows are known; where a lasso goes round them depends on the map."""
    page.evaluate(
        "rows => document.dispatchEvent(new CustomEvent('tessera:select',"
        " { detail: { id: new URLSearchParams(location.search).get('data'), rows } }))",
        rows,
    )
    page.locator("#tx-panel-Selection h2", has_text=f"{len(rows)} texts selected").wait_for()
    page.locator("#tx-panel-Selection .tx-row").first.wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_has_serious_findings(open_page: OpenPage, server: Server, scheme: str) -> None:
    page = open_page(scheme=scheme).page
    found = {"first screen": grave(page)}
    page.locator(".tx-row button").first.click()
    page.wait_for_selector("#map .tx-plot[data-focus]")
    found["neighbours"] = grave(page)
    page.locator(".tx-panel").get_by_role("tab", name="Vector").click()
    found["vector"] = grave(page)
    page.locator("#tx-query").fill("read a file")
    page.locator("#tx-query").press("Enter")
    page.wait_for_selector("#map .tx-plot[data-found]")
    page.locator(".tx-settings summary").click()
    found["search and settings"] = grave(page)
    page.locator(".tx-settings summary").click()
    page.locator(".tx-axes summary").click()
    found["axes"] = grave(page)
    page.locator(".tx-axes summary").click()
    for name in ("Paste", "Upload", "Samples"):
        bring(page, name)
        found[name] = grave(page)
    for name in ("Similarity", "Vectors", "Compare", "Code"):
        view(page, name)
        page.wait_for_timeout(600)
        # Gradio's own mark of a figure that is still to come is no part of the view.
        page.wait_for_selector("#views [aria-label='Empty value']", state="detached")
        found[name] = grave(page)
    view(page, "Vectors")
    field = page.locator("#vectors .tx-picker input").nth(1)
    field.fill("a text to compare with")
    page.locator("#vectors [role=option]").first.wait_for()
    found["choosing a text"] = grave(page)
    field.press("Enter")
    page.wait_for_selector("#vectors .tx-compared")
    page.wait_for_selector("#vectors [data-measured]", timeout=120_000)
    found["two vectors"] = grave(page)
    view(page, "Code")
    for language in ("Python", "Python, OpenAI", "JavaScript", "Python package", "curl"):
        code_of(page, language)
        found[f"code in {language}"] = grave(page)
    page.locator("#key input").fill(server.key)
    page.locator("#run").click()
    page.wait_for_function(
        "document.querySelector('#outcome textarea, #outcome input').value.startsWith('200')"
    )
    found["an answer"] = grave(page)
    assert {name: problems for name, problems in found.items() if problems} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_no_serious_findings(open_page: OpenPage, tmp_path: Path, scheme: str) -> None:
    page = open_page(width=390, height=844, scheme=scheme).page
    found = {"first screen": grave(page)}
    page.locator(".tx-row button").first.click()
    page.wait_for_selector("#map .tx-plot[data-focus]")
    found["neighbours"] = grave(page)
    page.locator("#tx-query").fill("read a file")
    page.locator("#tx-query").press("Enter")
    page.wait_for_selector("#map .tx-plot[data-found]")
    found["search"] = grave(page)
    select(page, [1, 2, 3])
    found["selection"] = grave(page)
    bring(page, "Upload")
    found["upload"] = grave(page)
    broken = tmp_path / "broken.txt"
    broken.write_bytes(b"%PDF-1.4 not text")
    choose_file(page, broken)
    page.locator("#upload-note [role=alert]", has_text="PDF").wait_for()
    found["a broken file"] = grave(page)
    for name, there in {
        "Similarity": ".sx-heat[data-painted]",
        "Vectors": "#vectors .tx[data-shown]",
        "Compare": "#cx-go",
        "Code": "#run",
    }.items():
        view(page, name)
        page.locator(there).wait_for()
        page.wait_for_selector("#views [aria-label='Empty value']", state="detached")
        found[name] = grave(page)
    assert {name: problems for name, problems in found.items() if problems} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_selection_a_space_and_what_went_wrong_have_no_serious_findings(
    open_page: OpenPage, tmp_path: Path, scheme: str
) -> None:
    watched = open_page(scheme=scheme)
    page = watched.page
    paste(page, [f"a text about number {number // 2}" for number in range(20)])
    page.wait_for_selector("#map .tx-plot[data-painted^='umap-15-0.1-42 20']", timeout=120_000)
    select(page, [1, 2, 3])
    found = {"selection": grave(page)}
    for menu in ("save", "view"):
        page.locator(f"#map .tx-{menu} summary").click()
        page.locator(f"#map .tx-{menu} > div").wait_for()
        found[f"the {menu} menu"] = grave(page)
    page.keyboard.press("Escape")
    view(page, "Similarity")
    for name, panel in LISTS.items():
        listed(page, name, panel).locator(".tx-row").first.wait_for()
        found[name] = grave(page)
    order, _ = drawn(page)
    click_cell(page, order.index(3), order.index(11))
    page.wait_for_selector("#sx-panel-pair[data-explained='3 11']")
    assert page.locator("#sx-panel-pair .sx-part").count() > 8
    found["an explained cell"] = grave(page)
    view(page, "Map")
    page.get_by_role("button", name="3-D", exact=True).click()
    page.wait_for_selector("#map .tx-plot[data-painted*='3d 20']", timeout=120_000)
    found["space"] = grave(page)
    page.locator("#tx-mode").select_option("regex")
    page.locator("#tx-query").fill("(")
    page.locator("#tx-query").press("Enter")
    page.locator(".tx-found[data-problem]").wait_for()
    watched.complaints = [said for said in watched.complaints if "400" not in said]  # asked for just above
    found["no such expression"] = grave(page)
    broken = tmp_path / "broken.csv"
    broken.write_text('id,text\n1,fine\n2,"never closed\n3,good\n')
    choose_file(page, broken)
    page.locator("#upload-note", has_text="2 texts").wait_for()
    found["a file with a broken row"] = grave(page)
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.4 no more than that")
    page.locator("#upload button[aria-label='Clear']").click()
    choose_file(page, broken)
    page.locator("#upload-note [role=alert]").wait_for()
    found["a broken file"] = grave(page)
    paste(page, [])
    page.locator("#status .status.error").wait_for()
    found["nothing to embed"] = grave(page)
    assert {name: problems for name, problems in found.items() if problems} == {}
