"""The view of vectors as a visitor uses it: chosen, written, compared, copied, made smaller."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.corpus import files

from .test_page import FIVE, OpenPage, choose_file, code_of, paste, saved, view, wait_for_status

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.model]

HOSTILE = FIVE[3]
COPIED = "navigator.clipboard.readText()"


def open_vectors(page: Page, first: str = "") -> Any:
    """The view, once it shows the text that is first on screen."""
    view(page, "Vectors")
    page.wait_for_selector("#vectors .tx[data-shown]")
    page.locator("#vectors blockquote", has_text=first).wait_for()
    return page.locator("#vectors")


def choose(page: Page, place: int, words: str, shown: str) -> None:
    """Write into field A or B, take the first choice, wait for what is then shown."""
    field = page.locator("#vectors .tx-picker input").nth(place)
    field.fill(words)
    field.press("Enter")
    page.wait_for_selector(f"#vectors .tx[data-shown='{shown}']")


def signed(value: float) -> str:
    """As the page writes a number of a vector."""
    return f"{'−' if value < 0 else '+'}{abs(value):.4f}"


def score(page: Page, name: str) -> float:
    return float(page.locator(f"#vectors [data-score={name}] b").inner_text())


def test_two_texts_are_compared_and_every_score_says_what_it_is(open_page: OpenPage) -> None:
    page = open_page().page
    paste(page, FIVE)
    wait_for_status(page, "5 texts")
    shown = open_vectors(page, FIVE[0])
    assert shown.locator("blockquote").all_inner_texts() == [FIVE[0]]
    assert "384" in shown.locator("dl").inner_text()
    assert "1.0000" in shown.locator("dl").inner_text()
    choose(page, 1, "2", "0 1")
    assert score(page, "cosine") == pytest.approx(0.6660, abs=1e-3)  # the model card's own quick start
    assert score(page, "dot") == pytest.approx(0.6660, abs=1e-3)
    assert score(page, "distance") == pytest.approx((2 - 2 * 0.6660) ** 0.5, abs=1e-3)
    for name, said in (("cosine", "same direction"), ("dot", "sum of the products"), ("distance", "length")):
        assert said in page.locator(f"[data-score={name}] small").inner_text()
    choose(page, 1, "4", "0 3")
    assert HOSTILE in shown.locator("blockquote").all_inner_texts()
    assert page.locator("#vectors img, #vectors blockquote b").count() == 0
    strips = saved(page, "#vectors", "SVG of the strips").decode()
    assert strips.count("<rect") == 1 + 3 * 384, "the ground, A, B and their difference"
    assert FIVE[0] in strips
    assert "A less B" in strips
    assert "<b>" not in strips
    assert saved(page, "#vectors", "PNG of the strips").startswith(b"\x89PNG")
    page.get_by_role("button", name="Swap").click()
    page.wait_for_selector("#vectors .tx[data-shown='3 0']")
    page.get_by_role("button", name="Only A").click()
    page.wait_for_selector("#vectors .tx[data-shown='3']")
    assert page.locator("#vectors .tx-compared").count() == 0


def test_a_text_is_found_by_its_words_or_written_and_embedded_at_once(open_page: OpenPage) -> None:
    page = open_page().page
    paste(page, FIVE)
    wait_for_status(page, "5 texts")
    shown = open_vectors(page, FIVE[0])
    field = page.locator("#vectors .tx-picker input").first
    field.fill("stadium")
    option = shown.get_by_role("option", name="He drove to the stadium.")
    option.wait_for()
    field.press("ArrowDown")
    field.press("Enter")
    page.wait_for_selector("#vectors .tx[data-shown='2']")
    choose(page, 1, FIVE[2], "2 text")
    assert score(page, "cosine") == pytest.approx(1, abs=1e-4), "the same words, embedded anew"
    page.wait_for_timeout(600)
    assert shown.locator(".tx-options:visible").count() == 0, "no list comes after the choice"
    assert score(page, "distance") == pytest.approx(0, abs=1e-3)
    field.focus()
    field.press("Escape")
    assert shown.locator("[role=combobox]").first.get_attribute("aria-expanded") == "false"


def test_tokens_tell_their_ids_and_what_was_not_read_is_struck(open_page: OpenPage) -> None:
    page = open_page().page
    long = " ".join(f"thing{n}" for n in range(300))
    paste(page, ["short and sweet", long])
    wait_for_status(page, "2 texts")
    shown = open_vectors(page, "short")
    chips = shown.locator(".tx-piece")
    assert chips.all_inner_texts() == ["[CLS]", "short", "and", "sweet", "[SEP]"]
    assert [chip.get_attribute("data-id") for chip in chips.all()][:3] == ["101", "2460", "1998"]
    readout = shown.locator(".tx-readout").nth(1)
    chips.nth(1).hover()
    assert "id 2460, characters 1 to 5" in readout.inner_text()
    chips.first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert "id 1998" in readout.inner_text()
    assert shown.locator(".tx-unread").count() == 0
    choose(page, 0, "2", "1")
    assert "The model read 256 tokens and stopped" in shown.locator(".tx-cut").inner_text()
    struck = shown.locator("del.tx-unread").inner_text()
    assert len(struck) == 600
    assert struck[:200] in long
    assert "line-through" in struck_style(page)
    left_out = int(
        re.findall(r"([\d,]+) characters of the text", shown.locator(".tx-cut").inner_text())[0].replace(
            ",", ""
        )
    )
    assert long[len(long) - left_out :].startswith(struck[:100])


def struck_style(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.querySelector('del.tx-unread')).textDecorationLine"))


def test_the_strip_reads_numbers_off_by_pointer_and_by_keys(open_page: OpenPage) -> None:
    page = open_page().page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    paste(page, FIVE)
    wait_for_status(page, "5 texts")
    shown = open_vectors(page, FIVE[0])
    shown.get_by_role("button", name="Copy JSON").click()
    shown.get_by_role("button", name="Copied").wait_for()
    vector = json.loads(page.evaluate(COPIED))
    assert len(vector) == 384
    numbers = shown.locator(".tx-numbers")
    numbers.locator("summary").click()
    written = [float(number.replace("−", "-")) for number in numbers.locator("pre").inner_text().split()]
    assert written == pytest.approx(vector, abs=1e-6)
    largest = shown.locator(".tx-largest tr:has(th[scope=row])").first
    place = max(range(384), key=lambda dimension: abs(vector[dimension]))
    assert largest.locator("th").inner_text() == str(place)
    assert largest.locator("td").first.inner_text() == signed(vector[place])
    strip = shown.locator(".tx-strip-bar").first
    strip.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    said = strip.get_attribute("aria-valuetext") or ""
    assert said == f"dimension 1: {signed(vector[1])}"
    box = strip.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 100.5 / 384, box["y"] + 10)
    assert "dimension 100:" in shown.locator(".tx-readout").first.inner_text()


def test_a_vector_is_copied_as_python_and_saved_for_numpy(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    paste(page, FIVE)
    wait_for_status(page, "5 texts")
    shown = open_vectors(page, FIVE[0])
    shown.get_by_role("button", name="Copy Python").click()
    shown.get_by_role("button", name="Copied").wait_for()
    names: dict[str, Any] = {}
    exec(page.evaluate(COPIED), names)
    with page.expect_download() as downloading:
        shown.get_by_role("button", name="Save NPY").click()
    file = tmp_path / downloading.value.suggested_filename
    downloading.value.save_as(file)
    saved = np.load(file, allow_pickle=False)
    assert (file.name, saved.dtype, saved.shape) == ("vector-1.npy", np.float32, (384,))
    np.testing.assert_array_equal(saved, names["vector"])
    assert np.linalg.norm(saved) == pytest.approx(1, abs=1e-5)
    with page.expect_download() as downloading:
        shown.get_by_role("link", name="NPZ").click()
    every = tmp_path / "all.npz"
    downloading.value.save_as(every)
    with np.load(every, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["vectors"][0], saved)


def test_what_survives_smaller_vectors_is_measured_and_asked_for_by_a_slider(open_page: OpenPage) -> None:
    page = open_page().page
    shown = open_vectors(page)
    shown.locator(".tx-retention").scroll_into_view_if_needed()
    page.wait_for_selector("#vectors [data-measured]", timeout=120_000)
    chart = saved(page, "#vectors", "SVG of what is kept").decode()
    assert "int8" in chart
    assert "Share of true nearest neighbours kept" in chart
    assert (
        "10.0 of 10 true neighbours kept (100.0 %), over all 3,000 texts"
        in shown.locator(".tx-kept").inner_text()
    )
    kept = {
        str(row.get_attribute("data-what")): float(row.locator("td").last.inner_text().rstrip(" %"))
        for row in shown.locator(".tx-forms tr[data-what]").all()
    }
    assert kept["384"] == 100
    assert 98 < kept["int8"] < 100
    assert kept["binary"] < kept["rescored"] < kept["int8"]
    assert shown.locator(".tx-chart circle").count() == 14
    assert shown.locator(".tx-chart path[data-what]").count() == 3
    shown.locator("#tx-width").fill(
        "100"
    )  # to drag it there is not exact, and keys would be pressed 284 times
    page.wait_for_selector("#vectors .tx-kept[data-width='100']")
    said = shown.locator(".tx-kept").inner_text()
    assert "100 dimensions of 384, 400 bytes a vector of 1,536" in said
    share = float(re.findall(r"\((\d+\.\d) %\)", said)[0])
    assert 50 < share < 80
    assert shown.locator(".tx-chart circle").count() == 15
    shown.locator("#tx-width").press("ArrowLeft")
    page.wait_for_selector("#vectors .tx-kept[data-width='99']")
    view(page, "Code")
    page.locator("#views .note .status", has_text="cut to fewer dimensions").wait_for()
    page.wait_for_timeout(300)
    assert "dimensions=99" in code_of(page, "Python, OpenAI")


def test_of_many_texts_a_sample_is_measured_and_all_when_asked(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    vectors = np.random.default_rng(8).normal(size=(4200, 4)).astype(np.float32)
    (tmp_path / "many.npz").write_bytes(files.npz(vectors=vectors, x=vectors[:, 0], y=vectors[:, 1]))
    choose_file(page, tmp_path / "many.npz")
    page.locator("#embed-file", has_text="Show this file").click()
    page.wait_for_selector("#map .tx-plot[data-painted='file 4200']")
    shown = open_vectors(page, "Row 1")
    shown.locator(".tx-retention").scroll_into_view_if_needed()
    page.wait_for_selector("#vectors [data-measured]", timeout=120_000)
    said = shown.locator(".tx-kept")
    assert "over 3,809 texts spread evenly over the 4,200, against all" in said.inner_text()
    shown.get_by_role("button", name="Measure over all 4,200 texts").click()
    page.wait_for_selector("#vectors [data-whole]", timeout=120_000)
    assert "10.0 of 10 true neighbours kept (100.0 %), over all 4,200 texts" in said.inner_text()
    assert shown.get_by_role("button", name="Measure over").count() == 0
    shown.locator("#tx-width").evaluate("slider => { slider.value = 3; slider.focus(); }")
    shown.locator("#tx-width").press("ArrowLeft")
    page.wait_for_selector("#vectors .tx-kept[data-width='2']")
    assert "over all 4,200 texts" in said.inner_text(), "of every form"
    assert "±" not in said.inner_text()


def test_measuring_all_is_cancelled_and_goes_on_where_it_was(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    vectors = np.random.default_rng(8).normal(size=(10_500, 48)).astype(np.float32)
    (tmp_path / "many.npz").write_bytes(files.npz(vectors=vectors, x=vectors[:, 0], y=vectors[:, 1]))
    choose_file(page, tmp_path / "many.npz")
    page.locator("#embed-file", has_text="Show this file").click()
    page.wait_for_selector("#map .tx-plot[data-painted='file 10500']", timeout=180_000)
    shown = open_vectors(page, "Row 1")
    shown.locator(".tx-retention").scroll_into_view_if_needed()
    ask = shown.get_by_role("button", name="Measure over all 10,500 texts")
    ask.click()
    kept = shown.locator(".tx-kept", has_text="(100.0 %), over all 10,500 texts")
    kept.wait_for(timeout=120_000)
    waiting = shown.locator(".tx-retention .sx-waiting")
    waiting.get_by_text("Measuring ").wait_for()
    waiting.get_by_role("button", name="Cancel").click()
    # What was measured stays; the rest is told as not known, and can be asked for.
    waiting.wait_for(state="hidden")
    ask.wait_for()
    rows = "[...document.querySelectorAll('#vectors .tx-forms tr[data-what]')]"
    codings = f"{rows}.slice(1).map((row) => row.lastChild.innerText)"
    measured = shown.locator(".tx-chart circle").count()
    assert 1 <= measured < 14
    assert page.evaluate(codings) == ["…"] * 3
    page.wait_for_timeout(3000)  # in which the next form would be measured
    assert (shown.locator(".tx-chart circle").count(), page.evaluate(codings)) == (measured, ["…"] * 3)
    assert page.locator("#vectors [data-whole]").count() == 0
    assert kept.is_visible()
    ask.click()
    page.wait_for_selector("#vectors [data-whole]", timeout=180_000)
    assert all(share.endswith(" %") for share in page.evaluate(codings))
    assert shown.get_by_role("button", name="Measure over").count() == 0
    assert waiting.is_hidden()


def test_rows_of_tables_stay_as_high_once_a_file_was_looked_at(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page

    def heights() -> list[float]:
        return [
            float(page.locator(f"#vectors .{table} tr").nth(1).evaluate("row => row.offsetHeight"))
            for table in ("tx-largest", "tx-forms")
        ]

    shown = open_vectors(page)
    shown.locator(".tx-retention").scroll_into_view_if_needed()
    page.wait_for_selector("#vectors [data-measured]", timeout=120_000)
    before = heights()
    (tmp_path / "two.csv").write_text("text,kind\nan apple,fruit\na pear,fruit\n")
    choose_file(page, tmp_path / "two.csv")
    page.locator("#preview [role=gridcell]").first.wait_for()
    page.wait_for_timeout(500)
    assert heights() == before


def test_too_few_texts_to_measure_is_a_sentence(open_page: OpenPage) -> None:
    page = open_page().page
    paste(page, FIVE)
    wait_for_status(page, "5 texts")
    shown = open_vectors(page, FIVE[0])
    shown.get_by_role("region", name="How small can these vectors be?").scroll_into_view_if_needed()
    shown.locator(".tx-note").filter(has_text="Bring more than 10").wait_for()


def test_from_the_map_and_back_to_it(open_page: OpenPage) -> None:
    page = open_page().page
    page.locator("#tx-panel-Selection .tx-row button").nth(2).click()
    page.wait_for_selector("#map .tx-plot[data-focus='2']")
    page.locator(".tx-panel").get_by_role("tab", name="Vector").click()
    page.get_by_role("button", name="Open in Vectors").click()
    page.wait_for_selector("#vectors .tx[data-shown='2']")
    choose(page, 1, "7", "2 6")
    page.locator("#vectors").get_by_role("button", name="Show on the map").last.click()
    page.locator("#tx-panel-Selection h2", has_text="Text 7").wait_for()
    assert page.locator("#tx-panel-Selection .tx-row").get_attribute("data-row") == "6"


def test_other_texts_take_the_place_of_those_on_screen(open_page: OpenPage) -> None:
    page = open_page().page
    shown = open_vectors(page)
    choose(page, 0, "9", "8")
    paste(page, FIVE[:2])
    shown.locator("blockquote", has_text=FIVE[0]).wait_for()
    assert page.locator("#vectors .tx").get_attribute("data-shown") == "0"
    assert "of 2" in shown.locator("h2").first.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_two_texts_fit_a_phone(open_page: OpenPage, scheme: str) -> None:
    page = open_page(width=390, height=844, scheme=scheme).page
    open_vectors(page)
    choose(page, 1, "2", "0 1")
    page.wait_for_timeout(400)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_reload_keeps_both_texts_and_the_dimensions_asked_for(open_page: OpenPage) -> None:
    watched = open_page()
    page = watched.page
    paste(page, [f"{text} {number}" for number in range(5) for text in FIVE])
    wait_for_status(page, "25 texts")
    open_vectors(page, FIVE[0])
    choose(page, 0, "3", "2")
    choose(page, 1, "written here & not <b>there</b>", "2 text")
    page.locator("#vectors .tx-retention").scroll_into_view_if_needed()
    page.wait_for_selector("#vectors [data-measured]", timeout=60_000)
    page.locator("#tx-width").evaluate("(slider) => { slider.value = 101; slider.focus(); }")
    page.locator("#tx-width").press("ArrowLeft")
    page.wait_for_selector("#vectors .tx-kept[data-width='100']")
    page.wait_for_function("location.search.includes('vectors.width=100')")
    address = page.url
    watched.reload()
    for one in (page, open_page(base=address).page):
        one.wait_for_selector("#vectors .tx[data-shown='2 text']")
        quotes = one.locator("#vectors blockquote").all_inner_texts()
        assert quotes == [f"{FIVE[2]} 0", "written here & not <b>there</b>"]
        assert one.locator("#vectors .tx-picker input").nth(1).input_value() == quotes[1]
        one.locator("#vectors .tx-retention").scroll_into_view_if_needed()
        one.wait_for_selector("#vectors .tx-kept[data-width='100']", timeout=60_000)
    # What an address has no room for stays in the tab where it was written.
    long = " ".join(["a written text"] * 50)
    choose(page, 1, long, "2 text")
    page.wait_for_function("location.search.includes('vectors.b-long=')")
    assert "written" not in page.url
    watched.reload()
    page.wait_for_selector("#vectors .tx[data-shown='2 text']")
    assert page.locator("#vectors .tx-picker input").nth(1).input_value() == long
    page.get_by_role("button", name="Only A").click()
    page.wait_for_function("!location.search.includes('vectors.b')")
    assert page.evaluate("sessionStorage.getItem('tessera:vectors')") is None
    view(page, "Map")
    page.wait_for_function("!location.search.includes('view=') && location.search.includes('vectors.a=2')")
    watched.reload()
    page.wait_for_selector("#map .tx-plot[data-painted]")
    page.wait_for_function("location.search.includes('vectors.a=2')")
    open_vectors(page, FIVE[2])
