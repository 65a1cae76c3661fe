"""Lists of neighbours kept with a collection's map: what of the page comes from them, and what it says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from embedder import Settings
from embedder.analysis import duplicates
from embedder.analysis.cells import nearest_by_cells
from embedder.analysis.neighbours import nearest_neighbours
from embedder.analysis.outliers import outlier_scores
from embedder.analysis.projection import LayoutOptions, Projection
from embedder.analysis.similarity import cosine_similarity, unit_rows
from embedder.analysis.trust import trust_of
from embedder.collections import Collection, NewText
from embedder.collections.kept_map import KeptMap, write_arrays
from embedder.collections.mapping import MadeMap, keep_map
from embedder.collections.rows import Row
from tests.analysis.test_duplicates import real_texts
from ui.datasets import Dataset, Workings, new_id
from ui.shelf import Part

from .test_shelf import Page, page_of

N = 600
DRAWN = 150


@pytest.fixture(params=[N, DRAWN], ids=["whole", "sample"])
async def page(request: pytest.FixtureRequest, tmp_path: Path, compiled: Path) -> AsyncIterator[Page]:
    settings = Settings(cache_dir=compiled, data_dir=tmp_path / "data", page_max_texts=request.param)
    async for made in page_of(settings, compiled):
        yield made


whole = pytest.mark.parametrize("page", [N], indirect=True)
sample = pytest.mark.parametrize("page", [DRAWN], indirect=True)


@pytest.fixture(autouse=True)
def lists_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few texts would all be compared with each other."""
    monkeypatch.setattr(duplicates, "FULL_LISTS", 8)


async def kept(page: Page) -> tuple[Collection, KeptMap]:
    """A collection of real texts with a map whose neighbours are exact; its places are of no matter."""
    texts, vectors = real_texts()
    texts, vectors = texts[:N], vectors[:N]
    made = await page.collections.create_for_vectors("things", vectors.shape[1])
    ids = [f"t{row}" for row in range(N)]
    await made.add([NewText(text, one) for text, one in zip(texts, ids, strict=True)], vectors=vectors)
    layout = Projection(vectors[:, :2].copy(), "umap", clusters=np.zeros(N, dtype=np.int32))
    near = nearest_neighbours(vectors)
    whole = MadeMap(ids, vectors, layout, near, asdict(LayoutOptions()), made.table.mark)
    map_of_it = await keep_map(page.collections, "things", whole)
    assert map_of_it is not None
    return made, map_of_it


async def opened(page: Page) -> tuple[Dataset, Dataset]:
    """What is on screen, and the same texts with nothing known of them."""
    dataset = page.dataset(await page.last("things/open"))
    assert dataset.workings.known is not None
    plain = replace(dataset, id=new_id(), workings=Workings())
    page.desk.datasets.put(plain)
    return dataset, plain


async def on_screen_and_all(page: Page) -> tuple[Dataset, Part, list[Row], NDArray[np.float32]]:
    """What is on screen, what of the collection that is, and all of the collection with its vectors."""
    collection, _ = await kept(page)
    dataset, _ = await opened(page)
    part = dataset.workings.part
    assert part is not None
    everything = await collection.get([f"t{row}" for row in range(N)], vectors=True)
    vectors = np.stack([row.vector for row in everything if row.vector is not None])
    return dataset, part, everything, vectors


async def answer(page: Page, dataset: Dataset, what: str, **body: Any) -> Any:
    response = await page.post(f"/data/{dataset.id}/similarity/{what}", body)
    return json.loads(response.text.splitlines()[-1])


