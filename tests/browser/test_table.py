"""The same texts as rows: what the map shows by place and colour, for whoever reads rather than looks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .test_accessibility import grave
from .test_explorer import TOPICS, search, upload_topics, wait_for_focus
from .test_page import OpenPage

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.model]


def as_rows(page: Page) -> None:
    page.locator("#map").get_by_role("button", name="Table", exact=True).click()
    page.locator(".tx-table[data-shown]").wait_for()


def column(page: Page, name: str) -> list[str]:
    """What the cells below that heading say."""
    headings = page.locator(".tx-sheet thead th").all_inner_texts()
    place = [heading.strip(" ↑↓\n") for heading in headings].index(name)
    cells = page.locator(".tx-sheet tbody tr").evaluate_all(
        "(rows, place) => rows.map(row => row.children[place + 1].innerText)", place
    )
    return [str(cell).strip() for cell in cells]


def numbers(page: Page) -> list[int]:
    return [int(number.replace(",", "")) for number in column(page, "No.")]


def sort_by(page: Page, name: str) -> str:
    """Click a heading; how it says that it is sorted."""
    heading = page.locator(".tx-sheet thead th", has_text=name)
    before = page.locator(".tx-table").get_attribute("data-shown")
    heading.get_by_role("button").click()
    page.wait_for_function(
        "before => document.querySelector('.tx-table').dataset.shown !== before", arg=before
    )
    return heading.get_attribute("aria-sort") or ""


def bright(page: Page) -> set[int]:
    opacity = page.evaluate("document.querySelector('#map .tx-canvas').data[0].marker.opacity")
    return {row for row, value in enumerate(opacity) if value > 0.5}


def test_rows_say_what_dots_show_and_are_sorted_searched_and_selected(
    open_page: OpenPage, tmp_path: Path
) -> None:
    watched = open_page()
    page = watched.page
    texts = upload_topics(page, tmp_path)
    topics = [topic for topic, some in TOPICS.items() for _ in some] + [""]
    as_rows(page)
    assert page.locator("#map .tx-canvas").is_hidden()
    assert numbers(page) == list(range(1, 14))
    assert column(page, "Text") == texts, "markup stays letters"
    assert column(page, "topic") == topics
    assert all(int(tokens) > 2 for tokens in column(page, "Tokens"))
    assert "1 to 13 of 13 texts" in page.locator(".tx-table [role=status]").inner_text()

    assert sort_by(page, "topic") == "ascending"
    assert column(page, "topic") == [*sorted(topics)[1:], ""], "who has none comes last"
    assert sort_by(page, "topic") == "descending"
    assert column(page, "topic") == [*sorted(topics, reverse=True)[:-1], ""], "last either way"
    assert sort_by(page, "topic") == "none"
    assert numbers(page) == list(range(1, 14))
    assert sort_by(page, "Text") == "ascending"
    assert column(page, "Text") == sorted(texts, key=str.casefold)

    hits = search(page, "something to eat")
    page.locator(".tx-sheet th", has_text="Score").wait_for()
    assert column(page, "Text") == hits, "best first, though rows were sorted otherwise before"
    scores = [float(score) for score in column(page, "Score")]
    assert scores == sorted(scores, reverse=True)
    page.locator(".tx-table").get_by_role("button", name="All texts").click()
    page.wait_for_function("document.querySelectorAll('.tx-sheet tbody tr').length === 13")

    page.locator(".tx-legend button", has_text="food").click()
    page.wait_for_function("document.querySelectorAll('.tx-sheet tbody tr').length === 4")
    assert set(column(page, "topic")) == {"food"}
    page.locator(".tx-legend button", has_text="food").click()
    page.wait_for_function("document.querySelectorAll('.tx-sheet tbody tr').length === 13")

    every = page.get_by_role("checkbox", name="Tick all rows of this page")
    every.check()
    assert "13 ticked" in page.locator(".tx-table [role=status]").inner_text()
    page.get_by_role("checkbox", name="Tick text 1", exact=True).uncheck()
    assert every.evaluate("box => box.indeterminate")
    every.check()
    every.uncheck()
    assert page.locator(".tx-sheet tbody input:checked").count() == 0
    page.locator("#map .tx-save summary").click()
    assert page.get_by_text("PNG of the map").is_hidden(), "there is none to save"
    page.keyboard.press("Escape")
    for row in (2, 5, 7):
        page.get_by_role("checkbox", name=f"Tick text {row}", exact=True).check()
    page.locator(".tx-table").get_by_role("button", name="Select 3 ticked").click()
    page.locator("#tx-panel-Selection h2", has_text="3 texts selected").wait_for()
    assert numbers(page) == [2, 5, 7]
    watched.reload()
    page.wait_for_function("document.querySelectorAll('.tx-sheet tbody tr').length === 3")
    assert numbers(page) == [2, 5, 7], "a reload finds the table as it was"
    page.locator("#map").get_by_role("button", name="Map", exact=True).click()
    page.locator("#map .tx-canvas").wait_for()
    assert bright(page) == {1, 4, 6}
    assert "as=table" not in page.url


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_the_table_is_read_with_the_keyboard_alone(open_page: OpenPage, width: int, scheme: str) -> None:
    page = open_page(width=width, scheme=scheme).page
    as_rows(page)
    assert grave(page) == []
    page.locator(".tx-sheet thead button").last.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    focused = "document.activeElement.closest('tr')?.dataset.row"
    assert page.evaluate(focused) == "3", "one Tab to the rows, then arrows"
    page.keyboard.press("Space")
    assert page.get_by_role("checkbox", name="Tick text 4", exact=True).is_checked()
    page.keyboard.press("Enter")
    assert wait_for_focus(page) == 3
    page.locator("#tx-panel-Neighbours h2", has_text="Nearest 10 texts").wait_for()
    assert page.locator(".tx-sheet tr[data-current]").get_attribute("data-row") == "3"
    page.get_by_role("button", name="Next page").press("Enter")
    page.wait_for_function("document.querySelector('.tx-sheet tbody tr').dataset.row === '50'")
    assert page.evaluate("document.activeElement.ariaLabel") == "Next page"
    assert "51 to 100 of 3,000 texts" in page.locator(".tx-table [role=status]").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert grave(page) == []
    page.locator(".tx-sheet tbody th button").first.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("#map .tx-plot[data-focus='51']", state="attached")
    page.keyboard.press("Escape")
    page.wait_for_selector("#map .tx-plot:not([data-focus])", state="attached")
    assert page.evaluate(focused) == "51", "the keyboard's place stays"
