"""The map in three dimensions, contours, names and menus, as a visitor uses them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .test_explorer import NO_WEBGL, opened_offline, upload_topics, wait_for_focus
from .test_page import OpenPage, saved

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.model]

FLAT = "#map .tx-plot[data-painted='umap-15-0.1-42 13']"
SPACE = "#map .tx-plot[data-painted='umap-15-0.1-42-3d 13']"
# Where every dot of the space is on the screen, by the camera's matrices.
PLACES = """() => {
  const canvas = document.querySelector("#map .tx-space"), frame = canvas.getBoundingClientRect();
  const { dataScale, glplot } = canvas._fullLayout.scene._scene;
  const { model, view, projection } = glplot.cameraParams;
  const { x, y, z } = canvas.data[0];
  const through = (point, matrix) => [0, 1, 2, 3].map((row) => point.reduce((sum, value, column) => sum + matrix[4 * column + row] * value, 0));
  return [...x].map((_, row) => {
    const at = [x[row], y[row], z[row]].map((value, axis) => value * dataScale[axis]);
    const [left, top, , near] = [model, view, projection].reduce(through, [...at, 1]);
    return [frame.left + (0.5 + left / near / 2) * frame.width, frame.top + (0.5 - top / near / 2) * frame.height];
  });
}"""  # noqa: E501


def places(page: Page) -> list[tuple[float, float]]:
    """Where the dots are once they stand still: the camera moves for a while after they are painted."""
    spots: list[tuple[float, float]] = []
    for _ in range(60):
        now = [(float(x), float(y)) for x, y in page.evaluate(PLACES)]
        if now == spots:
            return spots
        spots = now
        page.wait_for_timeout(500)
    raise AssertionError("the dots never stand still")


def most_alone(spots: list[tuple[float, float]]) -> int:
    """The row whose dot is farthest from any other one."""

    def room(row: int) -> float:
        x, y = spots[row]
        return min((x - a) ** 2 + (y - b) ** 2 for other, (a, b) in enumerate(spots) if other != row)

    return max(range(len(spots)), key=room)


def into_space(page: Page) -> None:
    page.get_by_role("button", name="3-D", exact=True).click()
    page.wait_for_selector(SPACE, timeout=120_000)


def test_a_space_is_turned_clicked_shared_and_left_again(
    open_page: OpenPage, watched_page: OpenPage, tmp_path: Path
) -> None:
    watched = open_page()
    page = watched.page
    texts = upload_topics(page, tmp_path)
    into_space(page)
    drawn = page.evaluate(
        "(({ type, x, y, z }) => [type, x.length, y.length, new Set(z).size])"
        "(document.querySelector('#map .tx-space').data[0])"
    )
    assert drawn == ["scatter3d", 13, 13, 13]
    assert page.locator("#map .tx-canvas").is_hidden()
    assert "Drag to turn it" in page.locator(".tx-message").inner_text()
    assert page.get_by_role("button", name="Lasso").is_disabled()
    before = places(page)
    frame = page.locator("#map .tx-plot").bounding_box()
    assert frame is not None
    assert all(frame["x"] < x < frame["x"] + frame["width"] for x, _ in before), "all is in view"
    assert all(frame["y"] < y < frame["y"] + frame["height"] for _, y in before)
    row = most_alone(before)
    x, y = before[row]
    page.mouse.move(x - 4, y - 4)
    page.mouse.move(x, y)
    card = page.locator(".tx-card")
    card.filter(has_text=texts[row]).wait_for()
    page.mouse.click(x, y)
    assert wait_for_focus(page) == row
    assert page.locator("#tx-panel-Neighbours blockquote").inner_text() == texts[row]
    assert page.evaluate("document.querySelector('#map .tx-space').data[1].x.length") == 30
    unturned = page.evaluate(f"JSON.stringify(({PLACES})())")
    corner = (frame["x"] + 12, frame["y"] + 12)
    page.mouse.move(*corner)
    page.mouse.down()
    page.mouse.move(corner[0] + 120, corner[1] + 40, steps=6)
    page.mouse.up()
    page.wait_for_function(f"before => JSON.stringify(({PLACES})()) !== before", arg=unturned)
    written = saved(page, "#map", "SVG of the map").decode()
    assert written.startswith("<svg")
    assert len(re.findall(r"<image [^>]*data:image/png;base64,([^\"]{2000,})", written)) == 1, (
        "dots as a picture"
    )
    (tmp_path / "space.html").write_bytes(saved(page, "#map", "HTML, opens offline"))
    page.wait_for_function("location.search.includes('layout=umap-15-0.1-42-3d')")
    page.wait_for_function("location.search.includes('at=')")
    turned = places(page)
    watched.reload()
    page.wait_for_selector(f"{SPACE}[data-focus='{row}']")
    again = places(page)
    assert all(
        abs(a - b) < 3
        for one, other in zip(turned, again, strict=True)
        for a, b in zip(one, other, strict=True)
    )
    page.get_by_role("button", name="2-D", exact=True).click()
    page.wait_for_selector(FLAT)
    assert page.locator("#map .tx-space").is_hidden()
    page.wait_for_function("document.querySelectorAll('#map .tx-marks line').length === 10")
    assert page.get_by_role("button", name="Lasso").is_enabled()
    alone = opened_offline(watched_page, tmp_path / "space.html")
    drawn = alone.evaluate("(({ type, x }) => [type, x.length])(document.querySelector('.tx-space').data[0])")
    assert drawn == ["scatter3d", 13]


def test_pca_and_tsne_have_a_third_direction_too(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    upload_topics(page, tmp_path)
    into_space(page)
    page.locator("#tx-layout").select_option("pca")
    page.wait_for_selector("#map .tx-plot[data-painted='pca-3d 13']")
    assert "these three directions hold" in page.locator(".tx-message").inner_text()
    page.locator("#tx-layout").select_option("tsne")
    page.wait_for_selector("#map .tx-plot[data-painted='tsne-30-42-3d 13']", timeout=120_000)
    assert page.get_by_role("button", name="3-D", exact=True).get_attribute("aria-pressed") == "true"
    page.wait_for_function("location.search.includes('layout=tsne-30-42-3d')")


def test_a_search_fades_the_dots_of_a_space(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    upload_topics(page, tmp_path)
    into_space(page)
    page.locator("#tx-mode").select_option("keyword")
    page.locator("#tx-query").fill("TRAIN")
    page.locator("#tx-query").press("Enter")
    page.wait_for_selector("#map .tx-plot[data-found='keyword TRAIN']")
    colours = page.evaluate("[...document.querySelector('#map .tx-space').data[0].marker.color]")
    strengths = [float(colour.rstrip(")").rpartition(",")[2]) for colour in colours]
    assert [row for row, strength in enumerate(strengths) if strength > 0.5] == [8]


def test_without_webgl_a_space_is_said_to_be_impossible(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(script=NO_WEBGL).page
    upload_topics(page, tmp_path)
    page.get_by_role("button", name="3-D", exact=True).click()
    page.locator(".tx-message", has_text="no WebGL, which a map in 3-D needs").wait_for()
    assert page.locator(FLAT).count() == 1


def test_contours_and_names_are_chosen_and_kept_by_the_address(open_page: OpenPage) -> None:
    watched = open_page()
    page = watched.page
    contour = "document.querySelector('#map .tx-canvas').data[1]"
    assert page.evaluate(f"{contour}.visible") is False
    keywords = page.locator(".tx-labels span").all_inner_texts()
    page.locator(".tx-view summary").click()
    page.get_by_label("Density contours").check()
    page.wait_for_function(f"{contour}.visible === true")
    shape = page.evaluate(f"[{contour}.z.length, {contour}.z[0].length, Math.max(...{contour}.z.flat())]")
    assert shape == [128, 128, 1]
    assert page.locator("#map .contourlayer path").count() > 3
    page.locator("#tx-names").select_option("nearest")
    named = page.locator(".tx-labels span").all_inner_texts()
    assert len(named) == len(keywords)
    assert named != keywords
    page.wait_for_function(
        "location.search.includes('contours=1') && location.search.includes('names=nearest')"
    )
    watched.reload()
    page.wait_for_function(f"{contour}.visible === true")
    page.wait_for_function("document.querySelector('.tx-labels').classList.contains('texts')")
    page.locator(".tx-view summary").click()
    page.get_by_label("Density contours").uncheck()
    page.wait_for_function(f"{contour}.visible === false")
    page.locator("#tx-names").select_option("none")
    assert page.locator(".tx-labels span").count() == 0


@pytest.mark.parametrize("width", [390, 820, 1440])
def test_menus_fit_the_window_and_close_by_escape_and_elsewhere(open_page: OpenPage, width: int) -> None:
    page = open_page(width=width, height=844).page
    for name in ("settings", "axes", "view", "save"):
        summary = page.locator(f"#map .tx-{name} summary")
        summary.press("Enter")  # on a phone the menu that is open lies over other buttons
        # One at a time, and all of it within the window: by `toggle`, which comes in its own time.
        page.wait_for_function(
            """([name, width]) => {
              const open = document.querySelectorAll("#map details[open]");
              const box = document.querySelector(`#map .tx-${name} > div`).getBoundingClientRect();
              return open.length === 1 && box.width > 0 && box.left >= 0 && box.right <= width;
            }""",
            arg=[name, width],
        )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("Escape")
    assert page.locator("#map details[open]").count() == 0
    assert page.evaluate("document.activeElement.parentElement.className") == "tx-menu tx-save"
    summary.click()
    page.locator(".tx-message").click()
    assert page.locator("#map details[open]").count() == 0
