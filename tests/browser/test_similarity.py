"""The similarity view as a visitor uses it: heat map, two texts, lists, files."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import pixels
from .test_page import OpenPage, code_of, paste, view, wait_for_points, wait_for_status

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.model]

HOSTILE = '<img src=x onerror="window.attacked = true"> <b>bold</b>'
FOURTEEN = [
    "The weather is lovely today.",
    "It's so sunny outside!",
    "He drove to the stadium.",
    "The weather is lovely today.",
    "The weather is lovely today!",
    HOSTILE,
    "我爱北京天安门",
    "مرحبا بالعالم",
    "Der Hund schläft 🐶",
    "Bread from the oven",
    "Bread out of the oven",
    "A ticket to Lisbon",
    "The ferry crosses the bay",
    "pi",
]
HEAT = "#similarity-view .sx-heat"


def bring(page: Page, texts: list[str]) -> None:
    """Paste, and look at their heat map."""
    paste(page, texts)
    wait_for_status(page, f"{len(texts)} text")
    wait_for_points(page, len(texts))
    view(page, "Similarity")
    page.wait_for_selector(f"{HEAT}[data-painted$=' {len(texts)}']")


def drawn(page: Page) -> tuple[list[int], list[list[float]]]:
    """Rows in the order of the heat map, and what it holds."""
    z = page.evaluate(f"document.querySelector('{HEAT} .sx-canvas').data[0].z")
    numbers = page.evaluate(f"document.querySelector('{HEAT} .sx-canvas').layout.xaxis.ticktext")
    return [int(number) - 1 for number in numbers], z


def click_cell(page: Page, row: int, column: int) -> None:
    x, y = page.evaluate(
        """([selector, row, column]) => {
          const canvas = document.querySelector(`${selector} .sx-canvas`);
          const { xaxis, yaxis } = canvas._fullLayout, frame = canvas.getBoundingClientRect();
          return [frame.left + xaxis._offset + xaxis.l2p(column), frame.top + yaxis._offset + yaxis.l2p(row)];
        }""",
        [HEAT, row, column],
    )
    page.mouse.move(x - 2, y - 2)
    page.mouse.move(x, y)
    page.wait_for_timeout(150)
    page.mouse.click(x, y)


def listed(page: Page, name: str, panel: str) -> Any:
    page.locator("#similarity-view").get_by_role("tab", name=name).click()
    page.wait_for_selector(f"#sx-panel-{panel}[data-found]")
    return page.locator(f"#sx-panel-{panel}")


def selected(page: Page) -> list[int]:
    """Rows in the list of the map's selection, once the map is there."""
    page.locator("#map").wait_for(state="visible")
    page.locator("#tx-panel-Selection").get_by_role("button", name="Clear", exact=True).wait_for()
    rows = page.locator("#tx-panel-Selection .tx-row")
    return [int(row) for row in rows.evaluate_all("rows => rows.map(row => row.dataset.row)")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_numbers_are_dark_on_bright_cells_and_bright_on_dark_ones(open_page: OpenPage, scheme: str) -> None:
    page = open_page(scheme=scheme).page
    bring(page, FOURTEEN)
    colours = page.evaluate(
        f"""() => [...document.querySelectorAll("{HEAT} .heatmap-label text")]
          .map((text) => [Number(text.textContent), getComputedStyle(text).fill])"""
    )
    assert len(colours) == 14 * 14
    assert {colour for number, colour in colours if number > 0.95} == {"rgb(24, 24, 27)"}  # on yellow
    assert {colour for number, colour in colours if number < 0.2} == {"rgb(255, 255, 255)"}  # on violet


def test_the_heat_map_holds_the_models_cosines_and_a_cell_is_explained(open_page: OpenPage) -> None:
    page = open_page().page
    bring(page, FOURTEEN)
    order, z = drawn(page)
    assert sorted(order) == list(range(14))
    place = {row: at for at, row in enumerate(order)}
    assert z[place[0]][place[1]] == pytest.approx(0.6660, abs=1e-3)  # the model card's own quick start
    assert z[place[0]][place[2]] == pytest.approx(0.1046, abs=1e-3)
    assert abs(place[0] - place[3]) == 1, "equal texts stand side by side"
    tree = page.evaluate(f"document.querySelector('{HEAT} .sx-canvas').data[1].x.length")
    assert tree == 13 * 5
    click_cell(page, place[0], place[2])
    pair = page.locator("#sx-panel-pair")
    page.wait_for_selector("#sx-panel-pair[data-explained='0 2']")
    assert pair.locator("h2").inner_text() == "Cosine 0.1046"
    assert pair.locator(".sx-words").all_inner_texts() == [FOURTEEN[0], FOURTEEN[2]]
    assert [word.lower() for word in pair.locator(".sx-shared").all_inner_texts()] == ["the", "the"]
    assert "Leave-one-out" in pair.locator(".sx-legend").inner_text()
    parts = pair.locator(".sx-part")
    assert parts.all_inner_texts()[:5] == ["The", "weather", "is", "lovely", "today"]
    parts.nth(1).hover()
    said = pair.locator(".sx-number").inner_text()
    assert "weather" in said
    added = float(parts.nth(1).get_attribute("data-added") or "nan")
    assert f"{0.1046 - added:.2f}" in said
    parts.first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert "“is”" in pair.locator(".sx-number").inner_text()
    pair.get_by_role("button", name="Show on the map").click()
    assert selected(page) == [0, 2]


def test_cells_and_scale_stay_though_the_address_changes(open_page: OpenPage) -> None:
    page = open_page().page
    bring(page, FOURTEEN)

    def colourful() -> list[float]:
        """The share of coloured dots in the cells, and in the scale below them."""
        area = page.locator(f"{HEAT} .nsewdrag").first.bounding_box()
        shown = pixels(page.locator(HEAT))
        frame = page.locator(HEAT).bounding_box()
        assert area is not None
        assert frame is not None
        end = int(area["y"] - frame["y"] + area["height"])
        return [
            float((part.max(axis=2) - part.min(axis=2) > 0.15).mean()) for part in (shown[:end], shown[end:])
        ]

    before = colourful()
    assert before[0] > 0.3
    assert before[1] > 0.01
    page.evaluate("history.replaceState(null, '', `${location.search}&elsewhere=1`)")
    # As when one comes back from another view: the browser looks up anew what cells are clipped by.
    page.locator(HEAT).evaluate("heat => { heat.hidden = true; heat.offsetWidth; heat.hidden = false; }")
    page.wait_for_timeout(300)
    assert colourful() == pytest.approx(before, rel=0.05)


def test_cells_are_reached_by_keys_and_texts_are_never_markup(open_page: OpenPage) -> None:
    page = open_page().page
    bring(page, FOURTEEN)
    order, z = drawn(page)
    at = order.index(5)
    page.locator(HEAT).focus()
    page.keyboard.press("ArrowRight")  # the first row, second column
    for _ in range(at):
        page.keyboard.press("ArrowDown")
    page.locator(f"{HEAT} .sx-card").wait_for(state="visible")
    assert HOSTILE in page.locator(f"{HEAT} .sx-card").inner_text()
    said = page.locator("#similarity-view .tx-unseen").text_content() or ""
    assert said.startswith(f"{z[at][1]:.3f}")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#sx-panel-pair[data-explained='5 {order[1]}']")
    assert page.locator("#sx-panel-pair .sx-words").first.inner_text() == HOSTILE
    assert page.locator("#similarity-view").locator("img").count() == 0
    assert page.evaluate("window.attacked") is None
    labels = page.locator(f"{HEAT} .ytick text").all_text_contents()
    assert all(label[0] + label[-1] == "\u2068\u2069" for label in labels), "each in its own direction"
    assert any(label[1:].startswith("<img") for label in labels)
    assert any("我爱北京" in label for label in labels)
    assert any("🐶" in label for label in labels)


OVERLAPS = """selector => {
  const boxes = [...document.querySelectorAll(selector)].map(text => text.getBoundingClientRect());
  boxes.sort((one, other) => one.top - other.top);
  return boxes.filter((box, place) => place && box.top < boxes[place - 1].bottom - 1).length;
}"""


def test_sixty_names_stand_apart_from_each_other_and_a_cell_is_code(open_page: OpenPage) -> None:
    page = open_page().page
    texts = [
        f"{text} And more of it, to be a name that is cut, number {n}" for n in range(5) for text in FOURTEEN
    ]
    bring(page, texts[:60])
    names = f"{HEAT} .ytick text"
    order, _ = drawn(page)
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(
            "([selector, width]) => document.querySelector(selector).layout.margin.l < 0.45 * width",
            arg=[f"{HEAT} .sx-canvas", width],
        )
        page.wait_for_timeout(500)
        assert page.locator(names).count() == 60
        assert page.evaluate(OVERLAPS, names) == 0
        heat = page.locator(f"{HEAT} .heatmaplayer image").first.bounding_box()
        assert heat is not None
        ends = page.evaluate(
            "all => [...document.querySelectorAll(all)].map(text => text.getBoundingClientRect().right)",
            names,
        )
        assert max(ends) <= heat["x"], "nor do they stand on the cells"
    page.set_viewport_size({"width": 1440, "height": 900})
    page.wait_for_timeout(500)
    click_cell(page, 3, 40)
    page.wait_for_selector(f"#sx-panel-pair[data-explained='{order[3]} {order[40]}']", timeout=60_000)
    view(page, "Code")
    page.locator("#views .note .status", has_text="two texts, and how alike they are").wait_for()
    page.wait_for_timeout(300)
    written = code_of(page, "Python package")
    assert "cosine_similarity" in written
    assert all(repr(texts[order[place]])[1:-1] in written for place in (3, 40))


def test_lists_select_on_the_map(open_page: OpenPage) -> None:
    page = open_page().page
    bring(page, FOURTEEN)
    pairs = listed(page, "Most similar", "pairs")
    first = pairs.locator(".tx-row").first
    assert [text.rstrip(".!") for text in first.locator(".tx-text").all_inner_texts()] == [
        FOURTEEN[0][:-1]
    ] * 2
    assert "1 text equal to one before" in pairs.locator(".tx-note").first.inner_text()
    pairs.locator("#sx-equal").check()
    pairs.locator(".tx-row", has_text="1.000").first.wait_for()
    first.locator("button").first.click()
    assert selected(page) == [0, 3]
    assert "Two texts, cosine 1.000" in page.locator("#tx-panel-Selection h2").inner_text()
    view(page, "Similarity")
    pairs.locator("#sx-equal").uncheck()
    page.wait_for_timeout(500)
    pairs.get_by_role("button", name="Compare").nth(1).click()
    page.wait_for_selector("#sx-panel-pair[data-explained='9 10']")
    outliers = listed(page, "Outliers", "outliers")
    scores = [float(score) for score in outliers.locator(".tx-score").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 14
    assert "10th nearest" in outliers.locator(".tx-note").inner_text()
    outliers.locator("#sx-k").fill("1")
    outliers.locator("#sx-k").press("Enter")
    page.wait_for_selector("#sx-panel-outliers[data-found='1 14']")
    assert float(outliers.locator(".tx-score").last.inner_text()) == 0, "an equal text has a neighbour at 0"
    outliers.get_by_role("button", name="Show all on the map").click()
    assert len(selected(page)) == 14


def test_near_duplicates_are_counted_as_the_slider_moves_and_one_of_each_is_kept(
    open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page().page
    bring(page, FOURTEEN)
    groups = listed(page, "Near-duplicates", "groups")

    def least(value: float) -> str:
        groups.locator("#sx-least").fill(str(value))  # a step is too small to be dragged to
        page.wait_for_selector(f"#sx-panel-groups[data-found^='{value:.3f}']")
        return str(groups.locator(".sx-count").inner_text())

    assert least(1).startswith("0 pairs in 1 group")
    assert "equal letter for letter" in groups.locator(".tx-row").first.inner_text()
    said = least(0.9)
    assert "in 2 groups; to keep one of each, 3 texts would go" in said
    assert "1 text equal to one before" in said
    rows = groups.locator(".tx-row")
    assert [rows.nth(at).locator(".sx-size").inner_text() for at in (0, 1)] == ["3 texts", "2 texts"]
    groups.locator("summary", has_text="Keep one").click()
    with page.expect_download() as download:
        groups.get_by_role("link", name="Texts that stay, CSV").click()
    download.value.save_as(tmp_path / "kept.csv")
    kept = [row["text"] for row in csv.DictReader((tmp_path / "kept.csv").read_text().splitlines())]
    assert kept == [text for row, text in enumerate(FOURTEEN) if row not in (3, 4, 10)]
    groups.locator("summary", has_text="Keep one").click()
    with page.expect_download() as download:
        groups.get_by_role("link", name="Texts that go, JSONL").click()
    gone = [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()]
    assert [line["kept_number"] for line in gone] == [1, 1, 10]
    rows.first.locator("button").first.click()
    assert selected(page) == [0, 3, 4]


def test_a_reload_keeps_what_is_shown_and_the_list_with_its_settings(open_page: OpenPage) -> None:
    watched = open_page()
    page = watched.page
    bring(page, FOURTEEN)
    groups = listed(page, "Near-duplicates", "groups")
    groups.locator("#sx-least").fill("0.9")
    page.wait_for_selector("#sx-panel-groups[data-found='0.900 2']")
    page.wait_for_function("location.search.includes('similarity.least=0.9')")
    address = page.url
    watched.reload()
    for one in (page, open_page(base=address).page):
        one.wait_for_selector("#sx-panel-groups[data-found='0.900 2']")
        assert one.locator("#sx-tab-groups").get_attribute("aria-selected") == "true"
    outliers = listed(page, "Outliers", "outliers")
    outliers.locator("#sx-k").fill("2")
    outliers.locator("#sx-k").press("Enter")
    page.wait_for_function("location.search.includes('similarity.k=2')")
    watched.reload()
    page.wait_for_selector("#sx-panel-outliers[data-found='2 14']")
    outliers.get_by_role("button", name="Show all on the map").click()
    view(page, "Similarity")
    page.locator("#sx-shown").select_option("rows")
    page.wait_for_function("location.search.includes('similarity.shown=rows')")
    pairs = listed(page, "Most similar", "pairs")
    pairs.get_by_role("button", name="Compare").first.click()
    page.wait_for_function("location.search.includes('similarity.pair=')")
    texts = page.locator("#sx-panel-pair .sx-text")
    both = [texts.nth(side).get_attribute("data-row") for side in (0, 1)]
    assert f"similarity.pair={both[0]}.{both[1]}" in page.url
    assert "similarity.list" not in page.url
    watched.reload()
    texts.nth(1).wait_for()
    page.wait_for_selector(f"{HEAT}[data-painted$=' 14']")
    assert page.locator("#sx-shown").input_value() == "rows"
    assert [texts.nth(side).get_attribute("data-row") for side in (0, 1)] == both


def test_clusters_are_drilled_into_and_a_selection_is_shown(open_page: OpenPage) -> None:
    page = open_page().page
    view(page, "Similarity")
    page.wait_for_selector(f"{HEAT}[data-painted^='clusters']")
    assert page.locator("#sx-shown").input_value() == "clusters"
    message = page.locator("#similarity-view .tx-message")
    assert "Mean cosine" in message.inner_text()
    click_cell(page, 1, 4)
    page.wait_for_selector(f"{HEAT}[data-painted^='between']")
    assert len(drawn(page)[0]) <= 60
    assert " and " in message.inner_text()
    page.get_by_role("button", name="All clusters").click()
    page.wait_for_selector(f"{HEAT}[data-painted^='clusters']")
    page.locator("#sx-shown").select_option("rows")
    message.filter(has_text="Nothing is selected").wait_for()
    listed(page, "Most similar", "pairs").locator(".tx-row button").first.click()
    chosen = selected(page)
    page.locator("#tx-panel-Selection .tx-row button").first.click()
    page.wait_for_selector("#map .tx-plot[data-focus]")
    view(page, "Similarity")
    page.locator("#sx-shown").select_option("near")
    page.wait_for_selector(f"{HEAT}[data-painted='near 60']")
    assert chosen[0] in drawn(page)[0] or f"number {chosen[0] + 1:,}" in message.inner_text()
    page.locator("#sx-shown").select_option("rows")
    page.wait_for_selector(f"{HEAT}[data-painted='rows 2']")
    assert sorted(drawn(page)[0]) == sorted(chosen)


def test_the_matrix_is_taken_away(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    bring(page, FOURTEEN)
    order, z = drawn(page)

    def save(name: str) -> bytes:
        page.locator("#similarity-view .tx-toolbar summary").click()
        with page.expect_download() as download:
            page.locator("#similarity-view").get_by_role("button", name=name).click()
        download.value.save_as(tmp_path / download.value.suggested_filename)
        return (tmp_path / download.value.suggested_filename).read_bytes()

    rows = list(csv.reader(save("CSV").decode().splitlines()))
    assert [int(number) - 1 for number in rows[0][2:]] == order
    assert [row[1] for row in rows[1:]] == [FOURTEEN[row] for row in order]
    assert float(rows[1][3]) == pytest.approx(z[0][1], abs=1e-5)
    assert save("PNG").startswith(b"\x89PNG")
    picture = save("SVG").decode()
    assert picture.startswith("<svg")
    assert "Bread from the oven" in picture


@pytest.mark.parametrize("texts", [["alone"], ["one", "two"], ["a", "b", "c"], ["same"] * 4])
def test_few_texts_and_equal_ones(open_page: OpenPage, texts: list[str]) -> None:
    page = open_page().page
    bring(page, texts)
    _, z = drawn(page)
    assert len(z) == len(texts)
    message = page.locator("#similarity-view .tx-message").inner_text()
    assert ("nothing to compare" in message) is (len(texts) == 1)
    assert ("all alike" in message) is (len(set(texts)) == 1 < len(texts))
    assert "no pair" in listed(page, "Most similar", "pairs").inner_text() or len(set(texts)) > 1
    listed(page, "Near-duplicates", "groups")
    outliers = listed(page, "Outliers", "outliers").inner_text()
    assert ("no neighbours" in outliers) is (len(texts) == 1)


def test_comparing_many_shows_progress_and_is_cancelled(open_page: OpenPage) -> None:
    page = open_page().page
    view(page, "Similarity")
    page.wait_for_selector(f"{HEAT}[data-painted]")
    # As if comparing took long, which it does not for texts that a test can wait for: the server's first
    # line comes, its last one never does.
    page.evaluate(
        """() => {
          const real = window.fetch;
          window.fetch = (address, options) =>
            String(address).endsWith("/find-pairs")
              ? Promise.resolve(new Response(new ReadableStream({
                  start(stream) {
                    window.heard = options.signal;
                    const tell = () => stream.enqueue(new TextEncoder().encode('{"share": 0.25}\\n'));
                    const timer = setInterval(tell, 100);
                    const stop = () => (clearInterval(timer), stream.error(options.signal.reason));
                    options.signal.addEventListener("abort", stop);
                  },
                })))
              : real(address, options);
          window.real = real;
        }"""
    )
    page.locator("#similarity-view").get_by_role("tab", name="Most similar").click()
    panel = page.locator("#sx-panel-pairs")
    panel.locator(".sx-waiting", has_text=re.compile("25 %, about")).wait_for()
    panel.get_by_role("button", name="Cancel").click()
    assert "Cancelled" in panel.inner_text()
    assert page.evaluate("window.heard.aborted") is True
    page.evaluate("void (window.fetch = window.real)")
    panel.get_by_role("button", name="Go on").click()
    page.wait_for_selector("#sx-panel-pairs[data-found='50']")


def test_another_cell_ends_the_explaining_of_the_first(open_page: OpenPage) -> None:
    page = open_page().page
    long = " ".join(f"word{n} of a long tale about the sea and its ships" for n in range(12))
    bring(page, [f"{long} one", f"{long} two", "short and sweet", "a bay with a ferry"])
    order, _ = drawn(page)
    at = [order.index(row) for row in range(4)]
    click_cell(page, at[0], at[1])
    page.locator("#sx-panel-pair .sx-words").first.wait_for()
    click_cell(page, at[2], at[3])
    page.wait_for_selector("#sx-panel-pair[data-explained='2 3']")
    page.wait_for_timeout(800)
    assert page.locator("#sx-panel-pair .sx-words").all_inner_texts() == [
        "short and sweet",
        "a bay with a ferry",
    ]
    assert page.locator("#sx-panel-pair[data-explained='2 3']").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_and_the_dark(open_page: OpenPage, scheme: Any) -> None:
    page = open_page(width=390, height=844, scheme=scheme).page
    bring(page, FOURTEEN)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    click_cell(page, 2, 5)
    page.locator("#sx-panel-pair h2").wait_for()
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    frame = page.locator(HEAT).bounding_box()
    label = page.locator(f"{HEAT} .ytick text").first.bounding_box()
    assert frame
    assert label
    assert label["x"] >= frame["x"], "labels are cut to their room"
    ink = page.evaluate(f"document.querySelector('{HEAT} .sx-canvas').layout.font.color")
    assert ink == ("#c9ccd3" if scheme == "dark" else "#4a4f59")


def test_clusters_are_those_of_the_map_that_this_visitor_looks_at(open_page: OpenPage) -> None:
    first = open_page().page
    layout = str(first.locator("#map .tx-plot").get_attribute("data-painted")).split()[0]
    other = open_page().page
    other.get_by_role("button", name="3-D").click()
    other.wait_for_selector(f"#map .tx-plot[data-painted^='{layout}-3d ']", timeout=180_000)
    with first.expect_request("**/similarity/matrix") as asked:
        view(first, "Similarity")
    assert asked.value.post_data_json["layout"] == layout
    with other.expect_request("**/similarity/matrix") as asked:
        view(other, "Similarity")
    assert asked.value.post_data_json["layout"] == f"{layout}-3d"


def test_keys_of_the_map_are_left_alone_in_another_view(open_page: OpenPage) -> None:
    page = open_page().page
    page.locator("#tx-panel-Selection .tx-row button").nth(2).click()
    page.wait_for_selector("#map .tx-plot[data-focus='2']")
    view(page, "Similarity")
    page.wait_for_selector(f"{HEAT}[data-painted]")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    view(page, "Map")
    page.wait_for_selector("#map .tx-plot[data-focus='2']")
    page.locator("body").press("Escape")
    page.wait_for_selector("#map .tx-plot:not([data-focus])")
    assert "Click a point" in page.locator("#tx-panel-Neighbours").inner_text()