async def near(page: Page, dataset: Dataset, row: int) -> dict[str, Any]:
    transport = httpx.ASGITransport(page.routes, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        return dict((await http.get(f"/data/{dataset.id}/neighbours/{row}")).json())


async def test_pairs_and_groups_are_those_of_comparing_each_with_each(page: Page) -> None:
    await kept(page)
    dataset, plain = await opened(page)
    found = await answer(page, dataset, "find-pairs")
    true = await answer(page, plain, "find-pairs")
    assert found["distinct"] == true["distinct"]
    assert found["said"].endswith("which are exact.")
    assert (found["all"], true["all"], true["said"]) == (False, True, "")
    listed = await answer(page, dataset, "pairs", most=100, equal=True)
    others = await answer(page, plain, "pairs", most=100, equal=True)
    assert len(listed) == 100
    assert [pair[:2] for pair in listed] == [pair[:2] for pair in others]
    np.testing.assert_allclose([pair[2] for pair in listed], [pair[2] for pair in others], atol=1e-6)
    for least in (0.9, 0.7, found["lowest"] + 1e-4):
        groups = await answer(page, dataset, "groups", least=least)
        assert groups == await answer(page, plain, "groups", least=least)
        assert groups["groups"]
        rows = await answer(page, dataset, "group-rows", least=least)
        assert rows == await answer(page, plain, "group-rows", least=least)


async def test_below_what_the_lists_know_nothing_is_made_up(page: Page) -> None:
    await kept(page)
    dataset, _ = await opened(page)
    lowest = (await answer(page, dataset, "find-pairs"))["lowest"]
    assert 0.2 < lowest < 0.7
    for what in ("groups", "group-rows"):
        said = (await answer(page, dataset, what, least=lowest - 0.01))["error"]
        assert said.startswith(f"Pairs of texts are known down to a cosine of {lowest:.4f}")


async def test_outliers_are_far_from_their_neighbours_in_all_of_the_collection(page: Page) -> None:
    dataset, part, everything, vectors = await on_screen_and_all(page)
    place = {row.id: number for number, row in enumerate(everything)}
    here = np.array([place[one] for one in part.ids])
    for k in (1, 10, 100):
        found = await answer(page, dataset, "outliers", k=k, most=20)
        true = outlier_scores(nearest_neighbours(vectors), k)[here]
        np.testing.assert_allclose(found["scores"], np.sort(true)[::-1][:20], atol=1e-5)
        np.testing.assert_allclose(true[found["rows"]], found["scores"], atol=1e-5)
        assert found["k"] == k
        assert ("Among all 600 texts" in found["said"]) == (len(here) < N)


async def test_a_clicked_texts_neighbours_and_how_many_of_the_nearest_are_drawn(page: Page) -> None:
    dataset, part, everything, vectors = await on_screen_and_all(page)
    scores = cosine_similarity(dataset.vectors[:5], vectors)
    for row in range(5):
        found = await near(page, dataset, row)
        here = cosine_similarity(dataset.vectors[row : row + 1], dataset.vectors)[0]
        here[row] = -1
        np.testing.assert_allclose(found["scores"], np.sort(here)[::-1][:10], atol=1e-5)
        np.testing.assert_allclose(here[found["rows"]], found["scores"], atol=1e-5)
        others = [one for one in np.argsort(-scores[row]) if everything[one].id != part.ids[row]][:10]
        drawn = sum(everything[one].id in set(part.ids) for one in others)
        said = f"Of the 10 nearest among all 600 texts of the collection, {drawn} are drawn here."
        assert (said in found["score"]) == (not part.whole)


@whole
async def test_of_lists_that_are_not_exact_the_page_says_how_far_they_are(page: Page) -> None:
    _, map_of_it = await kept(page)
    _, vectors = real_texts()
    unit = unit_rows(vectors[:N])
    found = nearest_by_cells(unit, 31)
    trust = trust_of(unit, map_of_it.points(), found)
    assert trust.recall is not None
    assert 0.5 < trust.recall < 1
    write_arrays(map_of_it.folder, map_of_it.points(), map_of_it.clusters(), found)
    head = replace(map_of_it.head, exact=False, recall=trust.recall)
    (map_of_it.folder / "head.json").write_text(json.dumps(asdict(head)), "utf-8")
    dataset, plain = await opened(page)
    assert dataset.known_neighbours is None  # what needs exact ones finds them
    said = f"{100 * min(trust.recall, 0.999):.1f} %, as measured"
    pairs = await answer(page, dataset, "find-pairs")
    assert pairs["said"].startswith("Approximate")
    assert said in pairs["said"]
    listed = {tuple(pair[:2]) for pair in await answer(page, dataset, "pairs", most=200)}
    true = {tuple(pair[:2]) for pair in await answer(page, plain, "pairs", most=200)}
    assert len(listed & true) > 0.9 * len(true)
    outliers = await answer(page, dataset, "outliers", k=100, most=5)
    assert outliers["k"] == 30
    assert "The kept lists end at number 30. Approximate" in outliers["said"]
    assert said in outliers["said"]
    clicked = await near(page, dataset, 3)
    assert said in clicked["score"]
    assert len(clicked["rows"]) == 10
    exact = cosine_similarity(dataset.vectors[3:4], dataset.vectors)[0]
    np.testing.assert_allclose(exact[clicked["rows"]], clicked["scores"], atol=1e-5)


@whole
async def test_lists_of_other_vectors_are_not_taken(page: Page) -> None:
    collection, _ = await kept(page)
    await collection.add([NewText("another", "t7")], vectors=real_texts()[1][2000:2001])
    dataset = page.dataset(await page.last("things/open"))
    assert dataset.workings.outdated
    assert dataset.workings.known is None
    assert dataset.known_neighbours is None
    found = await answer(page, dataset, "find-pairs")
    assert (found["all"], found["said"]) == (True, "")
