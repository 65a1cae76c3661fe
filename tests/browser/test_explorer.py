"""The map as a visitor uses it: looked at, clicked, lassoed, searched, coloured, shared."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.conftest import Server
from tests.corpus import files
from ui import theme

from .test_page import (
    PLACES,
    OpenPage,
    choose_file,
    paste,
    points,
    saved,
    view,
    wait_for_points,
    wait_for_status,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.model]

TOPICS = {
    "weather": ["It is sunny", "Rain falls all day", "A cold wind blows", "Snow lies on the hills"],
    "food": ["The soup is salty", "Bread from the oven", "A sweet ripe pear", "Cheese with red wine"],
    "travel": ["The train is late", "A ticket to Lisbon", "We fly at noon", "The ferry crosses the bay"],
}
HOSTILE = '<img src=x onerror="window.attacked = true"> <b>bold</b>'
NO_WEBGL = """
const make = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
  return kind.startsWith("webgl") ? null : make.call(this, kind, ...more);
};
"""


def place_of(page: Page, row: int) -> tuple[float, float]:
    """Where a row's dot is on the screen."""
    x, y = page.evaluate(
        """row => {
          const canvas = document.querySelector("#map .tx-canvas");
          const { xaxis, yaxis } = canvas._fullLayout, frame = canvas.getBoundingClientRect();
          const { x, y } = canvas.data[0];
          const [left, top] = [frame.left + xaxis._offset, frame.top + yaxis._offset];
          return [left + xaxis.l2p(x[row]), top + yaxis.l2p(y[row])];
        }""",
        row,
    )
    return float(x), float(y)


def click_row(page: Page, row: int) -> None:
    x, y = place_of(page, row)
    page.mouse.move(x - 3, y - 3)
    page.mouse.move(x, y)
    page.wait_for_timeout(250)
    page.mouse.click(x, y)


def wait_for_focus(page: Page) -> int:
    page.wait_for_selector("#map .tx-plot[data-focus]", state="attached")
    return int(page.locator("#map .tx-plot").get_attribute("data-focus") or -1)


def tab(page: Page, name: str) -> Any:
    page.locator(".tx-panel").get_by_role("tab", name=name).click()
    return page.locator(f"#tx-panel-{name}")


def search(page: Page, query: str, mode: str = "semantic") -> list[str]:
    """Texts of the hits shown, best first."""
    if page.locator("#tx-mode").input_value() != mode:  # choosing searches at once; Enter then walks on
        page.locator("#tx-mode").select_option(mode)
    page.locator("#tx-query").fill(query)
    page.locator("#tx-query").press("Enter")
    page.wait_for_selector(f"#map .tx-plot[data-found='{mode} {query}']", state="attached")
    return page.locator("#tx-panel-Selection .tx-text").all_inner_texts()


def upload_topics(page: Page, folder: Path) -> list[str]:
    file = folder / "topics.csv"
    rows = [(topic, text) for topic, texts in TOPICS.items() for text in texts]
    with file.open("w", newline="") as sink:
        csv.writer(sink).writerows([("topic", "text"), *rows, ("", HOSTILE)])
    choose_file(page, file)
    page.locator("#embed-file").click()
    wait_for_status(page, "topics.csv")
    wait_for_points(page, 13)
    page.wait_for_selector("#map .tx-plot[data-painted='umap-15-0.1-42 13']", timeout=120_000)
    page.wait_for_timeout(300)
    return [text for _, text in rows] + [HOSTILE]


def test_the_first_screen_is_a_map_with_named_clusters_and_a_list(open_page: OpenPage) -> None:
    page = open_page().page
    assert points(page) == 3000
    assert "all-MiniLM-L6-v2" in page.locator("#badge").inner_text()
    assert "Python's library" in page.locator("#status").inner_text()
    assert theme.CLAIM in page.locator(".masthead").inner_text()
    plot, panel = (page.locator(f"#map {part}").bounding_box() for part in (".tx-plot", ".tx-panel"))
    assert plot is not None
    assert panel is not None
    assert plot["x"] + plot["width"] <= panel["x"]
    assert plot["width"] >= 1.5 * panel["width"]
    tabs = page.locator("#map .tx-panel [role=tab]")
    assert tabs.all_inner_texts() == ["Selection", "Neighbours", "Vector"]
    ways = page.locator("#bring").get_by_role("tab")
    above = [ways.filter(has_text=way) for way in ("Paste", "Upload", "Samples")]
    for shown in (*above, page.locator("#badge"), page.locator("#theme")):
        box = shown.bounding_box()
        assert box is not None
        assert 0 <= box["y"] < box["y"] + box["height"] <= plot["y"]
    seen = page.locator(".tx-labels span").evaluate_all(
        "labels => labels.filter(label => label.style.visibility === 'visible').length"
    )
    assert seen >= 8
    assert page.locator("#tx-panel-Selection h2").inner_text() == "All 3,000 texts"
    assert page.locator("#tx-panel-Selection .tx-row").count() == 50
    page.locator(".tx-more").first.click()
    page.wait_for_function("document.querySelectorAll('#tx-panel-Selection .tx-row').length === 100")
    assert "neighbours stay neighbours" in page.locator(".tx-message").inner_text()


