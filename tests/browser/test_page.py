"""The page as a visitor uses it, with the real model and a real browser."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.conftest import Server, live_server
from tests.corpus import files
from ui import code, loading
from ui.carried import ALONE_S

from .conftest import Watched

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.model]

OpenPage = Callable[..., Watched]
FIVE = [
    "The weather is lovely today.",
    "It's so sunny outside!",
    "He drove to the stadium.",
    "A <b>bold</b> & brave 'text' <img src=x onerror=alert(1)>",
    "Der Hund schläft 🐶",
]


PLACES = "[...document.querySelector('#map .tx-canvas').data[0].x]"


def saved(page: Page, root: str, name: str) -> bytes:
    """What the Save menu of the view `root` gives under that name."""
    page.locator(f"{root} .tx-save summary").click()
    with page.expect_download() as downloading:
        page.locator(f"{root} .tx-save").get_by_text(name, exact=True).click()
    return Path(downloading.value.path()).read_bytes()


def view(page: Page, name: str) -> None:
    page.locator("#views").get_by_role("tab", name=name, exact=True).click()


def bring(page: Page, name: str) -> None:
    page.locator("#bring").get_by_role("tab", name=name, exact=True).click()


def paste(page: Page, texts: list[str]) -> None:
    bring(page, "Paste")
    # As a paste does it; Playwright's own `fill` takes a minute for thousands of lines, in any textarea.
    page.locator("#texts textarea").evaluate(
        "(area, value) => { area.value = value; area.dispatchEvent(new Event('input', {bubbles: true})); }",
        "\n".join(texts),
    )
    page.locator("#embed").click()


def choose_file(page: Page, file: Path) -> None:
    bring(page, "Upload")
    page.locator("#upload input[type=file]").set_input_files(file)


def wait_for_status(page: Page, words: str) -> str:
    """What the status line said when it held `words`: a moment later a layout may speak there."""
    said = page.wait_for_function(
        """words => {
          const said = document.querySelector("#status").innerText;
          return said.includes(words) ? said : null;
        }""",
        arg=words,
    )
    return str(said.json_value())


def points(page: Page) -> int:
    return int(page.evaluate("document.querySelector('#map .tx-canvas').data[0].x.length"))


def wait_for_points(page: Page, n: int) -> None:
    page.wait_for_selector(f"#map .tx-plot[data-painted$=' {n}']")
    assert points(page) == n


def code_of(page: Page, language: str) -> str:
    page.locator(".languages").get_by_role("tab", name=language, exact=True).click()
    shown = page.locator(".languages .cm-content:visible")
    shown.wait_for()
    return "\n".join(shown.locator(".cm-line").all_inner_texts())


def test_pasted_texts_become_map_heatmap_vectors_and_search(open_page: OpenPage) -> None:
    page = open_page().page
    paste(page, FIVE)
    wait_for_status(page, "5 texts")
    wait_for_points(page, 5)

    view(page, "Similarity")
    page.wait_for_selector("#similarity-view .sx-heat[data-painted='spread 5']")

    view(page, "Vectors")
    page.wait_for_selector("#vectors .tx[data-shown='0']")
    assert page.locator("#vectors blockquote").inner_text() == FIVE[0]
    assert "1.0000" in page.locator("#vectors dl").inner_text()
    assert page.locator("#vectors img").count() == 0


def test_a_csv_is_uploaded_and_coloured_by_its_column(open_page: OpenPage, tmp_path: Path) -> None:
    file = tmp_path / "animals.csv"
    rows = [
        f"{kind},a {size} {kind}"
        for kind in ("dog", "cat", "bird")
        for size in ("small", "big", "red", "old")
    ]
    file.write_text("\n".join(["kind,text", *rows]))
    page = open_page().page
    choose_file(page, file)
    page.locator("#preview [role=gridcell]").first.wait_for()
    assert "12 texts" in page.locator("#upload-note").inner_text()
    page.locator("#column input").click()
    page.locator("ul[role=listbox]").get_by_role("option", name="kind").click()
    page.locator("#upload-note", has_text="column “kind”").wait_for()
    page.locator("#column input").click()
    page.locator("ul[role=listbox]").get_by_role("option", name="text").click()
    page.locator("#upload-note", has_text="column “text”").wait_for()
    page.locator("#embed-file").click()
    assert "12 texts" in wait_for_status(page, "animals.csv")
    wait_for_points(page, 12)
    legend = page.locator(".tx-legend button span").all_text_contents()
    assert sorted(legend) == ["bird", "cat", "dog"]


def test_a_file_that_is_none_and_too_many_texts_are_sentences(open_page: OpenPage, tmp_path: Path) -> None:
    watched = open_page()
    page = watched.page
    broken = tmp_path / "broken.txt"
    broken.write_bytes(b"%PDF-1.4 not text")
    paste(page, ["x"] * 50_001)
    said = wait_for_status(page, "50,001 texts")
    assert "50,000" in said
    assert page.locator("#texts textarea").input_value().count("x") == 50_001, "what was entered stays"
    assert points(page) == 3000, "what was on screen stays"
    assert page.get_by_text("50,001 texts").count() == 1, "it is said once"
    choose_file(page, broken)
    page.locator("#upload-note [role=alert]", has_text="PDF").wait_for()
    assert page.locator("#status .status.error").is_hidden(), "it was of other texts"


def test_a_long_job_shows_progress_and_is_cancelled(open_page: OpenPage) -> None:
    page = open_page().page
    words = "it is a long and winding road through many different sentences about subject number "
    paste(page, [f"{words}{i}" for i in range(4000)])
    said = wait_for_status(page, "a second")
    assert "of 4,000 texts" in said
    assert re.search(r"about \d+ s left", wait_for_status(page, "s left"))
    page.locator("#cancel").click()
    wait_for_status(page, "Cancelled")
    assert page.locator("#texts textarea").input_value().count("\n") == 3999
    page.wait_for_timeout(1500)
    assert "Cancelled" in page.locator("#status").inner_text(), "the job did not go on"
    paste(page, FIVE)
    wait_for_status(page, "5 texts")


def test_a_layout_is_cancelled_in_mid_work(open_page: OpenPage, server: Server, tmp_path: Path) -> None:
    page = open_page().page
    page.set_default_timeout(180_000)  # a server's first layout comes after what compiles
    file, count = tmp_path / "own.npz", 6000
    file.write_bytes(files.npz(vectors=np.random.default_rng(5).normal(size=(count, 48)).astype(np.float32)))
    choose_file(page, file)
    page.locator("#embed-file", has_text="Show this file").click()
    wait_for_points(page, count)
    assert "The map can be used meanwhile" in wait_for_status(page, "UMAP: layout")
    assert re.search(r"\d+%, about \d+ s left", wait_for_status(page, "s left"))
    before, at_work = page.evaluate(PLACES), layout_processes(server)
    started_s = time.monotonic()
    page.locator("#cancel").click()
    said = wait_for_status(page, "Cancelled; what was there before is still there.")
    assert time.monotonic() - started_s < 2
    assert f"{count:,} texts" in said
    assert page.locator("#cancel").is_hidden()
    deadline = time.monotonic() + 2
    while set(at_work) & set(layout_processes(server)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert at_work
    assert not set(at_work) & set(layout_processes(server)), "nothing works on for nobody"
    page.wait_for_timeout(1000)
    assert page.locator("#map .tx-plot").get_attribute("data-painted") == f"pca {count}"
    assert page.locator("#tx-layout").input_value() == "pca"
    assert page.evaluate(PLACES) == before


def test_the_code_runs_as_it_stands(open_page: OpenPage, server: Server) -> None:
    page = open_page().page
    paste(page, FIVE)
    wait_for_status(page, "5 texts")
    view(page, "Code")
    shown = code_of(page, "curl")
    assert server.base in shown
    assert server.key not in page.content()
    done = subprocess.run(
        ["bash", "-c", shown.replace("curl -X", "curl -s -w '\\n%{http_code}' -X")],
        env=os.environ | {"EMBED_KEY": server.key},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    answer, status = done.stdout.rsplit("\n", 1)
    assert status == "200", done.stdout
    assert len(json.loads(answer)["data"]) == 4
    for language in ("Python", "Python, OpenAI", "JavaScript"):
        assert server.base in code_of(page, language)


def test_the_code_is_of_what_was_done_last(open_page: OpenPage) -> None:
    page = open_page().page
    paste(page, FIVE)
    wait_for_status(page, "5 texts")
    wait_for_points(page, 5)
    note = page.locator("#views .note .status:visible").first

    def said(sentence: str, package: str) -> str:
        view(page, "Code")
        page.wait_for_function("words => document.body.innerText.includes(words)", arg=sentence)
        page.wait_for_timeout(300)
        assert sentence in note.inner_text()
        assert package in code_of(page, "Python package")
        return code_of(page, "curl")

    page.locator("#tx-panel-Selection .tx-row button").first.click()
    page.wait_for_selector("#map .tx-plot[data-focus]")
    assert "lovely today" in said("whose nearest are looked for", "top_k(asked")
    view(page, "Map")
    page.locator("#tx-panel-Neighbours").get_by_role("button", name="More like this").click()
    page.locator("#tx-panel-Selection .tx-chip").first.wait_for()
    assert "lovely today" in said("examples to be like and unlike", "blend(examples[:1], examples[1:])")
    view(page, "Map")
    page.locator("#tx-mode").select_option("keyword")
    page.locator("#tx-query").fill("sunny")
    page.locator("#tx-query").press("Enter")
    assert "there is no call" in said("a search by words", "KeywordIndex(texts)")
    assert page.locator("#payload textarea, #payload input").first.input_value() == ""
    view(page, "Map")
    page.locator("#tx-layout").select_option("pca")
    assert "lovely today" in said("texts embedded.", "LayoutOptions(method='pca')")
    view(page, "Map")
    page.locator(".tx-axes summary").click()
    page.locator("#tx-pole-0-0").fill("bad weather")
    page.locator("#tx-pole-0-1").fill("good weather")
    page.locator(".tx-axes").get_by_role("button", name="Show", exact=True).click()
    assert "bad weather" in said("at the ends of the axes", "axis_between(")
    view(page, "Similarity")
    page.get_by_role("tab", name="Outliers").click()
    said("to find outliers", "most_alone(")
    view(page, "Similarity")
    page.get_by_role("tab", name="Near-duplicates").click()
    said("to find near-duplicates", "find_alike(vectors, texts).groups(0.95)")


def test_texts_brought_while_others_come_take_their_place(open_page: OpenPage) -> None:
    page = open_page().page
    words = "it is a long and winding road through many different sentences about subject number "
    paste(page, [f"{words}{i}" for i in range(4000)])
    wait_for_status(page, "of 4,000 texts")
    paste(page, FIVE)
    wait_for_status(page, "5 texts")
    wait_for_points(page, 5)
    page.locator("#cancel").wait_for(state="hidden")  # they are laid out
    page.wait_for_timeout(1500)
    assert "4,000" not in page.locator("#status").inner_text()
    assert page.locator("#cancel").is_hidden()
    assert points(page) == 5


def test_run_uses_the_visitors_key_and_never_shows_it_to_the_page(
    open_page: OpenPage, server: Server
) -> None:
    watched = open_page()
    page = watched.page
    view(page, "Code")
    page.wait_for_selector(".languages .cm-content")
    assert page.locator("#key input").get_attribute("type") == "password", "nobody reads it over a shoulder"
    page.locator("#key input").fill(server.key)
    page.locator("#run").click()
    page.wait_for_function(
        "document.querySelector('#outcome textarea, #outcome input').value.startsWith('200')"
    )
    beginning = page.locator("#answer").locator("textarea, input").input_value()
    assert '"embedding"' in beginning
    assert re.search(
        r"^200 OK in \d+ ms\.", page.locator("#outcome").locator("textarea, input").input_value()
    )
    assert not any(server.key in body for body in watched.bodies)
    for language in code.LANGUAGES:
        assert server.key not in code_of(page, language)
    written = page.evaluate(
        """() => [document.body.innerText, ...[...document.querySelectorAll("input, textarea")]
          .filter(field => !field.closest("#key")).map(field => field.value)].join("\\n")"""
    )
    assert "EMBED_KEY" in written
    assert server.key not in written
    page.locator("#key input").fill("a wrong key")
    page.locator("#run").click()
    page.wait_for_function(
        "document.querySelector('#outcome textarea, #outcome input').value.startsWith('401')"
    )
    watched.complaints = [said for said in watched.complaints if "401" not in said]  # asked for just above


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_and_toggles(open_page: OpenPage, scheme: Any) -> None:
    watched = open_page(scheme=scheme)
    page = watched.page
    dark = "document.body.classList.contains('dark')"
    assert page.evaluate(dark) is (scheme == "dark")
    background = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(background)
    page.locator("#theme").click()
    assert page.evaluate(dark) is (scheme != "dark")
    page.wait_for_function(f"before => {background} !== before", arg=before)
    watched.reload()
    assert page.evaluate(dark) is (scheme != "dark"), "the choice is remembered"


@pytest.mark.parametrize("name", ["Map", "Similarity", "Vectors", "Compare", "Code"])
def test_a_phone_has_no_sideways_scroll(open_page: OpenPage, name: str) -> None:
    page = open_page(width=390, height=844).page
    view(page, name)
    page.wait_for_timeout(700)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_shows_every_tab(open_page: OpenPage, width: int) -> None:
    page = open_page(width=width, height=844).page
    view(page, "Code")
    page.locator(".languages .cm-content:visible").wait_for()
    for strip, names in (
        ("#views", ["Map", "Similarity", "Vectors", "Compare", "Code"]),
        (".languages", list(code.LANGUAGES)),
    ):
        tabs = page.locator(f"{strip} > .tab-wrapper [role=tab]")
        assert tabs.all_inner_texts() == names, "none is behind dots"
        boxes = [box for tab in tabs.all() if (box := tab.bounding_box())]
        assert len(boxes) == len(names)
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
    assert "import" in code_of(page, "Python package")
    badge, button = (page.locator(one).bounding_box() for one in (".badge .facts", "#shelf-toggle"))
    assert badge is not None
    assert (
        button is None
        or badge["x"] + badge["width"] <= button["x"]
        or badge["y"] > button["y"] + button["height"]
    )


def tab_on(page: Page) -> None:
    """The next stop of the Tab key, which is seen to be it."""
    page.keyboard.press("Tab")
    style, width = page.evaluate(
        """(({ outlineStyle, outlineWidth }) => [outlineStyle, parseFloat(outlineWidth)])(
          getComputedStyle(document.activeElement))"""
    )
    stop = page.evaluate("document.activeElement.outerHTML.slice(0, 160)")
    assert style == "solid", stop
    assert width >= 2, stop


def test_it_can_be_used_from_the_keyboard(open_page: OpenPage) -> None:
    page = open_page().page
    page.locator("#bring").get_by_role("tab", name="Paste", exact=True).focus()
    page.keyboard.press("Enter")
    page.locator("#texts textarea").focus()
    page.keyboard.type("an apple\na pear")
    tab_on(page)
    assert page.evaluate("document.activeElement.closest('#paste-way') !== null"), "what a text is"
    for _ in loading.PASTE_WAYS:  # each of Gradio's radio buttons is a stop of its own
        tab_on(page)
    assert page.evaluate("document.activeElement.closest('#paste-split') !== null"), "whether to cut"
    tab_on(page)
    assert page.evaluate("document.activeElement.id") == "embed"
    page.keyboard.press("Enter")
    wait_for_status(page, "2 texts")
    page.locator("#views").get_by_role("tab", name="Map", exact=True).focus()
    tab_on(page)
    page.keyboard.press("Enter")
    assert (
        page.locator("#views").get_by_role("tab", name="Similarity").get_attribute("aria-selected") == "true"
    )


def test_a_page_opened_before_the_model_is_ready_begins_by_itself(
    open_page: OpenPage, tmp_path: Path
) -> None:
    with live_server(tmp_path, wait_for="/health") as early:
        watched = open_page(base=early.base)
        wait_for_status(watched.page, "Python's library")


def test_closing_the_page_ends_its_job(open_page: OpenPage, server: Server) -> None:
    page = open_page().page
    paste(page, [f"a sentence that nobody waits for any more, number {i}" for i in range(4000)])
    wait_for_status(page, "a second")
    page.close()
    deadline = time.monotonic() + ALONE_S + 30  # so long the page may come back
    while (queued := metric(server, "tessera_queue_tokens")) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert queued == 0


def test_a_stopped_server_leaves_no_process_behind(tmp_path: Path) -> None:
    with live_server(tmp_path) as server:
        deadline = time.monotonic() + 60
        while not (children := layout_processes(server)) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert children
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def metric(server: Server, name: str) -> float:
    with urllib.request.urlopen(server.base + "/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def layout_processes(server: Server) -> list[int]:
    """Children of the server that compute layouts."""
    children = Path(f"/proc/{server.process.pid}/task").glob("*/children")
    numbers = [int(number) for child in children for number in child.read_text().split()]
    return [n for n in numbers if b"ui.layout_process" in Path(f"/proc/{n}/cmdline").read_bytes()]
