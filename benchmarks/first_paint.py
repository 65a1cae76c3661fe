"""How soon the first screen is there: a warm server, a visitor with nothing cached, a real Chromium.

From the start of the navigation, on the page's own clock: the first of the sample's 3,000 points
drawn, all of them with their clusters named, and the map that can be clicked. A mark is taken two
frames after the page says so, when the software renderer has finished. Median of the loads, after
one that is not counted. `again` are visits of the same visitor, whose browser has kept the files.
"""

from __future__ import annotations

import statistics
import sys
from typing import TYPE_CHECKING, Any

from benchmarks.explorer.browser import chromium
from benchmarks.results import Headline, Result, parser
from benchmarks.server import running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

GOAL_S = 1.0
MARKS = {"points": "first points", "named": "points with named clusters", "usable": "map to be clicked"}
CLOCK = """
window.seenAt = {};
const seen = (name) => {
  if (name in seenAt) return;
  seenAt[name] = null;
  // Reading a pixel waits until the renderer has drawn all that came before it.
  for (const canvas of document.querySelectorAll("#map .gl-canvas")) {
    const gl = canvas.getContext("webgl") ?? canvas.getContext("webgl2");
    gl?.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  }
  requestAnimationFrame(() => requestAnimationFrame(() => { seenAt[name] = performance.now(); }));
};
const look = () => {
  const named = () => [...document.querySelectorAll(".tx-labels span")].some((label) => label.style.visibility === "visible");
  if (document.querySelector(".tx-plot[data-painted]")) {
    seen("points");
    if (named()) seen("named");
  }
  if (document.querySelector("#map .tx-plot[data-painted]")) seen("usable");
};
new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-painted", "style"] });
"""  # noqa: E501


def loaded(context: BrowserContext, address: str) -> dict[str, float]:
    """Seconds to each of `MARKS`, of one visit."""
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.add_init_script(CLOCK)
    page.goto(address, wait_until="commit")
    page.wait_for_function("Object.keys(seenAt).length === 3 && Object.values(seenAt).every(Boolean)")
    seen: dict[str, float] = page.evaluate("seenAt")
    drawn = page.evaluate("document.querySelector('#map .tx-canvas').data[0].x.length")
    if drawn != 3000:
        raise RuntimeError(f"{drawn} points were drawn.")
    page.close()
    return {name: at_ms / 1000 for name, at_ms in seen.items()}


def visits(browser: Browser, address: str, loads: int) -> tuple[list[dict[str, float]], ...]:
    """Visits of `loads` new visitors, and one more of each with what the first has left in the cache."""
    first, again = [], []
    for _ in range(loads):
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        first.append(loaded(context, address))
        again.append(loaded(context, address))
        context.close()
    return first, again


def main() -> int:
    flags = parser(__doc__ or "")
    flags.add_argument("--loads", type=int, default=7)
    args = flags.parse_args()
    result = Result(
        "first_paint", "Seconds from opening the page to its first map", ["visit", *MARKS.values()]
    )
    with running() as server, chromium() as browser:
        server.wait_for("/ready")
        address = f"http://127.0.0.1:{server.port}/"
        visits(browser, address, 1)
        measured = visits(browser, address, 2 if args.short else args.loads)
    medians: dict[str, dict[str, Any]] = {}
    for visit, seen in zip(("first", "again"), measured, strict=True):
        medians[visit] = {name: statistics.median(one[name] for one in seen) for name in MARKS}
        result.rows.append([visit, *(f"{medians[visit][name]:.2f}" for name in MARKS)])
        result.figures[visit] = {"median_s": medians[visit], "runs_s": seen}
    named_s = medians["first"]["named"]
    result.compare(
        Headline(
            "first visit to 3,000 points, clusters named",
            *(f"{named_s:.2f} s", f"{GOAL_S:g} s", f"{named_s:.2f} s", f"at most {GOAL_S:g} s"),
            named_s <= GOAL_S,
        )
    )
    return result.finish(args.out)


if __name__ == "__main__":
    sys.exit(main())
