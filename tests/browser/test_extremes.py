"""What hardly anybody brings and somebody will: each has a sensible view, or a sentence that says why not."""

from __future__ import annotations

import csv
import os
import re
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.conftest import Server, free_port, live_server
from tests.corpus import files

from .test_explorer import place_of, search, tab, wait_for_focus
from .test_page import (
    PLACES,
    OpenPage,
    choose_file,
    layout_processes,
    paste,
    points,
    view,
    wait_for_points,
    wait_for_status,
)
from .test_similarity import HEAT, click_cell, drawn
from .test_vectors import choose, score

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from .conftest import Watched

pytestmark = [pytest.mark.browser, pytest.mark.model]

SCRIPTS = {
    "ar": "الطقس جميل اليوم والسماء صافية",
    "he": "הרכבת מאחרת שוב היום",
    "zh": "今天天气很好,我们去公园散步。",
    "ja": "駅前の小さな店でラーメンを食べた。",
    "ko": "오늘은 비가 많이 옵니다",
    "emoji": "👩‍🚀🚀🌍 🇪🇺 👍🏽",
    "en": "The weather is lovely today.",
}
MARKUP = [
    "<script>window.attacked = true</script>",
    '<img src=x onerror="window.attacked = true">',
    "**bold** _slanted_ [a link](javascript:window.attacked=true)",
    "# A heading | a | table | $$\\int_0^1 x^2\\,dx$$ and $e^{i\\pi}$",
    "</textarea></div><style>* { display: none }</style>",
    "{{ 7 * 7 }} ${7 * 7} %s %(name)s &lt;b&gt;",
]


def texts_listed(page: Page) -> list[str]:
    return page.locator("#tx-panel-Selection .tx-text").all_inner_texts()


def lost_connection(watched: Watched) -> None:
    """Forget what the browser says of a server that went away or of a dataset that is gone."""
    signs = (
        "ERR_CONNECTION",
        "404",
        "Abort",
        "errored out",
        "Failed to fetch",
        "network error",
        "INCOMPLETE",
        "Cancelled via cancel scope",
    )
    watched.complaints = [said for said in watched.complaints if not any(sign in said for sign in signs)]


def compared(page: Page, count: int) -> str:
    """What Compare says of the two models' neighbours once both maps are there."""
    view(page, "Compare")
    page.locator("#cx-go").click()
    page.wait_for_selector(
        f"#compare .tx-plot[data-painted$=' {count}'][data-overlap]:not([data-overlap=''])"
    )
    return str(page.locator("#compare .cx-mean").inner_text())


def write_csv(file: Path, rows: Iterable[Sequence[str]]) -> Path:
    with file.open("w", newline="") as sink:
        csv.writer(sink).writerows(rows)
    return file


@pytest.mark.parametrize("count", [1, 2, 3, 14])
def test_a_few_texts_have_a_map_too(open_page: OpenPage, count: int) -> None:
    page = open_page().page
    paste(page, [f"{number} bottles of lemonade on the wall" for number in range(count)])
    wait_for_status(page, f"{count} text")
    wait_for_points(page, count)
    if count < 5:
        wait_for_status(page, "too few for neighbourhoods")
    page.locator(".tx-row button").first.click()
    assert wait_for_focus(page) == 0
    page.locator("#tx-panel-Neighbours h2").wait_for(state="attached")
    assert page.locator("#tx-panel-Neighbours .tx-row").count() == min(10, count - 1)
    assert search(page, "lemonade", "keyword")
    view(page, "Similarity")
    page.wait_for_selector(f"#similarity-view .sx-heat[data-painted$=' {count}']")
    said = page.locator("#similarity-view .tx-message").inner_text()
    assert ("nothing to compare it with" in said) is (count == 1)
    view(page, "Vectors")
    page.wait_for_selector("#vectors .tx[data-shown='0']")
    assert f"of {count}" in page.locator("#vectors h2").first.inner_text()
    if count > 1:
        choose(page, 1, "2", "0 1")
        assert 0.5 < score(page, "cosine") < 1
    small = page.get_by_role("region", name="How small can these vectors be?")
    small.scroll_into_view_if_needed()
    if count < 10:
        small.locator(".tx-note", has_text="Bring more than 10").wait_for()
    said = compared(page, count)
    assert ("no 10 neighbours" in said) is (count < 12)
    assert ("%" in said) is (count > 11)
    view(page, "Code")
    page.wait_for_timeout(300)
    view(page, "Map")
    page.wait_for_timeout(300)


