"""Files as a visitor brings them: looked at, then embedded or taken as they are; exports come back."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.corpus import files
from ui.samples import emoji

from .test_explorer import TOPICS, upload_topics
from .test_page import OpenPage, bring, choose_file, paste, points, wait_for_points, wait_for_status

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.model]

TEXTS = [text for texts in TOPICS.values() for text in texts]
KINDS = [kind for kind, texts in TOPICS.items() for _ in texts]


def saved(folder: Path, name: str, content: bytes | str) -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def look_at(page: Page, file: Path) -> str:
    """Choose a file; what the page says of it before anything is embedded."""
    choose_file(page, file)
    page.locator("#embed-file").wait_for()
    return page.locator("#upload-note").inner_text()


def show(page: Page, name: str, count: int) -> str:
    page.locator("#embed-file").click()
    said = wait_for_status(page, name)
    wait_for_points(page, count)
    return said


def wait_until_empty(page: Page) -> None:
    """The tab is ready for another file once the last one is on screen."""
    page.wait_for_function("document.querySelector('#upload-note').innerText.includes('up to 50,000 texts')")
    page.locator("#upload input[type=file]").wait_for(state="attached")


def taken_away(page: Page, wanted: str) -> bytes:
    """The map as a file, as its link in the Save menu gives it."""
    link = page.locator(f".tx-save a[href*='export/{wanted}']").get_attribute("href") or ""
    return page.request.get(link).body()


def lines_of(page: Page) -> list[dict[str, Any]]:
    return [json.loads(line) for line in taken_away(page, "jsonl").splitlines()]


def legend(page: Page) -> list[str]:
    return sorted(page.locator(".tx-legend button span").all_inner_texts())


def test_the_other_sample_and_pasted_paragraphs_come_on_the_map(open_page: OpenPage) -> None:
    page = open_page().page
    bring(page, "Samples")
    page.get_by_role("button", name="Emoji by name", exact=True).click()
    count = len(emoji().texts)
    assert f"{count} texts" in wait_for_status(page, "Emoji by name")
    wait_for_points(page, count)
    assert legend(page) == sorted(set(emoji().columns["group"]))
    assert page.locator("#tx-panel-Selection .tx-text").all_inner_texts()[:3] == emoji().texts[:3]
    written = ["It rains", "all day.", "", "", "The sun shines.", "  ", "Snow lies", "on", "the hills."]
    bring(page, "Paste")
    assert page.get_by_role("radio", name="Guess").is_checked()
    paste(page, written)
    assert "one text a paragraph" in wait_for_status(page, "· 3 texts")
    wait_for_points(page, 3)
    shown = page.locator("#tx-panel-Selection .tx-text")
    assert shown.all_inner_texts() == ["It rains all day.", "The sun shines.", "Snow lies on the hills."]
    bring(page, "Paste")
    page.get_by_role("radio", name="Lines").check()
    paste(page, written)
    assert "paragraph" not in wait_for_status(page, "· 6 texts")
    wait_for_points(page, 6)


def test_a_preview_shows_twenty_rows_of_whatever_is_chosen(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    preview = page.locator("#preview")

    def seen(name: str, content: bytes | str, note: str) -> list[str]:
        """Names of the columns, and the cells of the first row."""
        if page.locator("#upload button[aria-label='Clear']").count():
            page.locator("#upload button[aria-label='Clear']").click()
            preview.wait_for(state="hidden")
        choose_file(page, saved(tmp_path, name, content))
        page.locator("#upload-note", has_text=note).wait_for()
        first = preview.locator("[role=gridcell][data-row='0']")
        first.first.wait_for()
        return preview.locator("[role=columnheader]:visible").all_inner_texts() + first.all_inner_texts()

    def rows() -> int:
        return int(preview.locator("[role=grid]").get_attribute("aria-rowcount") or 0) - 1

    lines = [f"k{row % 3}\ta text, number {row}" for row in range(50)]
    assert seen("fifty.tsv", "\n".join(["kind\ttext", *lines]), "50 texts") == [
        "text", "kind", "a text, number 0", "k0",
    ]  # fmt: skip
    assert rows() == 20
    preview.locator("[role=grid]").hover()
    page.mouse.wheel(0, 5000)
    preview.locator("[role=gridcell]", has_text="number 19").wait_for()
    assert preview.locator("[role=gridcell]", has_text="number 20").count() == 0
    told = [{"title": f"headline {row}", "author": "Ada"} for row in range(3)]
    assert seen("three.json", json.dumps(told), "3 texts") == ["title", "author", "headline 0", "Ada"]
    assert rows() == 3
    assert seen("two.md", "# A *heading* & more\n\n- a point\n", "2 texts") == [
        "text",
        "# A *heading* & more",
    ]
    assert preview.locator("em, h1").count() == 0, "as it is written"
    table = "Wort;Satz\nHund;Der Hund schläft, tief 🐶\nKatze;Sie frißt\n"
    wide = ["Satz", "Wort", "Der Hund schläft, tief 🐶", "Hund"]
    assert seen("breit.csv", table.encode("utf-16"), "2 texts") == wide
    assert "column “Satz”" in page.locator("#upload-note").inner_text()


@pytest.mark.parametrize("wanted", ["parquet", "npz", "jsonl", "csv"])
def test_an_export_is_uploaded_and_shown_as_it_was(open_page: OpenPage, tmp_path: Path, wanted: str) -> None:
    page = open_page().page
    upload_topics(page, tmp_path)
    before = lines_of(page)
    file = saved(tmp_path, f"again.{wanted}", taken_away(page, wanted))
    wait_until_empty(page)
    said = look_at(page, file)
    assert "nothing is embedded" in said
    assert "places from the file" in said
    assert page.locator("#take-vectors input").is_checked()
    assert page.locator("#embed-file").inner_text() == "Show this file"
    assert "not embedded anew" in show(page, file.name, 13)
    page.wait_for_selector("#map .tx-plot[data-painted='file 13']")
    assert page.locator("#tx-layout").input_value() == "file"
    after = lines_of(page)
    assert [line["text"] for line in after] == [line["text"] for line in before]
    for one, other in zip(before, after, strict=True):
        assert other["embedding"] == pytest.approx(one["embedding"], abs=1e-7)
        assert (other["x"], other["y"]) == pytest.approx((one["x"], one["y"]), rel=1e-4, abs=1e-4)
    # The file says by which model its vectors are, so a question can be asked of them.
    page.locator("#tx-query").fill("a wet day")
    page.locator("#tx-query").press("Enter")
    page.wait_for_selector("#map .tx-plot[data-found='semantic a wet day']")
    assert page.locator("#tx-panel-Selection .tx-text").first.inner_text() == "Rain falls all day"


def test_vectors_of_a_file_can_be_declined(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    lines = [json.dumps({"text": text, "embedding": [row, 1, 2]}) for row, text in enumerate(TEXTS)]
    assert "vectors of 3 dimensions" in look_at(page, saved(tmp_path, "own.jsonl", "\n".join(lines)))
    page.locator("#take-vectors input").uncheck()
    page.locator("#upload-note", has_text="embedded in less than a second").wait_for()
    page.locator("#embed-file", has_text="Embed this file").wait_for()
    page.locator("#take-vectors input").check()
    page.locator("#upload-note", has_text="nothing is embedded").wait_for()
    page.locator("#take-vectors input").uncheck()
    page.locator("#embed-file", has_text="Embed this file").wait_for()
    assert "tokens" in show(page, "own.jsonl", 12)
    assert len(lines_of(page)[0]["embedding"]) == 384


def test_a_workbook(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    rows = [["topic", "text"], *map(list, zip(KINDS, TEXTS, strict=True))]
    said = look_at(page, saved(tmp_path, "topics.xlsx", files.workbook({"Sheet": rows})))
    assert "12 texts · texts from the column “text”" in said
    show(page, "topics.xlsx", 12)
    assert legend(page) == sorted(TOPICS)
    assert page.locator("#tx-panel-Selection .tx-text").all_inner_texts() == TEXTS


def test_a_pdf_is_a_text_a_page(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    assert "4 texts" in look_at(page, saved(tmp_path, "pages.pdf", files.pdf(TEXTS[:4])))
    show(page, "pages.pdf", 4)
    assert page.locator("#tx-panel-Selection .tx-text").all_inner_texts() == TEXTS[:4]


@pytest.mark.parametrize("name", ["bare.npy", "bare.npz"])
def test_bare_vectors_are_numbered_rows(open_page: OpenPage, tmp_path: Path, name: str) -> None:
    page = open_page().page
    vectors = np.random.default_rng(3).normal(size=(30, 16)).astype(np.float32)
    content = files.npy(vectors) if name.endswith("npy") else files.npz(vectors=vectors)
    assert "vectors of 16 dimensions" in look_at(page, saved(tmp_path, name, content))
    assert page.locator("#column").is_hidden()
    show(page, name, 30)
    assert page.locator("#tx-panel-Selection .tx-text").first.inner_text() == "Row 1"
    assert lines_of(page)[7]["embedding"] == pytest.approx(vectors[7].tolist(), abs=1e-6)


def test_places_of_a_file_are_the_map_and_another_layout_can_be_had(
    open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page().page
    rows = [f"{text},{row % 4},{row // 4}" for row, text in enumerate(TEXTS)]
    said = look_at(page, saved(tmp_path, "places.csv", "\n".join(["text,x,y", *rows])))
    assert "places from the file" in said
    assert "embedded in less than a second" in said
    show(page, "places.csv", 12)
    page.wait_for_selector("#map .tx-plot[data-painted='file 12']")
    drawn = page.evaluate("(({ x, y }) => [...x].map((one, row) => [one, y[row]]))"
                          "(document.querySelector('#map .tx-canvas').data[0])")  # fmt: skip
    assert drawn == [[row % 4, row // 4] for row in range(12)]
    page.locator("#tx-layout").select_option("umap")
    page.wait_for_selector("#map .tx-plot[data-painted^='umap'][data-painted$=' 12']", timeout=120_000)
    page.locator("#tx-layout").select_option("file")
    page.wait_for_selector("#map .tx-plot[data-painted='file 12']")


def test_long_texts_become_chunks_that_know_their_document(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    long = " ".join(f"Sentence number {number} of a long report." for number in range(120))
    assert "cut them into chunks" in look_at(page, saved(tmp_path, "long.txt", f"{long}\na short one"))
    assert page.locator("#chunk-tokens").is_hidden()
    page.locator("#split input").check()
    page.locator("#chunk-tokens input").fill("8")
    page.locator("#embed-file").click()
    wait_for_status(page, "A chunk has 16 to 8,192 tokens")
    assert points(page) == 3000, "what was on screen stays"
    page.locator("#chunk-tokens input").fill("100")
    page.locator("#chunk-overlap input").fill("20")
    page.locator("#embed-file").click()
    said = wait_for_status(page, "long.txt")
    assert "1 long text cut into chunks of up to 100 tokens, 20 of them in two" in said
    assert "longer than" not in said
    wait_for_points(page, int(said.split(" texts")[0].rsplit(" ", 1)[1]))
    lines = lines_of(page)
    assert lines[-1]["text"] == "a short one"
    assert [line["columns"]["chunk"] for line in lines[:3]] == ["1", "2", "3"]
    assert {line["columns"]["document"] for line in lines[:-1]} == {
        "1 · Sentence number 0 of a long report. Sent…"
    }


def test_a_long_text_that_is_pasted_is_cut_where_that_is_wanted(open_page: OpenPage) -> None:
    page = open_page().page
    paste(page, ["A short one.", "words of a long and winding text, one after another, " * 40])
    wait_for_status(page, "1 text longer than 256 tokens, cut there")
    page.locator("#texts").wait_for(state="hidden")
    bring(page, "Paste")
    assert page.locator("#paste-chunk-tokens").is_hidden()
    page.locator("#paste-split input").check()
    page.locator("#paste-chunk-tokens input").fill("8")
    page.locator("#paste-chunk-overlap input").fill("20")
    page.locator("#embed").click()
    wait_for_status(page, "A chunk has 16 to 8,192 tokens")
    page.locator("#paste-chunk-tokens input").fill("100")
    page.locator("#embed").click()
    said = wait_for_status(page, "1 long text cut into chunks of up to 100 tokens, 20 of them in two")
    assert "cut there" not in said
    wait_for_points(page, int(re.findall(r"(\d+) texts ·", said)[0]))
    assert points(page) > 5


def test_broken_rows_are_counted_named_and_given_back(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    content = "kind,text\nfruit,an apple\nfruit,a pear,ripe\n\nfruit,a plum\nfruit,\n"
    said = look_at(page, saved(tmp_path, "broken.csv", content))
    assert "2 texts" in said
    assert "2 rows left out (line 3: 3 cells where the header has 2)" in said
    with page.expect_download() as downloading:
        page.locator("#skipped").click()
    with downloading.value.path().open(newline="") as source:
        rows = list(csv.DictReader(source))
    assert [row["line"] for row in rows] == ["3", "6"]
    assert rows[0]["raw"] == "fruit,a pear,ripe"
    show(page, "broken.csv", 2)


def test_a_reload_keeps_what_was_brought_and_not_embedded_yet(open_page: OpenPage, tmp_path: Path) -> None:
    watched = open_page()
    page = watched.page
    rows = [f"{text},{kind} {row}" for row, (text, kind) in enumerate(zip(TEXTS, KINDS, strict=True))]
    look_at(page, saved(tmp_path, "topics.csv", "\n".join(["text,title", *rows])))
    page.locator("#column input").click()
    page.locator("ul[role=listbox]").get_by_role("option", name="title").click()
    page.locator("#upload-note", has_text="column “title”").wait_for()
    written = "It rains\nall day.\n\nThe sun shines."
    bring(page, "Paste")
    page.locator("#texts textarea").fill(written)
    page.get_by_role("radio", name="Paragraphs").check()
    watched.reload()
    page.locator("#texts textarea").wait_for()
    page.wait_for_function("document.querySelector('#texts textarea').value !== ''")
    assert page.locator("#texts textarea").input_value() == written
    page.locator("#paste-way [value=Paragraphs]:checked").wait_for()
    bring(page, "Upload")
    page.locator("#upload-note", has_text="12 texts · texts from the column “title”").wait_for()
    page.locator("#preview [role=gridcell]", has_text="weather 0").first.wait_for()
    assert page.locator("#column input").input_value() == "title"
    assert "topics.csv" in page.locator("#upload").inner_text().replace("\n", "")
    assert "/" not in (page.evaluate("sessionStorage.getItem('tessera:upload')") or "/"), "no path is named"
    show(page, "topics.csv", 12)
    assert page.locator("#tx-panel-Selection .tx-text").first.inner_text() == f"{KINDS[0]} 0"
    closed = page.locator("#bring [role=tab][aria-selected=true]", has_text="Hide")
    closed.wait_for(state="attached")  # what texts were brought with closes when all are there
    bring(page, "Paste")
    page.locator("#embed").click()
    wait_for_status(page, "· 2 texts")
    wait_for_points(page, 2)
    watched.reload()
    wait_for_points(page, 2)
    bring(page, "Paste")
    assert page.locator("#texts textarea").input_value() == ""
    kept = "['pasted', 'upload'].map((name) => sessionStorage.getItem(`tessera:${name}`))"
    assert page.evaluate(kept) == [None, None]
    bring(page, "Upload")
    wait_until_empty(page)
    assert page.locator("#embed-file").is_hidden()


def test_a_choice_made_while_a_large_file_is_read_counts(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    rows = [f"a short report of day {row},headline {row},note {row}" for row in range(50_000)]
    choose_file(page, saved(tmp_path, "large.csv", "\n".join(["text,title,remark", *rows])))
    page.locator("#upload-note", has_text="column “text”").wait_for()
    for name in ("title", "remark"):
        page.locator("#column input").click()
        page.locator("ul[role=listbox]").get_by_role("option", name=name).click()
    page.locator("#upload-note", has_text="column “remark”").wait_for()
    assert page.locator("#column input").input_value() == "remark"


def test_a_file_that_is_taken_back_while_it_is_read_leaves_nothing(
    open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page().page
    rows = [f"a short report of day {row},headline {row}" for row in range(50_000)]
    choose_file(page, saved(tmp_path, "large.csv", "\n".join(["text,title", *rows])))
    page.locator("#upload button[aria-label='Clear']").click()
    page.locator("#upload input[type=file]").set_input_files(saved(tmp_path, "two.txt", "an apple\na pear"))
    page.locator("#upload-note", has_text="2 texts").wait_for()
    page.wait_for_timeout(3000)  # as long as the first one is read
    assert "2 texts" in page.locator("#upload-note").inner_text()
