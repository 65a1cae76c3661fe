"""The measurements that need a browser; each is a part of its own, with a server of its own.

A part gives raw figures as JSON holds them; what they mean is in `verdict`.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.explorer import atlas, browser, material
from benchmarks.explorer.seeded import DATASET_ID, seeded
from benchmarks.explorer.verdict import stages
from benchmarks.fairness import probe
from benchmarks.server import Server, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FILE_TEXTS, PASTED_TEXTS, CLICKED_POINTS, PAINTED_POINTS = 5000, 200, 20_000, 50_000
HOVER_MS = 200
"""Between the mouse's arrival at a dot and the click, as a hand has it."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How often each thing is done."""

    file_rounds: int
    paste_rounds: int
    clicks: int
    paint_rounds: int
    idle_probes: int
    real_texts: int
    peer: bool


LONG = Effort(
    file_rounds=3, paste_rounds=9, clicks=60, paint_rounds=5, idle_probes=300, real_texts=5000, peer=True
)
SHORT = Effort(
    file_rounds=1, paste_rounds=2, clicks=10, paint_rounds=1, idle_probes=50, real_texts=1000, peer=False
)


def measure_file(effort: Effort) -> dict[str, Any]:
    """A CSV of real texts: from choosing it to first points, all points, UMAP; and Embedding Atlas."""
    figures: dict[str, Any] = {"texts": FILE_TEXTS, "ours": [], "atlas": [], "tokens": []}
    if effort.peer:
        atlas.prepare()
    with running(TESSERA_CACHE_BYTES="0") as server, tempfile.TemporaryDirectory() as folder:
        warm(server)
        for number in range(effort.file_rounds):
            # Other sentences each time, so that nothing remembered helps.
            texts = material.map_texts(FILE_TEXTS, seed=number + 1)
            file = material.write_csv(Path(folder) / f"round-{number}.csv", texts)
            figures["tokens"].append(int(material.lengths_tokens(texts).sum()))
            turns: dict[str, Callable[[], None]] = {
                "ours": lambda file=file: figures["ours"].append(one_upload(server, file)),  # type: ignore[misc]
                "atlas": lambda file=file: figures["atlas"].append(atlas.served_after(file)),  # type: ignore[misc]
            }
            for side in sorted(turns, reverse=not number % 2):
                if side == "ours" or effort.peer:
                    turns[side]()
                    print("file", number + 1, side, figures[side][-1], flush=True)
    return figures