def test_texts_that_are_all_equal_are_one_point(open_page: OpenPage) -> None:
    page = open_page().page
    paste(page, ["the same again"] * 30)
    wait_for_points(page, 30)
    page.locator(".tx-message", has_text="don't differ").wait_for()
    page.locator(".tx-row button").nth(3).click()
    assert wait_for_focus(page) == 3
    assert {float(one) for one in tab(page, "Neighbours").locator(".tx-score").all_inner_texts()} == {1.0}
    view(page, "Vectors")
    page.wait_for_selector("#vectors .tx[data-shown]")
    choose(page, 1, "2", "0 1")
    scores = [score(page, name) for name in ("cosine", "dot", "distance")]
    assert scores == pytest.approx([1, 1, 0], abs=1e-3)
    compared(page, 30)
    assert "PCA" in page.locator("#compare .tx-message").inner_text()
    assert page.locator("#compare .tx-canvas").first.evaluate("canvas => canvas.data[0].x.length") == 30
    assert "says nothing" in page.locator("#compare .cx-mean").inner_text()


def test_a_text_of_a_hundred_thousand_words_is_cut_and_says_so(open_page: OpenPage) -> None:
    page = open_page().page
    novel = " ".join(f"word{number % 977}" for number in range(100_000))
    paste(page, [novel, "a short one", "and another"])
    wait_for_status(page, "1 text longer than 256 tokens, cut there")
    wait_for_points(page, 3)
    page.locator(".tx-message", has_text="cut there").wait_for()
    page.locator(".tx-row button").first.click()
    assert wait_for_focus(page) == 0
    assert tab(page, "Neighbours").locator("blockquote").inner_text().startswith("word0 word1")
    for key, place in (
        ("ArrowRight", "Neighbour 1 of 2"),
        ("ArrowLeft", "Where the walk began: word0 word1"),
    ):
        page.locator("#map .tx-plot").press(key)
        heard = page.locator("#map .tx-unseen").filter(has_text=place)
        heard.wait_for(state="attached")
    assert len(heard.text_content() or "") < 150, "what is heard has an end"
    pieces = tab(page, "Vector").locator(".tx-piece").count()
    assert 0 < pieces <= 512
    x, y = place_of(page, 0)
    page.mouse.move(x - 3, y - 3)
    page.mouse.move(x, y)
    card = page.locator("#map .tx-card")
    card.wait_for()
    box, map_box = card.bounding_box(), page.locator("#map .tx-plot").bounding_box()
    assert box is not None
    assert map_box is not None
    assert 200 < box["width"] <= 342
    assert map_box["x"] <= box["x"] <= map_box["x"] + map_box["width"] - box["width"]
    lines = card.locator("div").first.evaluate(
        "text => { const all = document.createRange(); all.selectNodeContents(text);"
        " return new Set([...all.getClientRects()].map(line => line.top)).size; }"
    )
    assert 5 <= lines <= 12, "280 characters on several lines"
    view(page, "Vectors")
    page.wait_for_selector("#vectors .tx[data-shown='0']")
    assert "The model read 256 tokens and stopped" in page.locator("#vectors .tx-cut").inner_text()
    choose(page, 1, "2", "0 1")
    assert -1 < score(page, "cosine") < 0.9
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440
    view(page, "Similarity")
    page.wait_for_selector(f"{HEAT}[data-painted$=' 3']")
    order, _ = drawn(page)
    click_cell(page, order.index(0), order.index(1))
    page.wait_for_selector("#sx-panel-pair[data-explained='0 1']", timeout=120_000)
    told = page.locator("#sx-panel-pair")
    assert "Of a very long text only the beginning is shown." in told.locator(".tx-note").first.inner_text()
    assert re.search(r"words left out in \d+ runs", told.locator(".sx-legend").inner_text())
    assert told.locator(".sx-words").first.inner_text().startswith("word0 word1")
    assert len(told.locator(".sx-words").first.inner_text()) <= 20_000
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440


