"""From raw figures to the table and what was kept or missed; arithmetic only."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.explorer.browser import Mark
from benchmarks.results import Headline, Result

MAP_SHARE, FIRST_SHARE = 1 / 4, 1 / 20
"""Of Embedding Atlas's time to a served page."""
PASTE_S, CLICK_S, PAINT_S = 2.0, 0.1, 4.0
MOST_TIMES_IDLE = 2.0
LEAST_TRUST = -0.01
COLUMNS = ["work", "ratio", "ours", "peer or goal", "how it was measured"]


def stages(marks: Sequence[Mark], since_s: float, texts: int) -> dict[str, float | None]:
    """Seconds from `since_s` to the first points of new texts, to all of them, and to their UMAP map.

    `all_s` is None where the layout came before all points were painted by PCA.
    """
    later = [mark for mark in marks if mark.at_s > since_s]
    whole = [mark for mark in later if mark.points == texts]
    flat = [mark.at_s - since_s for mark in whole if mark.layout == "pca"]
    return {
        "first_s": later[0].at_s - since_s,
        "first_points": later[0].points,
        "all_s": flat[0] if flat else None,
        "umap_s": next(mark.at_s - since_s for mark in whole if mark.layout == "umap"),
    }


def median_of(rounds: Sequence[dict[str, Any]], name: str) -> float:
    """Of the rounds that have it."""
    return statistics.median(one[name] for one in rounds if one[name] is not None)


def judge(result: Result, figures: dict[str, Any]) -> None:
    """Rows and limits of every part that was measured."""
    for name, add in (
        ("file", add_file),
        ("paste", add_paste),
        ("click", add_click),
        ("large", add_large),
        ("quality", add_quality),
    ):
        if name in figures:
            add(result, figures[name])


def add_file(result: Result, figures: dict[str, Any]) -> None:
    """A file to a map, beside Embedding Atlas, or alone where that was not started."""
    ours, peer = figures["ours"], figures["atlas"]
    texts = f"{figures['texts']:,} texts from a CSV"
    tokens = statistics.mean(figures["tokens"]) / figures["texts"]
    first_n = round(statistics.median(one["first_points"] for one in ours))
    works = (
        ("umap_s", "to a painted UMAP map", MAP_SHARE, f"{tokens:.1f} tokens each; warm server, open page"),
        ("first_s", f"to first points ({first_n:,} of them)", FIRST_SHARE, "PCA of what has vectors by then"),
        ("all_s", "to all points, by PCA", None, "no goal"),
    )
    for key, work, goal, how in works:
        if all(one[key] is None for one in ours):
            continue
        seconds = median_of(ours, key)
        if not peer:
            result.rows.append([f"{texts} {work}", "", f"{seconds:.1f} s", "not started", how])
            continue
        served = median_of(peer, "served_s")
        # Of each round's own pair: they ran one after the other on the same file.
        share = statistics.median(
            one[key] / other["served_s"]
            for one, other in zip(ours, peer, strict=True)
            if one[key] is not None
        )
        when = f" (stored, {figures['atlas_stored'][:10]})" if "atlas_stored" in figures else ""
        shown = [f"{seconds:.1f} s", f"Embedding Atlas {served:.1f} s{when}"]
        result.rows.append([f"{texts} {work}", f"{share:.3f}", *shown, how])
        if goal is not None:
            result.compare(
                Headline(f"{texts} {work}", *shown, f"{share:.3f}", f"at most {goal:g}", share <= goal)
            )


def add_paste(result: Result, figures: dict[str, Any]) -> None:
    """Pasted texts to a map."""
    work = f"{figures['texts']} pasted texts to a painted UMAP map"
    first = median_of(figures["ours"], "first_s")
    how = f"median of {len(figures['ours'])}; from the click on Embed; first points after {first:.2f} s"
    _against_limit(result, work, median_of(figures["ours"], "umap_s"), PASTE_S, how)


def add_click(result: Result, figures: dict[str, Any]) -> None:
    """Clicks on dots."""
    clicks = figures["clicks_s"]
    work = f"click to neighbours shown, {figures['points']:,} points"
    how = f"{len(clicks)} clicks; from the button's release to dot, lines and list painted"
    for name, share in (("median", 50), ("p95", 95)):
        _against_limit(result, f"{work}, {name}", float(np.percentile(clicks, share)), CLICK_S, how)


def add_large(result: Result, figures: dict[str, Any]) -> None:
    """Many points painted, and the API while they are laid out."""
    n = f"{figures['points']:,} points"
    kinds = " and ".join(sorted({one["drawn_as"] for one in figures["painted"]}))
    for key, work in (
        ("from_value_s", "from the component's new value"),
        ("from_navigation_s", "from navigation to its address, nothing cached"),
    ):
        how = f"median of {len(figures['painted'])}; {kinds}, in software"
        if key == "from_navigation_s":
            live = median_of(figures["painted"], "live_s")
            how = f"in the page's own HTML; the map in its place after {live:.2f} s"
        _against_limit(result, f"{n} painted, {work}", median_of(figures["painted"], key), PAINT_S, how)
    frames_ms = [taken for one in figures["painted"] for taken in one.get("drag_frames_ms", [])]
    if frames_ms:
        middle, slow = np.percentile(frames_ms, [50, 95])
        how = f"{len(frames_ms)} frames, p95 {slow:.0f} ms; {kinds}, in software"
        result.rows.append([f"{n} dragged about, a frame", "", f"{middle:.0f} ms", "no goal", how])
    idle, busy = (float(np.percentile(figures[f"{name}_s"], 95)) for name in ("idle", "busy"))
    ratio = busy / idle
    work = f"API, p95 of one short text while {n} are laid out"
    shown = [f"{1000 * busy:.1f} ms", f"idle {1000 * idle:.1f} ms"]
    how = f"{len(figures['busy_s'])} requests, one at a time, the whole layout long"
    result.rows.append([work, f"{ratio:.2f}", *shown, how])
    goal = f"at most {MOST_TIMES_IDLE:g} times"
    result.compare(Headline(work, *shown, f"{ratio:.2f} times", goal, ratio <= MOST_TIMES_IDLE))


def add_quality(result: Result, figures: dict[str, Any]) -> None:
    """Trustworthiness beside umap-learn's."""
    for size, sides in figures["sizes"].items():
        ours, theirs = (sides[who]["trustworthiness"] for who in ("ours", "umap-learn"))
        work = f"trustworthiness at {figures['k']} of {int(size):,} texts' layout"
        shown = [f"{ours:.4f}", f"umap-learn {theirs:.4f}"]
        how = "cosine, every row; umap-learn's defaults, seeded"
        result.rows.append([work, f"{ours - theirs:+.4f}", *shown, how])
        goal = f"at least {LEAST_TRUST:g}"
        result.compare(Headline(work, *shown, f"{ours - theirs:+.4f}", goal, ours - theirs >= LEAST_TRUST))


def _against_limit(result: Result, work: str, seconds: float, limit_s: float, how: str) -> None:
    """A time held to a limit of its own."""
    said, goal = f"{_seconds(seconds)}", f"at most {_seconds(limit_s)}"
    result.rows.append([work, f"{seconds / limit_s:.2f}", said, f"goal {_seconds(limit_s)}", how])
    result.compare(Headline(work, said, _seconds(limit_s), said, goal, seconds <= limit_s))


def _seconds(value: float) -> str:
    return f"{1000 * value:.0f} ms" if value < 0.5 else f"{value:.2f} s"