def test_density_is_a_range_and_a_cluster_is_left_bright_and_searched_by_its_own_words(
    open_page: OpenPage,
) -> None:
    page = open_page().page
    page.locator("#tx-colour").select_option(label="density")
    page.locator(".tx-legend", has_text="density").locator(".tx-ramp").wait_for()
    page.wait_for_function("new Set(document.querySelector('#map .tx-canvas').data[0].marker.color).size > 4")
    page.locator("#tx-colour").select_option(label="clusters")
    first = page.locator(".tx-legend button").first
    page.wait_for_function(
        "document.querySelector('.tx-legend span').textContent"
        " === document.querySelector('.tx-labels span').textContent.replaceAll('\u00a0', ' ')"
    )
    size = int(first.locator("small").inner_text().replace(",", ""))
    colours = page.evaluate("document.querySelector('#map .tx-canvas').data[0].marker.color")
    first.click()
    bright = """() => document.querySelector('#map .tx-canvas').data[0].marker.opacity
      .flatMap((one, row) => (one > 0.5 ? [row] : []))"""
    page.wait_for_function(f"size => ({bright})().length === size", arg=size)
    own = page.evaluate(bright)
    assert 0 < size < 3000
    assert len({colours[row] for row in own}) == 1
    page.locator("#map").get_by_role("button", name="Box", exact=True).click()
    frame = page.locator("#map .tx-canvas").bounding_box()
    assert frame is not None
    page.mouse.move(frame["x"] + 2, frame["y"] + 2)
    page.mouse.down()
    page.mouse.move(frame["x"] + frame["width"] - 2, frame["y"] + frame["height"] - 2, steps=4)
    page.mouse.up()
    panel = page.locator("#tx-panel-Selection")
    panel.locator("h2", has_text=f"{size:,} texts selected").wait_for()
    special = panel.locator(".tx-special", has_text="Words more than elsewhere")
    word, counted = (special.locator(f".tx-chip {part}").first.inner_text() for part in ("span", "small"))
    held, total = (int(number.replace(",", "")) for number in counted.split(" of "))
    assert held / size > total / 3000
    special.locator(".tx-chip").first.click()
    page.wait_for_selector(f"#map .tx-plot[data-found='keyword {word}']")
    hits = panel.locator(".tx-text").all_inner_texts()
    assert hits
    assert all(word in text.lower() for text in hits[:5])