def test_every_script_is_shown_as_it_is_written(open_page: OpenPage) -> None:
    page = open_page().page
    paste(page, list(SCRIPTS.values()))
    wait_for_points(page, len(SCRIPTS))
    assert texts_listed(page) == list(SCRIPTS.values())
    directions = page.locator("#tx-panel-Selection .tx-text").evaluate_all(
        "texts => texts.map(text => getComputedStyle(text).direction)"
    )
    assert directions == ["rtl" if name in ("ar", "he") else "ltr" for name in SCRIPTS]
    assert search(page, "天气", "regex") == [SCRIPTS["zh"]]
    assert search(page, "👍🏽", "regex") == [SCRIPTS["emoji"]]
    assert search(page, "היום", "keyword") == [SCRIPTS["he"]]
    page.locator("#tx-panel-Selection .tx-row button").first.click()
    wait_for_focus(page)
    quoted = tab(page, "Neighbours").locator("blockquote")
    assert quoted.inner_text() == SCRIPTS["he"]
    assert quoted.evaluate("quote => getComputedStyle(quote).direction") == "rtl"


def test_markup_markdown_and_formulas_stay_letters_everywhere(open_page: OpenPage) -> None:
    page = open_page().page
    paste(page, MARKUP)
    wait_for_points(page, len(MARKUP))
    assert texts_listed(page) == MARKUP
    for row, text in enumerate(MARKUP):
        page.locator("#tx-panel-Selection .tx-row button").nth(row).click()
        page.wait_for_selector(f"#map .tx-plot[data-focus='{row}']")
        assert page.locator("#tx-panel-Neighbours blockquote").text_content() == text
        tab(page, "Selection")
    for name in ("Similarity", "Vectors", "Code", "Map"):
        view(page, name)
        page.wait_for_timeout(500)
    assert (
        page.locator(".tx strong, .tx em, .tx script, .tx img, .katex, .tx a[href^='javascript']").count()
        == 0
    )
    assert page.locator("#vectors strong, #vectors img, #similarity img").count() == 0
    assert page.evaluate("window.attacked") is None
    assert page.locator("#map").is_visible(), "no style of a text's reached the page"


def test_empty_lines_are_no_texts(open_page: OpenPage) -> None:
    page = open_page().page
    paste(page, ["", "an apple", "   ", "\t", "a pear", "", "a plum", ""])
    wait_for_status(page, "3 texts")
    wait_for_points(page, 3)
    assert texts_listed(page) == ["an apple", "a pear", "a plum"]
    paste(page, ["", "   ", "\t"])
    wait_for_status(page, "There is no text yet")
    assert points(page) == 3, "what was on screen stays"