def with_stored_peer(figures: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """The short form's file with Embedding Atlas's stored time of this processor, where there is one."""
    if figures["atlas"] or not known.get("atlas"):
        return figures
    served_s = statistics.median(one["served_s"] for one in known["atlas"])
    stored = [{"served_s": served_s}] * len(figures["ours"])
    return figures | {"atlas": stored, "atlas_stored": known["of"]["date"]}


def one_upload(server: Server, file: Path) -> dict[str, float | None]:
    """A visitor on the open page uploads `file`."""
    with opened(server) as page:
        since_s = browser.upload(page, file)
        browser.wait_for_layout(page, "umap", FILE_TEXTS, since_s)
        return stages(browser.marks(page), since_s, FILE_TEXTS)


def measure_paste(effort: Effort) -> dict[str, Any]:
    """Texts pasted into an open page: from the click on Embed to first points and UMAP."""
    rounds = []
    with running(TESSERA_CACHE_BYTES="0") as server:
        warm(server)
        with opened(server) as page:
            for number in range(effort.paste_rounds):
                texts = material.map_texts(PASTED_TEXTS, seed=100 + number)
                since_s = browser.paste(page, texts)
                browser.wait_for_layout(page, "umap", PASTED_TEXTS, since_s)
                rounds.append(stages(browser.marks(page), since_s, PASTED_TEXTS))
                print("paste", number + 1, rounds[-1], flush=True)
    return {"texts": PASTED_TEXTS, "ours": rounds}


def measure_click(effort: Effort) -> dict[str, Any]:
    """Clicks on dots of a UMAP map: from the mouse button's release to neighbours, lines and list painted."""
    texts, vectors = material.many_points(CLICKED_POINTS, effort.real_texts)
    with seeded(texts, vectors) as server, opened(server, f"/?data={DATASET_ID}") as page:
        browser.wait_for_layout(page, "umap", CLICKED_POINTS)
        page.wait_for_timeout(2000)
        rows = random.Random(3).sample(range(CLICKED_POINTS), CLICKED_POINTS)
        clicks_s = clicked(page, iter(rows), effort.clicks + 3)[3:]
    print("click", [round(one, 3) for one in clicks_s], flush=True)
    return {"points": CLICKED_POINTS, "real_texts": effort.real_texts, "clicks_s": clicks_s}


def clicked(page: Page, rows: Iterator[int], count: int) -> list[float]:
    """Seconds of `count` clicks on dots that are in view."""
    clicks_s = []
    while len(clicks_s) < count:
        x, y, visible = browser.place_of(page, next(rows))
        if not visible:
            continue
        before = page.evaluate("clocks.focused.length")
        page.mouse.move(x - 2, y - 2)
        page.mouse.move(x, y)
        page.wait_for_timeout(HOVER_MS)
        page.mouse.click(x, y)
        page.wait_for_function("before => clocks.focused.length > before", arg=before)
        released_ms, focused_ms = page.evaluate("[clocks.released, clocks.focused.at(-1)[1]]")
        clicks_s.append((focused_ms - released_ms) / 1000)
        page.wait_for_timeout(100)
    return clicks_s


def measure_large(effort: Effort) -> dict[str, Any]:
    """One short text by the API, idle and while the page lays many points out; then those painted."""
    texts, vectors = material.many_points(PAINTED_POINTS, effort.real_texts)
    # Requests leave from a thread: this one is Playwright's.
    with seeded(texts, vectors) as server, browser.chromium() as made, ThreadPoolExecutor(1) as pool:
        warm_in(made, server)
        pool.submit(probe, server.ours, lambda count: count >= 20).result()
        idle_s = pool.submit(probe, server.ours, lambda count: count >= effort.idle_probes).result()
        address = f"http://127.0.0.1:{server.port}/?data={DATASET_ID}"
        with browser.visitor(made, address) as page:
            page.wait_for_function("document.querySelector('#status').innerText.includes('UMAP')")
            over = threading.Event()
            probing = pool.submit(probe, server.ours, lambda count: over.is_set() and count > 0)
            try:
                browser.wait_for_layout(page, "umap", PAINTED_POINTS)
            finally:
                over.set()
            busy_s = probing.result()
        rounds = [painted(made, address) for _ in range(effort.paint_rounds)]
    p95_s = [round(float(np.percentile(times, 95)), 4) for times in (idle_s, busy_s)]
    print("large, p95 idle and busy", p95_s, "painted", rounds, flush=True)
    return {
        "points": PAINTED_POINTS,
        "real_texts": effort.real_texts,
        "idle_s": idle_s,
        "busy_s": busy_s,
        "painted": rounds,
    }


def painted(made: Browser, address: str) -> dict[str, Any]:
    """A new visitor on the address of many points: until they are painted, since two beginnings."""
    with browser.visitor(made, address) as page:
        browser.wait_for_layout(page, "umap", PAINTED_POINTS)
        mark = next(mark for mark in browser.marks(page) if mark.points == PAINTED_POINTS)
        sight = next((mark for mark in browser.sights(page) if mark.points == PAINTED_POINTS), mark)
        told_ms = page.evaluate(
            "id => performance.getEntriesByType('resource')"
            ".find(({ name }) => new RegExp(`/explorer/data/${id}(\\\\?|$)`).test(name)).startTime",
            DATASET_ID,
        )
        kind = page.evaluate("document.querySelector('#map .tx-canvas').data[0].type")
        frames_ms = browser.drag(page)
    return {
        "from_navigation_s": sight.at_s,
        "live_s": mark.at_s,
        "from_value_s": mark.at_s - told_ms / 1000,
        "drawn_as": kind,
        "drag_frames_ms": frames_ms,
    }


def warm(server: Server) -> None:
    """Model loaded, page built, layout process compiled, as on a server that has been up for a minute."""
    server.wait_for("/ready")
    with browser.chromium() as made:
        warm_in(made, server)


def warm_in(made: Browser, server: Server) -> None:
    """A first visitor, whose texts are laid out."""
    with browser.visitor(made, f"http://127.0.0.1:{server.port}/") as page:
        texts = material.map_texts(40, seed=99)
        browser.wait_for_layout(page, "umap", len(texts), browser.paste(page, texts))


@contextmanager
def opened(server: Server, path: str = "/") -> Iterator[Page]:
    """A visitor in a browser of their own, closed afterwards so that it takes nothing from what follows."""
    with browser.chromium() as made, browser.visitor(made, f"http://127.0.0.1:{server.port}{path}") as page:
        page.wait_for_timeout(1500)
        yield page
