"""The first map inside the page's HTML."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from embedder import Engine, Settings
from embedder.analysis.projection import Projection
from ui.layout import LayoutWorker
from ui.owned import Owned, dataset_of, maker_of
from ui.samples import FIRST_SAMPLE, ready_made
from ui.sight import FirstSight, needed_by, with_sight
from ui.view import Desk


def desk_of(folder: Path, **settings: Any) -> Desk:
    made = Settings(cache_dir=folder, **settings)
    return Desk(Engine(made), made, LayoutWorker(folder))


def drawn_in(body: bytes) -> Any:
    found = re.search(rb'id="first-sight-data">(.*?)</script>', body, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


async def nothing(scope: object, receive: object, send: object) -> None:
    """No application is asked for here."""


async def test_places_colours_and_names_are_those_of_the_sample(tmp_path: Path) -> None:
    desk = desk_of(tmp_path)
    sample = await ready_made(desk, FIRST_SAMPLE, None)
    assert sample is not None
    added = await FirstSight(nothing, desk).addition(b"")
    assert added is not None
    in_head, in_body = added
    assert b"explorer.css" in in_head
    told = drawn_in(in_body)
    points = sample.layout(told["layout"]).points
    steps = np.frombuffer(base64.b64decode(told["places"]), dtype="<u2").reshape(-1, 2)
    low, high = np.array(told["low"]), np.array(told["high"])
    np.testing.assert_allclose(low + steps / 65535 * (high - low), points, atol=1e-3)
    codes = np.frombuffer(base64.b64decode(told["codes"]), np.uint8)
    assert len(codes) == 3000
    assert len(np.unique(codes)) > 2
    assert len(told["clusters"]) >= 8
    assert len(in_body) < 60_000, "it is small enough to stand in a page"
    for query in (b"data=other", b"layout=nothing", b"data=\xff"):
        assert await FirstSight(nothing, desk).addition(query) is None
    assert await FirstSight(nothing, desk).addition(f"data={sample.id}&colour=area".encode()) is not None


async def test_texts_that_the_address_names_are_drawn_as_well(tmp_path: Path) -> None:
    desk = desk_of(tmp_path)
    rng = np.random.default_rng(3)
    owned = Owned(rng.normal(size=(70_000, 4)).astype(np.float32), "theirs", "")
    kinds = [f"kind <{row % 12}>" for row in range(70_000)]
    made = dataset_of(
        "a <b>file</b>.csv",
        [f"text {row}" for row in range(70_000)],
        {"kind": kinds, "half": ["yes", "no"] * 35_000},
        (),
        owned,
        await maker_of(desk.engine, owned, ()),
    )
    desk.datasets.put(made)
    added = await FirstSight(nothing, desk).addition(f"data={made.id}&layout=pca".encode())
    assert added is not None
    told = drawn_in(added[1])
    assert len(base64.b64decode(told["places"])) == 4 * 60_000, "an even sample, as on the map"
    codes = np.frombuffer(base64.b64decode(told["codes"]), np.uint8)
    assert set(codes.tolist()) == {0, 1}, "of the two columns the one whose groups have a colour each"
    assert b"<b>file" not in added[1]
    assert len(added[1]) < 500_000
    made.workings.layouts["umap-15-0.1-42-3d"] = Projection(np.zeros((70_000, 3), np.float32), "umap")
    assert (
        await FirstSight(nothing, desk).addition(f"data={made.id}&layout=umap-15-0.1-42-3d".encode()) is None
    )


async def test_behind_a_login_nothing_is_shown_before_it(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, page_auth=("ann:secret",))
    assert await FirstSight(nothing, desk).addition(b"") is None


def test_it_stands_at_the_ends_of_head_and_beginning_of_body() -> None:
    page = b"<html><head><title>x</title></head><body style='a'>rest</body></html>"
    assert with_sight(page, b"H", b"<B\\1>") == (
        b"<html><head><title>x</title>H</head><body style='a'><B\\1>rest</body></html>"
    )


def test_all_that_the_map_imports_is_named_once() -> None:
    needed = needed_by("main.js")
    assert needed[0] == "main.js"
    assert {"plot.js", "plane.js", "space.js", "dom.js"} <= set(needed)
    assert len(needed) == len(set(needed))