def test_empty_cells_are_counted_offered_and_a_group_of_their_own(
    open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page().page
    rows = [("fruit", "an apple"), ("", "a stone"), ("fruit", ""), ("", ""), ("fruit", "a pear"), ("", "   ")]
    choose_file(page, write_csv(tmp_path / "gaps.csv", [("kind", "text"), *rows]))
    note = page.locator("#upload-note", has_text="3 texts")
    note.wait_for()
    assert "3 rows left out (line 4: empty text)" in note.inner_text()
    with page.expect_download() as downloading:
        page.locator("#skipped").click()
    with downloading.value.path().open(newline="") as source:
        assert [(row["line"], row["why"]) for row in csv.DictReader(source)] == [
            (line, "empty text") for line in ("4", "5", "7")
        ]
    page.locator("#embed-file").click()
    assert "3 rows left out" in wait_for_status(page, "gaps.csv")
    wait_for_points(page, 3)
    page.locator(".tx-legend", has_text="(empty)").wait_for()
    assert sorted(page.locator(".tx-legend button span").all_inner_texts()) == ["(empty)", "fruit"]


def test_three_hundred_columns_show_what_is_kept_of_them(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(width=390, height=844).page
    names = [f"measure {number}" for number in range(299)]
    rows = [
        [*(str(row * number % 7) for number in range(299)), f"a long sentence, number {row}"]
        for row in range(40)
    ]
    choose_file(page, write_csv(tmp_path / "wide.csv", [[*names, "what was said"], *rows]))
    page.locator("#preview [role=gridcell]").first.wait_for()
    said = page.locator("#upload-note").inner_text()
    assert "the first 40 of 299 other columns kept" in said
    assert "“what was said”" in said
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#embed-file").click()
    assert "the first 40 of 299 other columns kept" in wait_for_status(page, "wide.csv")
    wait_for_points(page, 40)
    assert "measure 39" in page.locator("#tx-colour option").all_inner_texts()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_two_hundred_thousand_rows_are_refused_with_the_way_out(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    rows = ((str(row), f"a short report of day {row}") for row in range(200_000))
    choose_file(page, write_csv(tmp_path / "many.csv", [("day", "text"), *rows]))
    refused = page.locator("#upload-note [role=alert]", has_text="200,000 texts")
    refused.wait_for()
    assert "up to 50,000" in refused.inner_text()
    assert "tessera embed" in refused.inner_text()
    assert page.locator("#embed-file").is_hidden()
    assert points(page) == 3000, "what was on screen stays"


def test_two_hundred_thousand_rows_where_the_owner_takes_them(open_page: OpenPage, tmp_path: Path) -> None:
    """A sample is drawn, and all are searched; the vectors are the file's own, so none are computed."""
    count = 200_000
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(12, 2)) * 8
    groups = rng.integers(12, size=count)
    points_of = centres[groups] + rng.normal(size=(count, 2))
    texts = [f"report {row} of station {group}" for row, group in enumerate(groups)]
    file = tmp_path / "many.npz"
    columns = {"text": np.array(texts), "x": points_of[:, 0], "y": points_of[:, 1]}
    file.write_bytes(files.npz(vectors=rng.normal(size=(count, 8)).astype(np.float32), **columns))
    with live_server(tmp_path, TESSERA_PAGE_MAX_TEXTS=str(count)) as wide:
        watched = open_page(base=wide.base)
        page = watched.page
        choose_file(page, file)
        page.locator("#upload-note", has_text="nothing is embedded").wait_for()
        page.locator("#embed-file").click()
        wait_for_status(page, "many.npz")
        page.wait_for_selector(f"#map .tx-plot[data-painted='file {count}']", timeout=120_000)
        assert points(page) == 60_000
        assert "60,000 of them are drawn, all are searched" in page.locator(".tx-message").inner_text()
        assert page.locator("#tx-panel-Selection h2").inner_text() == "All 200,000 texts"
        assert search(page, "report 199999 ", "regex") == [texts[199_999]]
        page.locator("#tx-panel-Selection .tx-row button").first.click()
        assert wait_for_focus(page) == 199_999
        first = "document.querySelector('#map .tx-canvas').data[0].x[0]"
        page.evaluate(
            f"window.seen = []; setInterval(() => seen.at(-1) !== {first} && seen.push({first}), 5)"
        )
        page.locator("#tx-layout").select_option("pca")
        page.wait_for_selector(f"#map .tx-plot[data-painted='pca {count}']", timeout=120_000)
        way = page.evaluate("seen")
        assert len(way) >= 4, "however many dots there are, they move to their new places"
        assert way == sorted(way) or way == sorted(way, reverse=True)
        view(page, "Vectors")
        shown = page.locator("#vectors")
        shown.locator("h2", has_text="Text 1 of 200,000").wait_for()
        shown.get_by_role("button", name="Measure over 80 of 200,000 texts").wait_for()
        shown.get_by_text("All are measured of up to 50,000 texts; these are 200,000").wait_for()
        view(page, "Similarity")
        page.wait_for_selector(f"{HEAT}[data-painted^='clusters ']")
        said = page.locator("#similarity-view .tx-message")
        assert "Mean cosine" in said.inner_text()
        page.locator("#similarity-view").get_by_role("tab", name="Near-duplicates").click()
        said.filter(has_text="up to 50,000 are compared each with each").wait_for()
        watched.complaints = [one for one in watched.complaints if "413" not in one]  # asked for just above
        view(page, "Compare")
        page.locator("#cx-go").click()
        status = page.locator("#compare-status")
        status.filter(has_text=re.compile(r"Embedding: [\d,]+ of 200,000 texts, .* s left")).wait_for()
        page.close()


def test_a_layout_process_that_dies_leaves_the_map_and_comes_back(
    open_page: OpenPage, server: Server
) -> None:
    page = open_page().page
    paste(page, [f"a first text about subject {number}" for number in range(20)])
    page.wait_for_selector("#map .tx-plot[data-painted^='umap'][data-painted$=' 20']", timeout=120_000)
    (process,) = layout_processes(server)
    os.kill(process, signal.SIGSTOP)  # so that it is surely at work when it is killed
    try:
        paste(page, [f"another text about matter {number}" for number in range(30)])
        wait_for_status(page, "UMAP: neighbours")
        wait_for_points(page, 30)
    finally:
        os.kill(process, signal.SIGKILL)
    said = wait_for_status(page, "ended; the map stays as it is")
    assert "30 texts" in said
    assert page.locator("#cancel").is_hidden()
    assert page.locator("#map .tx-plot").get_attribute("data-painted") == "pca 30"
    page.locator(".tx-row button").first.click()
    wait_for_focus(page)
    page.locator("#tx-layout").select_option("umap")
    page.wait_for_selector("#map .tx-plot[data-painted^='umap'][data-painted$=' 30']", timeout=300_000)


def test_a_server_that_went_away_and_came_back_says_what_is_lost(open_page: OpenPage, tmp_path: Path) -> None:
    port = free_port()
    with live_server(tmp_path, port=port) as first:
        watched = open_page(base=first.base)
        page = watched.page
        texts = [f"a text that a restart will lose, number {number}" for number in range(6)]
        paste(page, texts)
        page.wait_for_selector("#map .tx-plot[data-painted='umap-15-0.1-42 6']", timeout=180_000)
        before = page.evaluate(PLACES)
        page.wait_for_function("location.search.includes('layout=umap')")
        address = page.url
    page.locator(".tx-row button").first.click()
    page.locator(".tx-message", has_text="The server does not answer").wait_for()
    with live_server(tmp_path, port=port):
        page.locator(".tx-row button").first.click()
        page.locator(".tx-message", has_text="no longer here").wait_for()
        assert "Bring them again" in page.locator(".tx-message").inner_text()
        assert points(page) == 6, "what was painted stays"
        page.goto(address)
        page.wait_for_selector("#map .tx-plot[data-painted]")
        wait_for_status(page, "The texts of this address are no longer here")
        wait_for_points(page, 3000)
        paste(page, texts)
        page.wait_for_selector("#map .tx-plot[data-painted='umap-15-0.1-42 6']", timeout=180_000)
        assert page.evaluate(PLACES) == before, "the same seed, the same map, computed anew"
        lost_connection(watched)
        page.close()
