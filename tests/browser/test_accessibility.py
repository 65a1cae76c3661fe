"""axe-core over every view, in light and dark: nothing serious."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.conftest import Server

from .test_page import OpenPage, bring, code_of, view

pytestmark = [pytest.mark.browser, pytest.mark.model]

GRAVE = {"serious", "critical"}


def grave(page: Any) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {violation['help']}: {[node['html'][:160] for node in violation['nodes'][:4]]}"
        for violation in found
        if violation["impact"] in GRAVE
    ]


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


def test_a_phone_has_no_serious_findings(open_page: OpenPage) -> None:
    page = open_page(width=390, height=844).page
    found = {"first screen": grave(page)}
    page.locator(".tx-row button").first.click()
    page.wait_for_selector("#map .tx-plot[data-focus]")
    found["neighbours"] = grave(page)
    page.locator("#tx-query").fill("read a file")
    page.locator("#tx-query").press("Enter")
    page.wait_for_selector("#map .tx-plot[data-found]")
    found["search"] = grave(page)
    bring(page, "Upload")
    found["upload"] = grave(page)
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