def test_a_click_shows_neighbours_and_vector_and_arrows_walk_on(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    texts = upload_topics(page, tmp_path)
    click_row(page, 2)
    assert wait_for_focus(page) == 2
    shown = page.locator("#tx-panel-Neighbours")
    shown.wait_for(state="visible")
    assert shown.locator("blockquote").inner_text() == texts[2]
    assert shown.locator(".tx-row").count() == 10
    scores = [float(score) for score in shown.locator(".tx-score").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)
    assert "Cosine" in shown.locator(".tx-note").inner_text()
    assert page.locator("#map .tx-marks line").count() == 10, "a line to each of ten"
    spot = page.locator("#map .tx-marks circle[fill^='#']").bounding_box()
    assert spot is not None
    x, y = place_of(page, 2)
    assert abs(spot["x"] + spot["width"] / 2 - x) < 1
    assert abs(spot["y"] + spot["height"] / 2 - y) < 1
    nearest = shown.locator(".tx-row").first.get_attribute("data-row")
    near = shown.locator(".tx-text").all_inner_texts()
    heard = page.locator("#map .tx-unseen")
    page.locator("#map .tx-plot").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(f"#map .tx-plot[data-focus='{nearest}']")
    heard.filter(has_text=f"Neighbour 1 of 10, score {scores[0]:.3f}: {near[0]}").wait_for(state="attached")
    page.keyboard.press("ArrowRight")
    heard.filter(has_text=f"Neighbour 2 of 10, score {scores[1]:.3f}: {near[1]}").wait_for(state="attached")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector(f"#map .tx-plot[data-focus='{nearest}']")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("#map .tx-plot[data-focus='2']")
    heard.filter(has_text=f"Where the walk began: {texts[2]}").wait_for(state="attached")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(f"#map .tx-plot[data-focus='{nearest}']")
    vector = tab(page, "Vector")
    assert "384" in vector.locator("dl").inner_text()
    assert vector.locator(".tx-piece").count() > 3
    page.locator("#map .tx-plot").focus()
    page.keyboard.press("Escape")
    page.wait_for_selector("#map .tx-plot:not([data-focus])")


def test_a_tap_on_a_phone_opens_a_dots_neighbours(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(width=390, height=844, touch=True).page
    texts = upload_topics(page, tmp_path)
    page.locator("#map .tx-plot").scroll_into_view_if_needed()
    page.touchscreen.tap(*place_of(page, 9))
    assert wait_for_focus(page) == 9
    assert page.locator("#tx-panel-Neighbours blockquote").inner_text() == texts[9]


def test_a_box_selects_and_says_what_is_special(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    upload_topics(page, tmp_path)
    page.get_by_role("button", name="Box").click()
    places = [place_of(page, row) for row in range(4)]
    left, top = (min(place[axis] for place in places) - 8 for axis in (0, 1))
    right, bottom = (max(place[axis] for place in places) + 8 for axis in (0, 1))
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move((left + right) / 2, (top + bottom) / 2, steps=5)
    page.mouse.move(right, bottom, steps=5)
    page.mouse.up()
    heading = page.locator("#tx-panel-Selection h2")
    heading.filter(has_text="selected").wait_for()
    count = int(re.findall(r"\d+", heading.inner_text())[0])
    assert 4 <= count <= 8
    rows = page.locator("#tx-panel-Selection .tx-row").evaluate_all(
        "rows => rows.map(row => +row.dataset.row)"
    )
    assert {0, 1, 2, 3} <= set(rows)
    topics = page.locator(".tx-column").first
    assert topics.locator("tr.more", has_text="weather").inner_text().split("\t")[-1].strip() == "4 of 4"
    faded = page.evaluate("document.querySelector('#map .tx-canvas').data[0].marker.opacity")
    assert [value > 0.5 for value in faded] == [row in rows for row in range(13)]
    page.locator("#tx-panel-Selection").get_by_role("button", name="Clear", exact=True).click()
    heading.filter(has_text="All 13 texts").wait_for()


def test_a_lasso_takes_what_it_goes_round(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    upload_topics(page, tmp_path)
    page.locator("#map").get_by_role("button", name="Lasso").click()
    x, y = place_of(page, 5)
    round_it = [(x - 9, y - 9), (x + 9, y - 9), (x + 9, y + 9), (x - 9, y + 9), (x - 9, y - 9)]
    page.mouse.move(*round_it[0])
    page.mouse.down()
    for corner in round_it[1:]:
        page.mouse.move(*corner, steps=4)
    page.mouse.up()
    page.locator("#tx-panel-Selection h2").filter(has_text="selected").wait_for()
    near = {
        row
        for row in range(13)
        if max(abs(a - b) for a, b in zip(place_of(page, row), (x, y), strict=True)) < 8
    }
    rows = page.locator("#tx-panel-Selection .tx-row").evaluate_all(
        "rows => rows.map(row => +row.dataset.row)"
    )
    assert 5 in rows
    assert set(rows) == near
    faded = page.evaluate("document.querySelector('#map .tx-canvas').data[0].marker.opacity")
    assert [value > 0.5 for value in faded] == [row in near for row in range(13)]


def test_what_is_unlike_a_text_goes_last_and_scores_are_a_colour(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    texts = upload_topics(page, tmp_path)
    click_row(page, 4)
    wait_for_focus(page)
    page.locator("#tx-panel-Neighbours").get_by_role("button", name="More like this").click()
    page.locator(".tx-chip", has_text=f"+ {texts[4]}").wait_for()
    click_row(page, 0)
    page.wait_for_selector("#map .tx-plot[data-focus='0']")
    tab(page, "Neighbours").get_by_role("button", name="Less like this").click()
    page.locator(".tx-chip", has_text=f"− {texts[0]}").wait_for()
    listed = page.locator("#tx-panel-Selection .tx-row").evaluate_all(
        "rows => rows.map(row => +row.dataset.row)"
    )
    assert listed[0] in range(4, 8), "food comes first"
    assert 0 not in listed[:4]
    page.locator("#tx-colour").select_option("score")
    page.locator("#map .tx-ramp button").first.wait_for()
    colours = page.evaluate("document.querySelector('#map .tx-canvas').data[0].marker.color")
    assert colours[listed[0]] != colours[0], "the best and the worst differ"
    assert len(set(colours)) > 4


def test_nearer_by_more_clusters_have_their_names(open_page: OpenPage) -> None:
    page = open_page().page
    visible = """() => [...document.querySelectorAll('#map .tx-labels span')]
      .filter(label => label.style.visibility === 'visible').map(label => label.textContent)"""
    far = page.evaluate(visible)
    every = page.locator("#map .tx-labels span").all_inner_texts()
    assert set(far) < set(every), "at first not all names have room"
    frame = page.locator("#map .tx-canvas").bounding_box()
    assert frame is not None
    page.mouse.move(frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2)
    before = page.evaluate("document.querySelector('#map .tx-canvas').layout.xaxis.range.join()")
    for _ in range(6):
        page.mouse.wheel(0, -240)
    page.wait_for_function(
        "before => document.querySelector('#map .tx-canvas').layout.xaxis.range.join() !== before", arg=before
    )
    page.wait_for_function(
        "far => [...document.querySelectorAll('#map .tx-labels span')].some("
        "label => label.style.visibility === 'visible' && !far.includes(label.textContent))",
        arg=far,
    )


# Of each name that is shown, which share of its own cluster's dots is below it.
COVERED = """async () => {
  const root = `explorer/data/${new URLSearchParams(location.search).get("data")}`;
  const { layout } = await (await fetch(root)).json();
  const { labels } = await (await fetch(`${root}/clusters/${layout}`)).json();
  const canvas = document.querySelector("#map .tx-canvas"), frame = canvas.getBoundingClientRect();
  const [{ x, y }, { xaxis, yaxis }] = [canvas.data[0], canvas._fullLayout];
  const shown = [...document.querySelectorAll("#map .tx-labels span")].map((name, label) => {
    if (name.style.visibility !== "visible") return [];
    const { left, right, top, bottom } = name.getBoundingClientRect();
    const own = labels.flatMap((one, row) => one === label ? [[frame.left + xaxis.l2p(x[row]), frame.top + yaxis.l2p(y[row])]] : []);
    const below = own.filter(([across, down]) => across > left && across < right && down > top && down < bottom);
    return [[name.textContent.replaceAll("\u00a0", " "), below.length / own.length]];
  });
  return shown.flat();
}"""  # noqa: E501


@pytest.mark.parametrize("width", [1440, 390])
def test_small_clusters_are_seen_beside_their_names(open_page: OpenPage, width: int) -> None:
    page = open_page(width=width, height=900).page
    covered = dict(page.evaluate(COVERED))
    assert len(covered) >= 8
    assert covered["test · mock · doctest"] == covered["codec · mapping · gencodec"] == 0, "these stand alone"
    assert sum(share > 0.5 for share in covered.values()) < len(covered) / 3, "but in the crowd"


def test_another_view_selects_on_the_map(open_page: OpenPage) -> None:
    page = open_page().page
    texts = [text for texts in TOPICS.values() for text in texts]
    paste(page, texts)
    wait_for_status(page, "12 texts")
    wait_for_points(page, 12)
    search(page, "TRAIN", "keyword")
    dataset_id = re.findall(r"data=([^&]+)", page.url)[0]
    page.locator("#views").get_by_role("tab", name="Similarity", exact=True).click()
    page.locator("#map").wait_for(state="hidden")
    page.evaluate(
        """id => {
          const tell = (detail) => document.dispatchEvent(new CustomEvent("tessera:select", { detail }));
          tell({ id: "of other texts", rows: [0], title: "not these", note: "" });
          tell({ id, rows: ["0", -1, 99, null], title: "nor these", note: "" });
          tell({ id, rows: [6, 1, 6, 500], title: "Two that <b>fit</b>", note: "By their taste." });
        }""",
        dataset_id,
    )
    page.locator("#map").wait_for(state="visible")
    chosen = page.locator("#tx-panel-Selection")
    chosen.locator("h2", has_text="Two that <b>fit</b>").wait_for()
    assert chosen.locator(".tx-note").first.inner_text() == "By their taste."
    assert chosen.locator(".tx-text").all_inner_texts() == [texts[6], texts[1]]
    assert page.locator("#tx-query").input_value() == ""
    opacity = page.evaluate("document.querySelector('#map .tx-canvas').data[0].marker.opacity")
    assert [row for row, value in enumerate(opacity) if value > 0.5] == [1, 6]


def test_four_ways_to_search(open_page: OpenPage, tmp_path: Path) -> None:
    watched = open_page()
    page = watched.page
    upload_topics(page, tmp_path)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "tx-query"
    meant = search(page, "a meal")
    assert set(meant[:4]) & set(TOPICS["food"])
    assert len(meant) == 10
    said = page.locator("#tx-panel-Selection .tx-note")
    assert said.inner_text().startswith("Cosine of question and text")
    assert search(page, "TRAIN", "keyword") == ["The train is late"]
    assert said.inner_text().startswith("BM25: ")
    assert search(page, "train", "hybrid")[0] == "The train is late"
    assert said.inner_text().startswith("Reciprocal rank fusion: ")
    assert search(page, "^a ", "regex") == [
        "A cold wind blows", "A sweet ripe pear", "A ticket to Lisbon",
    ]  # fmt: skip
    assert page.get_by_role("button", name="Next hit").is_visible()
    assert search(page, "zebrafish", "keyword") == []
    assert "Try other words" in page.locator("#tx-panel-Selection").inner_text()
    assert page.get_by_role("button", name="Next hit").is_hidden(), "there is none to walk to"
    page.locator("#tx-mode").select_option("regex")
    page.locator("#tx-query").fill("(")
    page.locator("#tx-query").press("Enter")
    page.locator(".tx-found[data-problem] .tx-hits", has_text="no regular expression").wait_for()
    assert "no regular expression" in page.locator("#tx-panel-Selection").inner_text()
    assert page.locator("#tx-panel-Selection .tx-row").count() == 0, "what was found before is no answer"
    watched.complaints = [said for said in watched.complaints if "400" not in said]  # asked for just above
    page.keyboard.press("Escape")
    page.locator("#tx-panel-Selection h2", has_text="All 13 texts").wait_for()
    assert search(page, "zebra", "keyword") == []
    page.keyboard.press("Escape")
    page.locator("#tx-panel-Selection h2", has_text="All 13 texts").wait_for()
    assert page.locator("#tx-query").input_value() == ""


def test_hits_are_walked_through_and_bounded_by_a_score(open_page: OpenPage, tmp_path: Path) -> None:
    watched = open_page()
    page = watched.page
    upload_topics(page, tmp_path)
    search(page, "flying by plane")
    found = page.locator("#tx-panel-Selection .tx-row")
    score, text = (found.first.locator(part).inner_text() for part in (".tx-score", ".tx-text"))
    first, second = (found.nth(place).get_attribute("data-row") for place in (0, 1))
    page.locator("#tx-query").press("Enter")
    page.wait_for_selector(f"#map .tx-plot[data-focus='{first}']")
    heard = page.locator("#map .tx-unseen")
    heard.filter(has_text=f"Hit 1 of 10, score {score}: {text}").wait_for(state="attached")
    page.locator("#tx-query").press("Enter")
    page.wait_for_selector(f"#map .tx-plot[data-focus='{second}']")
    page.locator("#tx-query").press("Shift+Enter")
    page.wait_for_selector(f"#map .tx-plot[data-focus='{first}']")
    page.locator("#tx-threshold").press("Home")
    page.locator(".tx-hits", has_text="13 hits").wait_for()
    page.locator("#tx-threshold").press("End")
    page.locator(".tx-hits", has_text="1 hit").wait_for()
    tab(page, "Neighbours").get_by_role("button", name="More like this").click()
    page.locator("#tx-panel-Selection .tx-chip").first.wait_for()
    assert page.locator("#tx-panel-Selection .tx-row").first.get_attribute("data-row") == first
    assert "mean of the examples" in page.locator("#tx-panel-Selection .tx-note").first.inner_text()


def test_the_scores_are_taken_away_as_a_picture(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    upload_topics(page, tmp_path)
    menu = page.locator("#map .tx-save")
    menu.locator("summary").click()
    assert not menu.get_by_role("button", name="SVG of the scores").is_visible(), "nothing has a score yet"
    menu.locator("summary").click()
    search(page, "a meal")
    written = saved(page, "#map", "SVG of the scores").decode()
    assert "13 texts beside “a meal”" in written
    assert "Cosine, texts a bar" in written
    bars = page.locator("#map .tx-histogram rect").count()
    assert 2 <= bars <= 13
    assert saved(page, "#map", "PNG of the scores").startswith(b"\x89PNG")
    search(page, "soup", "regex")
    menu.locator("summary").click()
    assert not menu.get_by_role("button", name="SVG of the scores").is_visible(), "a match has no score"


def test_colours_legend_and_filter(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    upload_topics(page, tmp_path)
    colours = page.evaluate("document.querySelector('#map .tx-canvas').data[0].marker.color")
    assert len(set(colours)) == 4
    assert len({colours[0], colours[4], colours[8]}) == 3
    page.locator(".tx-legend button", has_text="food").click()
    page.wait_for_function(
        "document.querySelector('#map .tx-canvas').data[0].marker.opacity.filter(one => one > 0.5).length === 4"  # noqa: E501
    )
    search(page, "weather", "keyword")
    assert page.locator(".tx-legend button[aria-pressed='true']").inner_text().startswith("food"), "it stays"
    page.keyboard.press("Escape")
    page.locator("#tx-colour").select_option(label="tokens")
    page.locator(".tx-ramp").wait_for()
    assert "tokens" in page.locator(".tx-legend").inner_text()
    bright = (
        "document.querySelector('#map .tx-canvas').data[0].marker.opacity.filter(one => one > 0.5).length"
    )
    page.wait_for_function(f"{bright} === 13")
    for part in page.locator(".tx-ramp button").all():
        part.click()
        page.wait_for_timeout(50)
    page.wait_for_function(f"{bright} === 13")
    page.locator(".tx-ramp button").last.click()
    page.wait_for_function(f"{bright} < 13 && {bright} > 0")


def test_other_layouts_and_their_settings(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    upload_topics(page, tmp_path)
    before = page.evaluate(PLACES)
    page.evaluate(
        f"""() => {{
          window.frames_seen = [];
          const look = () => (window.frames_seen.push({PLACES}), requestAnimationFrame(look));
          look();
        }}"""
    )
    page.locator("#tx-layout").select_option("pca")
    page.wait_for_selector("#map .tx-plot[data-painted^='pca']")
    flat, seen = page.evaluate(PLACES), page.evaluate("window.frames_seen")
    row = max(range(13), key=lambda row: abs(flat[row] - before[row]))
    way = [(frame[row] - before[row]) / (flat[row] - before[row]) for frame in seen]
    assert any(0.01 < share < 0.99 for share in way), "the dots move there"
    assert way == sorted(way), "and never back"
    assert "two directions hold" in page.locator(".tx-message").inner_text()
    page.locator("#tx-layout").select_option("tsne")
    page.wait_for_selector("#map .tx-plot[data-painted^='tsne']", timeout=120_000)
    page.locator("#tx-layout").select_option("umap")
    page.wait_for_selector("#map .tx-plot[data-painted^='umap-15']")
    assert page.evaluate("[...document.querySelector('#map .tx-canvas').data[0].x]") == before

    def lay_out(**numbers: str) -> list[float]:
        page.locator(".tx-settings summary").click()
        for name, number in numbers.items():
            page.locator(f"#tx-{name}").fill(number)
        page.get_by_role("button", name="Lay out again").click()
        assert page.locator(".tx-settings > div").is_hidden()
        key = "-".join(numbers.values())
        page.wait_for_selector(f"#map .tx-plot[data-painted='umap-{key} 13']", timeout=60_000)
        return list(page.evaluate(PLACES))

    page.locator(".tx-settings summary").click()
    explained = page.locator(".tx-settings .tx-parameter")
    assert explained.locator("input").count() == explained.count() == 4
    for sentence in explained.locator("small").all_inner_texts():
        assert re.fullmatch(r"(UMAP|t-SNE|UMAP, t-SNE): .{20,}\.", sentence)
    page.locator(".tx-settings summary").click()
    one = lay_out(n_neighbors="4", min_dist="0.5", seed="7")
    other = lay_out(n_neighbors="4", min_dist="0.5", seed="8")
    assert other != one, "another seed, another map"
    assert lay_out(n_neighbors="4", min_dist="0.5", seed="7") == one
    assert lay_out(n_neighbors="4", min_dist="0.01", seed="7") != one


def test_an_address_holds_the_view_for_a_reload_and_for_others(
    open_page: OpenPage, server: Server, tmp_path: Path
) -> None:
    watched = open_page()
    page = watched.page
    upload_topics(page, tmp_path)
    page.locator("#tx-colour").select_option(label="density")
    search(page, "a meal")
    page.locator("#tx-panel-Selection .tx-row button").first.click()
    focus = wait_for_focus(page)
    page.wait_for_function("location.search.includes('text=')")
    assert "side=" not in page.url, "what is found is listed by itself"
    page.locator("#tx-tab-Vector").click()
    page.wait_for_function("location.search.includes('side=Vector')")
    address = page.url
    watched.reload()
    for one in (page, open_page(base=address).page):
        one.wait_for_selector(f"#map .tx-plot[data-focus='{focus}']")
        one.wait_for_selector("#tx-tab-Vector[aria-selected=true]")
        assert points(one) == 13
        assert one.locator("#tx-query").input_value() == "a meal"
        assert one.locator("#tx-colour option:checked").inner_text() == "density"
    view(page, "Vectors")
    page.wait_for_function("location.search.includes('view=Vectors')")
    assert "model=sentence-transformers" in page.url
    watched.reload()
    page.wait_for_selector("#views [role=tab][aria-selected=true]:has-text('Vectors')")
    view(page, "Map")
    page.wait_for_function("!location.search.includes('view=')")
    assert points(page) == 13
    lost = open_page(base=f"{server.base}/?data=nobody-has-this")
    wait_for_status(lost.page, "no longer here")
    assert points(lost.page) == 3000


def test_a_reload_keeps_selection_threshold_and_examples(open_page: OpenPage, tmp_path: Path) -> None:
    watched = open_page()
    page = watched.page
    upload_topics(page, tmp_path)
    shown = page.locator("#tx-panel-Selection")
    search(page, "a meal")
    page.locator("#tx-threshold").press("Home")
    page.wait_for_function("location.search.includes('least=')")
    shown.locator("h2", has_text="13 hits").wait_for()
    watched.reload()
    shown.locator("h2", has_text="13 hits").wait_for()
    page.get_by_role("button", name="Clear", exact=True).first.click()
    shown.locator(".tx-row button").nth(1).click()
    focus = wait_for_focus(page)
    page.locator("#tx-panel-Neighbours").get_by_role("button", name="Less like this").click()
    page.wait_for_function(f"new URLSearchParams(location.search).get('unlike') === '{focus}'")
    watched.reload()
    shown.locator("h3", has_text="Like and unlike").wait_for()
    shown.locator(".tx-chip", has_text="−").wait_for()
    # As another view does it: their order is to stay, and a lasso has none of its own.
    page.evaluate(
        "document.dispatchEvent(new CustomEvent('tessera:select',"
        " { detail: { id: new URLSearchParams(location.search).get('data'), rows: [4, 2, 7] } }))"
    )
    page.wait_for_function("new URLSearchParams(location.search).get('rows') === '4.2.7'")
    watched.reload()
    shown.locator("h2", has_text="3 texts selected").wait_for()


RANGE = "document.querySelector('#map .tx-canvas')._fullLayout.xaxis.range.map(Number)"


def test_a_reload_keeps_what_the_legend_leaves_and_the_part_looked_at(
    open_page: OpenPage, tmp_path: Path
) -> None:
    watched = open_page()
    page = watched.page
    upload_topics(page, tmp_path)
    page.locator(".tx-legend button", has_text="food").click()
    page.wait_for_function("location.search.includes('only=')")
    frame = page.locator("#map .tx-canvas").bounding_box()
    assert frame is not None
    page.mouse.move(frame["x"] + frame["width"] / 3, frame["y"] + frame["height"] / 3)
    assert "at=" not in page.url, "all is looked at"
    page.mouse.wheel(0, -400)
    page.wait_for_function("location.search.includes('at=')")
    page.wait_for_timeout(600)
    before = page.evaluate(RANGE)
    watched.reload()
    page.wait_for_function(
        f"before => {RANGE}.every((end, place) => Math.abs(end - before[place]) < 0.01)", arg=before
    )
    assert page.locator(".tx-legend button[aria-pressed='true']").inner_text().startswith("food")
    opacity = page.evaluate("document.querySelector('#map .tx-canvas').data[0].marker.opacity")
    assert sum(one > 0.5 for one in opacity) == 4
    page.get_by_role("button", name="Show all", exact=True).click()
    page.wait_for_function("!location.search.includes('at=')")
    page.locator(".tx-legend button", has_text="food").click()
    page.wait_for_function("!location.search.includes('only=')")


def test_hits_are_larger_than_what_fades(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    upload_topics(page, tmp_path)
    search(page, "soup", "regex")
    sizes, opacity = page.evaluate(
        "(({ marker }) => [marker.size, marker.opacity])(document.querySelector('#map .tx-canvas').data[0])"
    )
    hits = {size for size, one in zip(sizes, opacity, strict=True) if one > 0.5}
    assert len(hits) == 1
    assert hits.pop() == max(sizes) > 1.9 * min(sizes)
    page.keyboard.press("Escape")
    page.wait_for_function("document.querySelector('#map .tx-canvas').data[0].marker.size === 14")


def test_texts_are_never_markup(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    texts = upload_topics(page, tmp_path)
    page.locator(".tx-row", has_text="onerror").locator("button").click()
    assert wait_for_focus(page) == len(texts) - 1
    x, y = place_of(page, len(texts) - 1)
    page.mouse.move(x - 3, y - 3)
    page.mouse.move(x, y)
    page.locator(".tx-card").wait_for(state="visible")
    assert HOSTILE in page.locator(".tx-card").inner_text()
    tab(page, "Vector")
    assert page.locator(".tx img, .tx-row b, .tx-card div > div b").count() == 0
    assert page.evaluate("window.attacked") is None


def test_without_webgl_there_is_a_smaller_map_and_a_sentence(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(script=NO_WEBGL).page
    assert page.evaluate("document.querySelector('#map .tx-canvas').data[0].type") == "scatter"
    assert "no WebGL" in page.locator(".tx-message").inner_text()
    assert page.locator("#map .scatterlayer .point").count() == 3000
    assert "are drawn" not in page.locator(".tx-message").inner_text()
    rng = np.random.default_rng(11)
    texts = [f"a text, number {row}" for row in range(5000)]
    own = {"text": np.array(texts), "x": np.arange(5000.0), "y": rng.normal(size=5000)}
    file = tmp_path / "many.npz"
    file.write_bytes(files.npz(vectors=rng.normal(size=(5000, 8)).astype(np.float32), **own))
    choose_file(page, file)
    page.locator("#embed-file", has_text="Show this file").click()
    page.wait_for_selector("#map .tx-plot[data-painted='file 5000']")
    assert points(page) == 3000
    assert page.locator("#map .scatterlayer .point").count() == 3000
    said = page.locator(".tx-message").inner_text()
    assert "3,000 of them are drawn, all are searched." in said
    assert "no WebGL, so the map is drawn more slowly" in said
    undrawn = min(set(range(5000)) - set(map(round, page.evaluate(PLACES))))
    assert search(page, f"number {undrawn}$", "regex") == [texts[undrawn]], "all are searched"


def test_points_are_painted_while_others_still_wait(open_page: OpenPage) -> None:
    watched = open_page()
    page = watched.page
    words = "it is a long and winding road through many different sentences about subject number "
    paste(page, [f"{words}{i}" for i in range(3000)])
    # Their address is there before anything of them is: the map still shows the sample.
    painted = page.wait_for_function(
        "!location.search.includes('data=sample') && document.querySelector('#map .tx-plot').dataset.painted"
    )
    assert str(painted.json_value()).startswith("umap")
    coming = page.evaluate("new URLSearchParams(location.search).get('data')")
    watched.reload()
    wait_for_status(page, "a second")
    page.wait_for_function(
        "(() => { const n = document.querySelector('#map .tx-canvas').data[0].x.length; return n < 3000; })()"
    )
    assert "of 3,000 texts" in page.locator("#status").inner_text()
    page.wait_for_function("location.search.includes('layout=')")
    assert page.evaluate("new URLSearchParams(location.search).get('data')") == coming
    watched.leave_for(f"{page.url}&as=table&q=road&mode=keyword")
    wait_for_status(page, "of 3,000 texts")
    assert page.evaluate("new URLSearchParams(location.search).get('data')") == coming
    assert points(page) < 3000
    watched.reload()
    page.locator("#tx-panel-Selection h2", has_text="so far").wait_for()
    page.wait_for_timeout(500)
    assert "&as=table&q=road&mode=keyword" in page.url, "what is asked of them is asked until all are there"
    page.locator("#cancel").click()
    wait_for_status(page, "Cancelled")
    wait_for_points(page, 3000)
    assert "Python's library" in page.locator("#status").inner_text()


def grounds_of(picture: str) -> list[int]:
    """How bright the grounds of an SVG are, 0 to 255: of the sheet, and of each figure of plotly's on it."""
    ground = r"<svg [^>]*>\s*<rect [^>]*(?:\"100%\" fill=\"|style=\"fill: )rgb\((\d+), (\d+), (\d+)\)"
    colours = re.findall(ground, picture)
    return [max(map(int, colour)) for colour in colours]


def opened_offline(watched_page: OpenPage, file: Path, **wanted: Any) -> Page:
    """A saved map of the topics, in a browser without a network."""
    page = watched_page(**wanted).page
    page.context.set_offline(True)
    page.goto(file.as_uri())
    page.wait_for_selector(".tx-plot[data-painted='13']")
    return page


def test_a_map_is_taken_away_and_opens_offline(
    open_page: OpenPage, watched_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page().page
    texts = upload_topics(page, tmp_path)
    saved: dict[str, Path] = {}
    tables = {
        "JSONL": b"{",
        "Parquet": b"PAR1",
        "NPZ (numpy)": b"PK",
        "TSV pair (Embedding Projector)": b"PK",
    }
    for name in ("CSV", "HTML, opens offline", "PNG of the map", "SVG of the map", *tables):
        page.locator("#map .tx-save summary").click()
        with page.expect_download() as downloading:
            page.locator("#map .tx-save").get_by_text(name, exact=True).click()
        saved[name] = tmp_path / downloading.value.suggested_filename
        downloading.value.save_as(saved[name])
    with saved["CSV"].open(newline="") as source:
        assert [row["text"] for row in csv.DictReader(source)] == texts
    assert saved["PNG of the map"].read_bytes().startswith(b"\x89PNG")
    drawing = saved["SVG of the map"].read_text()
    assert drawing.startswith("<svg")
    assert drawing.count('<path class="point"') == 13, "dots are shapes, not a picture of dots"
    light = grounds_of(drawing)
    assert len(light) == 2
    assert min(light) > 200
    page.locator("#theme").click()
    page.wait_for_function("document.body.classList.contains('dark')")
    page.locator("#map .tx-save summary").click()
    with page.expect_download() as downloading:
        page.locator("#map .tx-save").get_by_text("SVG of the map", exact=True).click()
    dark = grounds_of(downloading.value.path().read_text())
    assert len(dark) == 2
    assert max(dark) < 40, "dark in the dark"
    for name, beginning in tables.items():
        written = saved[name].read_bytes()
        assert written.startswith(beginning)
        assert len(written) > 13 * 384 * 4 * 0.8, "with all vectors"
    alone = opened_offline(watched_page, saved["HTML, opens offline"])
    assert alone.locator(".tx-legend button").count() == 4
    alone.locator(".tx-legend button", has_text="food").click()
    shown = "document.querySelector('.tx-canvas').data[0].marker.opacity.filter(one => one > 0.5).length"
    alone.wait_for_function(f"{shown} === 4")
    assert alone.evaluate("window.attacked") is None


def test_the_colour_is_chosen_by_all_texts_and_not_by_the_first_to_come(
    open_page: OpenPage, tmp_path: Path
) -> None:
    """Of the first hundreds, sorted, a column may have one value; it's the best one all the same."""
    page = open_page().page
    file = tmp_path / "sorted.csv"
    with file.open("w", newline="") as sink:
        writer = csv.writer(sink)
        writer.writerow(["number", "topic", "text"])
        for row in range(1600):
            topic = ("sea", "hill", "town", "sky")[row // 400]
            writer.writerow([f"n{row // 40}", topic, f"a long and quiet story of the {topic}, number {row}"])
    choose_file(page, file)
    page.locator("#embed-file").click()
    wait_for_points(page, 1600)
    page.wait_for_function("document.querySelector('#tx-colour').selectedOptions[0].textContent === 'topic'")
    assert len(page.locator(".tx-legend button").all()) == 4
    page.wait_for_selector("#map .tx-plot[data-painted^='umap']", timeout=120_000)
    assert page.locator("#tx-colour option:checked").inner_text() == "topic"


def test_a_selection_of_many_is_in_the_address_by_a_key(open_page: OpenPage) -> None:
    watched = open_page()
    page = watched.page
    page.wait_for_function("location.search.includes('data=')")
    # As another view does it, so that the order is known.
    page.evaluate(
        "document.dispatchEvent(new CustomEvent('tessera:select', { detail: {"
        " id: new URLSearchParams(location.search).get('data'), rows: [...Array(400).keys()].reverse() } }))"
    )
    page.wait_for_function("location.search.includes('selection=')")
    assert "rows=" not in page.url
    address = page.url
    watched.reload()
    for one in (page, open_page(base=address).page):
        one.locator("#tx-panel-Selection h2", has_text="400 texts selected").wait_for()
        assert one.locator("#tx-panel-Selection .tx-row").first.get_attribute("data-row") == "399"
