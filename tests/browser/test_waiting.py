"""While a layout is computed the map goes on being used: looked into, searched, kept if it is cancelled."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.corpus import files

from .test_bringing import taken_away
from .test_explorer import click_row, search, wait_for_focus
from .test_page import PLACES, OpenPage, choose_file, wait_for_points, wait_for_status

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.model]

COPIES = 8
FAR = re.compile(
    r"UMAP: (neighbours \d+%, [\d,]+ texts a second|layout \d+%), about \d+ s left\. "
    r"The map can be used meanwhile\."
)


def larger_sample(page: Page, folder: Path) -> tuple[Path, int]:
    """The sample some times over, each time a little elsewhere: its layout takes a while."""
    with np.load(io.BytesIO(taken_away(page, "npz"))) as sample:
        texts, vectors = sample["texts"].tolist(), sample["vectors"]
        made_by = {name: sample[name] for name in ("model", "fingerprint")}
    every = np.tile(vectors, (COPIES, 1))
    every += np.random.default_rng(3).normal(scale=0.01, size=every.shape).astype(np.float32)
    numbered = [f"{text} ({copy})" for copy in range(COPIES) for text in texts]
    file = folder / "larger.npz"
    file.write_bytes(files.npz(vectors=every, texts=np.array(numbered), **made_by))
    return file, len(numbered)


def use(page: Page, row: int, question: str) -> None:
    """Click a dot and ask a question, each answered."""
    click_row(page, row)
    wait_for_focus(page)
    page.locator("#tx-panel-Neighbours .tx-row").nth(9).wait_for()
    assert len(search(page, question)) == 10
    page.keyboard.press("Escape")  # back from what was found, then from the text in focus
    page.locator("#tx-panel-Selection h2", has_text="All ").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_selector("#map .tx-plot:not([data-focus])")


def test_a_map_is_used_while_its_layout_is_computed(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page().page
    page.set_default_timeout(180_000)  # a server's first layout comes after what compiles
    file, count = larger_sample(page, tmp_path)
    choose_file(page, file)
    page.locator("#embed-file", has_text="Show this file").click()
    wait_for_points(page, count)
    before = page.evaluate(PLACES)
    for stage, row, question in (
        ("UMAP: neighbours", 100, "reading and writing files"),
        ("UMAP: layout", 2000, "talking over a network"),
    ):
        wait_for_status(page, stage)
        assert FAR.search(wait_for_status(page, "s left"))
        use(page, row, question)
        assert stage in page.locator("#status").inner_text(), "it was computed all the while"
    search(page, "a network")
    started_s = time.monotonic()
    page.locator("#cancel").click()
    said = wait_for_status(page, "Cancelled; what was there before is still there.")
    assert time.monotonic() - started_s < 2
    assert f"{count:,} texts" in said
    assert page.locator("#map .tx-plot").get_attribute("data-painted") == f"pca {count}"
    assert page.evaluate(PLACES) == before
    assert page.locator("#map .tx-plot").get_attribute("data-found") == "semantic a network"
    assert page.locator(".tx-hits").inner_text() == "10 hits"
