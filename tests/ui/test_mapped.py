"""Maps that are kept with collections, on the page: taken at once, brought up to date, kept when made."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from embedder import Settings
from embedder.analysis.neighbours import nearest_neighbours
from embedder.analysis.projection import Projection
from embedder.collections import Collection
from embedder.collections.kept_map import KeptMap
from tests.collections.test_maps import texts, vectors
from ui import mapped
from ui.layout import LayoutWorker
from ui.loading import put_on_screen, summary
from ui.page import arrange_after_load
from ui.session import Session

from .test_shelf import Page, page_of

KEY = "umap-15-0.1-42"
in_module = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def worker(compiled: Path) -> AsyncIterator[LayoutWorker]:
    """One for all: a process is 13 seconds of imports."""
    made = LayoutWorker(compiled)
    yield made
    await made.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def page(tmp_path: Path, compiled: Path, worker: LayoutWorker) -> AsyncIterator[Page]:
    """What numba compiles is where other tests have it compiled already."""
    settings = Settings(cache_dir=compiled, data_dir=tmp_path / "data", page_max_texts=60)
    async for made in page_of(settings, compiled, worker):
        yield made


async def filled(page: Page, n: int) -> Collection:
    made = await page.collections.create_for_vectors("things", 6)
    await made.add(texts(n), vectors=vectors(n))
    return made


async def shown(page: Page, session: Session) -> list[str]:
    """Open the collection as a visitor does; the lines that are told while its map is made."""
    dataset = page.dataset(await page.last("things/open"))
    put_on_screen(session, dataset)
    return [str(line) async for line, *_ in arrange_after_load(page.desk, session)]


async def kept_of(page: Page) -> KeptMap | None:
    collection = await page.collections.open("things")
    assert page.collections.maps is not None
    return page.collections.maps.load("things", collection.about)


@in_module
async def test_what_the_page_lays_out_is_kept_and_taken_by_the_next_who_opens(page: Page) -> None:
    collection = await filled(page, 40)
    session = Session(page.desk.datasets)
    assert any("UMAP" in line for line in await shown(page, session))
    first = session.dataset
    assert first is not None
    kept = await kept_of(page)
    assert kept is not None
    assert (kept.head.rows, kept.head.laid_out, kept.head.exact) == (40, 40, True)

    page.desk.datasets.drop(first.id)  # as after a restart
    page.desk.shelf.shown.clear()
    again = await shown(page, session)
    second = session.dataset
    assert second is not None
    assert second is not first
    assert len(again) == 1  # nothing is computed
    order = np.argsort([row.id for row in await collection.get([f"t{n}" for n in range(40)])])
    assert len(order) == 40
    np.testing.assert_array_equal(second.layout(KEY).points, first.layout(KEY).points)
    np.testing.assert_array_equal(second.layout(KEY).clusters, first.layout(KEY).clusters)
    near = second.known_neighbours
    assert near is not None
    np.testing.assert_allclose(near.distances, nearest_neighbours(second.vectors).distances, atol=1e-5)
    assert "the map kept with the collection: all 40 laid out; trustworthiness 0." in summary(second)


@in_module
async def test_new_texts_stand_on_it_at_once_and_it_is_brought_up_to_date_behind(page: Page) -> None:
    collection = await filled(page, 40)
    session = Session(page.desk.datasets)
    await shown(page, session)
    await collection.add(texts(3, first=100), vectors=vectors(3, seed=9))
    before = await kept_of(page)
    assert before is not None

    dataset = page.dataset(await page.last("things/open"))
    part = dataset.workings.part
    assert part is not None
    known = dict(zip(before.ids(), before.points(), strict=True))
    for row, row_id in enumerate(part.ids):
        if row_id in known:
            np.testing.assert_array_equal(dataset.layout().points[row], known[row_id])
    assert np.isfinite(dataset.layout().points).all()
    said = re.search(
        r"3 new since, placed beside them \(trustworthiness of these at \d+: (\d\.\d{3}), on 3\)",
        summary(dataset),
    )
    assert said
    assert float(said[1]) > 0.5
    assert dataset.known_neighbours is None

    put_on_screen(session, dataset)
    value = mapped.shown(dataset)
    lines = [line async for line in arrange_after_load(page.desk, session)]
    assert any("has changed" in str(line) for line, *_ in lines)
    assert lines[-1][2] != value  # so that the script paints again
    after = await kept_of(page)
    assert after is not None
    assert (after.head.rows, after.head.laid_out) == (43, 40)
    assert "laid out 40 of 43, the others placed; trustworthiness 0." in summary(dataset)
    np.testing.assert_array_equal(np.sort(dataset.layout().points, axis=0), np.sort(after.points(), axis=0))
    near = dataset.known_neighbours
    assert near is not None
    np.testing.assert_allclose(near.distances, nearest_neighbours(dataset.vectors).distances, atol=1e-5)
    assert not page.desk.shelf.mapping


@in_module
async def test_a_sample_of_a_large_collection_stands_on_the_map_of_all(page: Page) -> None:
    from embedder.collections.mapping import make_map

    await filled(page, 150)
    kept = await make_map(page.collections, "things", page.desk.settings.cache_dir)
    dataset = page.dataset(await page.last("things/open"))
    part = dataset.workings.part
    assert part is not None
    assert len(part.ids) == 60
    places = dict(zip(kept.ids(), kept.points(), strict=True))
    np.testing.assert_array_equal(dataset.layout().points, [places[row_id] for row_id in part.ids])
    assert dataset.known_neighbours is None  # those of the sample are other ones
    said = summary(dataset)
    assert "all 150 laid out" in said
    assert "a sample of 150" in said


@in_module
async def test_all_of_a_collection_is_mapped_from_its_sample(page: Page) -> None:
    await filled(page, 150)
    session = Session(page.desk.datasets)
    await shown(page, session)  # the sample by itself
    dataset = session.dataset
    assert dataset is not None
    alone = dataset.layout(KEY).points
    part = (await page.told(dataset))["part"]
    assert (part["whole"], part["mappable"]) == (False, True)
    before = mapped.shown(dataset)
    answer = await page.post("/collections/things/map", {"data": dataset.id})
    *steps, last = [json.loads(line) for line in answer.text.splitlines()]
    assert last == {"data": dataset.id, "layout": KEY, "mapped": 150}
    shares = [step["share"] for step in steps]
    assert shares == sorted(shares)
    assert {step["stage"] for step in steps} == {"Mapping"}
    kept = await kept_of(page)
    assert kept is not None
    assert (kept.head.rows, kept.head.laid_out) == (150, 150)
    places = dict(zip(kept.ids(), kept.points(), strict=True))
    here = dataset.workings.part
    assert here is not None
    np.testing.assert_array_equal(dataset.layout(KEY).points, [places[one] for one in here.ids])
    assert not np.array_equal(dataset.layout(KEY).points, alone)
    assert mapped.shown(dataset) != before  # so that the script paints again
    assert "the map kept with the collection: all 150 laid out" in summary(dataset)
    assert not (await page.told(dataset))["part"]["mappable"]
    assert dataset.workings.known is not None
    assert dataset.workings.known.among == 150
    assert not page.desk.shelf.mapping


@in_module
async def test_a_map_of_all_is_made_once_at_a_time_and_given_up_when_nobody_waits(page: Page) -> None:
    await filled(page, 150)
    dataset = page.dataset(await page.last("things/open"))
    steps = mapped.map_steps(page.desk, "things", dataset)
    assert (await anext(steps))["stage"] == "Mapping"
    assert "being made already" in (await page.last("things/map", {"data": dataset.id}))["error"]
    await steps.aclose()
    assert not page.desk.shelf.mapping
    assert await kept_of(page) is None
    maps = Path(page.desk.settings.data_dir) / "maps"
    assert not [one for one in maps.iterdir() if one.is_dir()], "what was begun is gone"
    other = await page.on_screen(["one", "two"])
    assert "not of the collection" in (await page.last("things/map", {"data": other.id}))["error"]


@in_module
async def test_a_samples_own_layout_does_not_take_the_place_of_the_map_of_all(page: Page) -> None:
    await filled(page, 150)
    session = Session(page.desk.datasets)
    dataset = page.dataset(await page.last("things/open"))
    put_on_screen(session, dataset)
    laying = arrange_after_load(page.desk, session)
    assert "UMAP" in str((await anext(laying))[0])
    last = await page.last("things/map", {"data": dataset.id})
    places = dataset.layout(last["layout"]).points
    [step async for step in laying]
    np.testing.assert_array_equal(dataset.layout(KEY).points, places)


@in_module
async def test_what_is_on_screen_keeps_its_map_when_it_becomes_a_collection(page: Page) -> None:
    dataset = await page.on_screen(
        [f"a text about {word}" for word in ["one", "two", "three", "four", "five", "six", "seven"]]
    )
    session = Session(page.desk.datasets)
    put_on_screen(session, dataset)
    [line async for line in arrange_after_load(page.desk, session)]
    assert KEY in dataset.workings.layouts
    await page.last("things/keep", {"data": dataset.id})
    kept = await kept_of(page)
    assert kept is not None
    assert kept.head.rows == 7


@in_module
async def test_a_sample_that_came_with_its_map_keeps_it_too(page: Page) -> None:
    dataset = await page.on_screen([f"a text about {number}" for number in range(12)])
    points, clusters = dataset.flat.points, np.zeros(12, dtype=np.int32)
    dataset.add_layout(KEY, Projection(points, "umap", clusters=clusters))
    assert dataset.known_neighbours is None  # nobody has clicked
    await page.last("things/keep", {"data": dataset.id})
    kept = await kept_of(page)
    assert kept is not None
    np.testing.assert_array_equal(kept.points(), points)
    np.testing.assert_array_equal(kept.neighbours().indices[:, 0], np.arange(12))


@in_module
async def test_a_map_that_cannot_be_read_is_none(page: Page) -> None:
    await filled(page, 40)
    session = Session(page.desk.datasets)
    await shown(page, session)
    kept = await kept_of(page)
    assert kept is not None
    (kept.folder / "ids.arrow").write_bytes(b"no arrow")
    page.desk.shelf.shown.clear()
    dataset = page.dataset(await page.last("things/open"))
    assert not dataset.workings.layouts
