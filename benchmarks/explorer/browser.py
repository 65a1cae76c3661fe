"""A Chromium as the tests use it, with clocks inside the page: what is timed is what a visitor sees.

A mark is taken two frames after the map's script says that it has painted, and after the software
renderer has finished what was sent to it; all times of a page are on its own clock, whose zero is
the start of the navigation.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WAIT_MS = 300_000
CLOCKS = """
window.clocks = { painted: [], sighted: [], focused: [], released: 0 };
addEventListener("mouseup", (event) => { clocks.released = event.timeStamp; }, true);
const seen = (list, value) => {
  // Reading a pixel waits until the renderer has drawn all that came before it.
  document.querySelector("#first-sight canvas")?.getContext("2d").getImageData(0, 0, 1, 1);
  for (const canvas of document.querySelectorAll("#map canvas")) {
    const gl = canvas.getContext("webgl") ?? canvas.getContext("webgl2");
    gl?.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  }
  requestAnimationFrame(() => requestAnimationFrame(() => list.push([value, performance.now()])));
};
new MutationObserver((changes) => {
  for (const { target, attributeName } of changes) {
    const { dataset } = target, first = target.closest("#first-sight");
    const list = first ? clocks.sighted : clocks.painted;
    if (attributeName === "data-painted" && dataset.painted) seen(list, dataset.painted);
    if (attributeName === "data-focus" && dataset.focus) seen(clocks.focused, dataset.focus);
  }
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-painted", "data-focus"] });
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """The map was painted: by which layout, with how many points, when on the page's clock."""

    layout: str
    points: int
    at_s: float

    @classmethod
    def of(cls, told: str, at_ms: float) -> Mark:
        """From what the map's script writes, `umap-15-0.1-42 5000`."""
        key, _, points = told.rpartition(" ")
        return cls(key.partition("-")[0], int(points), at_ms / 1000)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The one that is installed, else Playwright's own; headless, so drawn in software."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = os.environ.get("CHROMIUM_PATH") or next(filter(None, map(shutil.which, names)), None)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield made
        made.close()


@contextmanager
def visitor(browser: Browser, address: str) -> Iterator[Page]:
    """A new visitor, nothing cached, on `address` until something is painted."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.add_init_script(CLOCKS)
    page.goto(address)
    page.wait_for_function("clocks.painted.length > 0")
    try:
        yield page
    finally:
        context.close()


def sights(page: Page) -> list[Mark]:
    """What was painted in the page's own HTML, before there was a map."""
    return [Mark.of(*mark) for mark in page.evaluate("clocks.sighted")]


def marks(page: Page) -> list[Mark]:
    """Everything that the map has painted so far."""
    return [Mark.of(*mark) for mark in page.evaluate("clocks.painted")]


def now_s(page: Page) -> float:
    """The page's clock."""
    return float(page.evaluate("performance.now()")) / 1000


FRAMES = """
window.frames_ms = [];
const tick = (before) => requestAnimationFrame((now) => {
  for (const canvas of document.querySelectorAll("#map canvas")) {
    const gl = canvas.getContext("webgl") ?? canvas.getContext("webgl2");
    gl?.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  }
  frames_ms.push(now - before);
  if (!window.framesOver) tick(now);
});
tick(performance.now());
"""


def drag(page: Page, moves: int = 60) -> list[float]:
    """The map dragged about: milliseconds from frame to frame, each drawn before the next begins."""
    frame = page.locator("#map .tx-canvas").bounding_box()
    if frame is None:
        raise RuntimeError("There is no map to drag.")
    x, y = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(FRAMES)
    for move in range(moves):
        page.mouse.move(x + 3 * move, y + move)
    page.evaluate("window.framesOver = true")
    page.mouse.up()
    return [float(taken) for taken in page.evaluate("frames_ms.slice(1)")]


def wait_for_layout(page: Page, layout: str, points: int, after_s: float = 0.0) -> None:
    """Until `points` points are painted by `layout`, seen later than `after_s`.

    Raises:
        RuntimeError: they never were; what the page says instead.
    """
    from playwright.sync_api import TimeoutError as Late

    try:
        page.wait_for_function(
            "([layout, points, after]) => clocks.painted.some(([told, at]) =>"
            " at > after && told.startsWith(layout) && told.endsWith(` ${points}`))",
            arg=[layout, points, after_s * 1000],
        )
    except Late:
        said = " ".join(page.locator("#status, #map .tx-message").all_inner_texts())
        seen = [(mark.layout, mark.points, round(mark.at_s, 1)) for mark in marks(page)]
        raise RuntimeError(f"No {layout} of {points} points was painted: {said!r}, {seen}.") from None


def paste(page: Page, texts: list[str]) -> float:
    """Paste `texts` and press Embed; when that was, on the page's clock."""
    page.locator("#bring").get_by_role("tab", name="Paste", exact=True).click()
    # Set as a paste does it; Playwright's own `fill` types.
    page.locator("#texts textarea").evaluate(
        "(area, value) => { area.value = value; area.dispatchEvent(new Event('input', {bubbles: true})); }",
        "\n".join(texts),
    )
    page.wait_for_timeout(300)
    return float(
        page.evaluate(
            "() => { const at = performance.now(); document.querySelector('#embed').click(); return at; }"
        )
        / 1000
    )


def upload(page: Page, file: Path) -> float:
    """Choose `file` and press its Embed as soon as it is there; when it was chosen, on the page's clock."""
    page.locator("#bring").get_by_role("tab", name="Upload", exact=True).click()
    chosen_s = now_s(page)
    page.locator("#upload input[type=file]").set_input_files(file)
    page.locator("#embed-file").click()
    return chosen_s


def place_of(page: Page, row: int) -> Any:
    """Where a row's dot is in the window, and whether that is on the map: `[x, y, visible]`."""
    return page.evaluate(
        """row => {
          const canvas = document.querySelector("#map .tx-canvas");
          const { xaxis, yaxis } = canvas._fullLayout, frame = canvas.getBoundingClientRect();
          const { x, y } = canvas.data[0];
          const [left, top] = [xaxis.l2p(x[row]), yaxis.l2p(y[row])];
          const visible = left > 0 && top > 0 && left < xaxis._length && top < yaxis._length;
          return [frame.left + xaxis._offset + left, frame.top + yaxis._offset + top, visible];
        }""",
        row,
    )
