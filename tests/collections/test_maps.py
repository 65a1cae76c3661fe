"""Maps that are kept with collections: made, brought up to date, exchanged whole, gone with them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedder.analysis.neighbours import nearest_neighbours
from embedder.analysis.projection import LayoutOptions, Projection
from embedder.analysis.similarity import unit_rows
from embedder.collections import Collection, Collections, NewText, carrying
from embedder.collections import deleted as bin_
from embedder.collections.kept_map import KeptMap
from embedder.collections.map_parts import placed_rows
from embedder.collections.map_rows import is_of_now
from embedder.collections.mapping import MadeMap, MapWish, keep_map, make_map
from embedder.collections.maps import KeptMaps
from embedder.collections.moving import move
from embedder.collections.transfer import export_collection, import_collection
from embedder.corpus.reading import read_texts
from embedder.errors import InvalidInput, StoreFailed

from .stores import EVERYWHERE, opened

NAME = "things"
CACHE = Path(os.environ.get("TESSERA_TEST_CACHE_DIR", "."))


def vectors(n: int, seed: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (np.eye(6)[random.integers(6, size=n)] + 0.3 * random.normal(size=(n, 6))).astype(np.float32)


def texts(n: int, first: int = 0) -> list[NewText]:
    return [NewText(f"text {number}", f"t{number}") for number in range(first, first + n)]


@pytest.fixture
async def mapped(place: tuple[str, str], tmp_path: Path) -> AsyncIterator[Collections]:
    """A collection of 120 texts, one of which has no direction, where maps are kept."""
    async with Collections(opened(*place), None, KeptMaps(tmp_path / "maps", place[1])) as made:
        collection = await made.create_for_vectors(NAME, 6)
        given = vectors(120)
        given[5] = 0
        await collection.add(texts(120), vectors=given)
        yield made


async def kept_of(collections: Collections) -> KeptMap | None:
    assert collections.maps is not None
    return collections.maps.load(NAME, (await collections.open(NAME)).about)


async def as_kept(collection: Collection, ids: list[str]) -> np.ndarray:
    rows = await collection.get(ids, vectors=True)
    return np.stack([row.vector for row in rows if row.vector is not None])


async def in_order(collection: Collection, ids: list[str]) -> np.ndarray:
    return unit_rows(await as_kept(collection, ids))


def check_exact(kept: KeptMap, rows: np.ndarray) -> None:
    true = nearest_neighbours(rows, 101)
    np.testing.assert_allclose(kept.neighbours().distances, true.distances, atol=1e-5)
    measured = 1 - np.einsum("nd,nkd->nk", rows, rows[kept.neighbours().indices])
    np.testing.assert_allclose(kept.neighbours().distances, measured, atol=1e-5)


async def kept_elsewhere(collections: Collections, name: str = NAME) -> KeptMap:
    """A map that was made elsewhere, as the page keeps one: no process is started for it."""
    collection = await collections.open(name)
    mark = collection.table.mark
    ids = [row_id for some in collection.table.ids() for row_id in some if row_id != "t5"]
    rows = await in_order(collection, ids)
    layout = Projection(rows[:, :2] * 3, "umap", clusters=np.zeros(len(ids), dtype=np.int32))
    raw = await as_kept(collection, ids)
    made = MadeMap(ids, raw, layout, nearest_neighbours(rows), asdict(LayoutOptions()), mark)
    kept = await keep_map(collections, name, made)
    assert kept is not None
    return kept


@EVERYWHERE
async def test_it_is_kept_beside_every_store_and_knows_when_texts_changed(mapped: Collections) -> None:
    assert await kept_of(mapped) is None
    await kept_elsewhere(mapped)
    kept = await kept_of(mapped)
    assert kept is not None
    assert (kept.head.total, kept.head.rows, kept.head.exact) == (120, 119, True)
    collection = await mapped.open(NAME)
    rows = await in_order(collection, kept.ids())
    np.testing.assert_array_equal(kept.points(), rows[:, :2] * 3)
    check_exact(kept, rows)
    assert is_of_now(kept, collection.table)
    await collection.add(texts(1, first=9), vectors=-vectors(1, seed=3))  # other words, so to speak
    assert not is_of_now(kept, collection.table)
    before = await kept_elsewhere(mapped)
    assert is_of_now(before, collection.table)
    await collection.delete(["t3"])
    assert not is_of_now(before, collection.table)


async def test_a_map_is_made_kept_and_brought_up_to_date(mapped: Collections) -> None:
    stages: list[str] = []
    made = await make_map(mapped, NAME, CACHE, told=lambda stage, _: stages.append(stage))
    assert {"Reading", "Neighbours", "Layout", "Measuring", "Clusters"} <= set(stages)
    head = made.head
    assert (head.total, head.rows, head.laid_out, head.placed, head.exact) == (120, 119, 119, 0, True)
    assert 0.5 < head.trustworthiness <= 1
    collection = await mapped.open(NAME)
    ids = made.ids()
    assert sorted(ids) == sorted(f"t{number}" for number in range(120) if number != 5)
    check_exact(made, await in_order(collection, ids))
    again = await make_map(mapped, NAME, CACHE)  # nothing changed
    assert again.folder == made.folder

    before = dict(zip(ids, made.points(), strict=True))
    await collection.delete(["t0", "t1"])
    await collection.add(texts(3, first=200), vectors=vectors(3, seed=2))
    await collection.add(texts(1, first=9), vectors=-vectors(1, seed=3))
    later = await make_map(mapped, NAME, CACHE)
    assert (later.head.total, later.head.rows, later.head.laid_out) == (121, 120, 116)
    now = later.ids()
    assert sorted(now) == sorted({*ids, "t200", "t201", "t202"} - {"t0", "t1"})
    check_exact(later, await in_order(collection, now))
    # Nobody who looks at it loses the way: places are near where they were.
    places = zip(now, later.points(), strict=True)
    moved = [np.linalg.norm(place - before[row]) for row, place in places if row in before]
    old = np.stack(list(before.values()))
    spread = np.linalg.norm(old - old.mean(axis=0), axis=1).mean()
    assert np.median(moved) < spread
    assert is_of_now(later, collection.table)
    assert not made.folder.exists()
    with pytest.raises(StoreFailed, match="made anew"):
        made.points()


async def test_upkeep_is_no_change(mapped: Collections) -> None:
    made = await kept_elsewhere(mapped)
    collection = await mapped.open(NAME)
    await asyncio.to_thread(collection.table.maintain)
    assert collection.table.mark != made.head.mark  # Lance counts it
    assert is_of_now(made, collection.table)
    await collection.delete(["t3"])
    assert not is_of_now(made, collection.table)


async def test_other_wishes_and_many_new_texts_make_another_map(mapped: Collections) -> None:
    first = await kept_elsewhere(mapped)
    collection = await mapped.open(NAME)
    await collection.add(texts(200, first=300), vectors=vectors(200, seed=4))
    grown = await make_map(mapped, NAME, CACHE, MapWish({"n_neighbors": 5}))
    assert grown.folder != first.folder
    assert grown.head.options["n_neighbors"] == 5
    assert grown.head.laid_out == grown.head.rows == 319
    check_exact(grown, await in_order(collection, grown.ids()))


async def test_a_sample_is_laid_out_and_the_others_placed(mapped: Collections) -> None:
    made = await make_map(mapped, NAME, CACHE, MapWish(sample=60, threads=2))
    assert (made.head.laid_out, made.head.placed) == (60, 59)
    assert str(made.head).startswith("laid out 60 of 119, the others placed; trustworthiness 0.")


async def test_some_rows_on_the_map_and_new_ones_at_once(mapped: Collections) -> None:
    made = await kept_elsewhere(mapped)
    ids, points = made.ids(), made.points()
    chosen = [ids[row] for row in (50, 3, 77, 12)]
    rows = await as_kept(await mapped.open(NAME), chosen)
    some = placed_rows(made, chosen, rows)
    assert some is not None
    assert some.new == 0
    assert some.known is not None
    assert (some.known.among, some.known.whole, some.known.exact) == (119, False, True)
    at = {row_id: place for place, row_id in enumerate(chosen)}
    for row, place in ((50, 0), (3, 1), (77, 2), (12, 3)):
        near = [at.get(ids[one], -1) for one in made.neighbours().indices[row]]
        assert some.known.indices[place].tolist() == near
        np.testing.assert_array_equal(some.known.distances[place], made.neighbours().distances[row])
    turned_round = placed_rows(made, chosen, -rows)
    assert turned_round is not None
    assert turned_round.known is None  # these texts have other vectors now
    np.testing.assert_array_equal(some.layout.points, points[[50, 3, 77, 12]])
    one_more = placed_rows(made, [*chosen, "new"], np.concatenate([rows, rows[:1]]))
    assert one_more is not None
    assert (one_more.new, one_more.known) == (1, None)
    assert some.trust is None
    assert one_more.trust is not None
    assert one_more.trust.looked_at == 1, (
        "it is measured how the new one was placed, not how the others stand"
    )
    low, high = points[[50, 3, 77, 12]].min(axis=0), points[[50, 3, 77, 12]].max(axis=0)
    assert (one_more.layout.points[4] >= low - 0.1).all()
    assert (one_more.layout.points[4] <= high + 0.1).all()
    assert placed_rows(made, ["a", "b", chosen[0]], rows[:3]) is None

    turned = ids[::-1]
    all_of_it = placed_rows(made, turned, await as_kept(await mapped.open(NAME), turned))
    assert all_of_it is not None
    whole = all_of_it.known
    assert whole is not None
    assert whole.whole
    np.testing.assert_array_equal(whole.indices[:, 0], np.arange(119))
    np.testing.assert_array_equal(whole.distances, made.neighbours().distances[::-1])
    assert [ids[row] for row in made.neighbours().indices[4]] == [
        turned[row] for row in whole.indices[119 - 1 - 4]
    ]


@pytest.mark.parametrize("end", ["cancelled", "killed"])
async def test_when_it_is_stopped_the_one_before_stays(mapped: Collections, tmp_path: Path, end: str) -> None:
    made = await kept_elsewhere(mapped)
    at_work = asyncio.Event()

    def told(stage: str, _: float) -> None:
        if stage == "Neighbours":  # what the process says first
            at_work.set()

    work = asyncio.create_task(make_map(mapped, NAME, CACHE, MapWish(anew=True), told))
    await at_work.wait()
    (child,) = maps_at_work()
    if end == "cancelled":
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
    else:
        os.kill(child, signal.SIGKILL)
        with pytest.raises(StoreFailed, match="still there"):
            await work
    kept = await kept_of(mapped)
    assert kept is not None
    assert kept.folder == made.folder
    assert not [path for path in (tmp_path / "maps").iterdir() if path.name.startswith("~")]
    assert not maps_at_work()


def maps_at_work() -> list[int]:
    """Processes that make maps and are children of this one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if b"embedder.collections.map_process" in command and parent == os.getpid():
            found.append(int(folder.name))
    return found


async def test_what_is_damaged_or_of_another_collection_is_none(mapped: Collections) -> None:
    made = await kept_elsewhere(mapped)
    head = made.folder / "head.json"
    whole = head.read_text()
    for spoilt in (
        "",
        "{",
        "[]",
        json.dumps({**json.loads(whole), "form": 0}),
        whole.replace("rows", "lines"),
    ):
        head.write_text(spoilt)
        assert await kept_of(mapped) is None
    head.write_text(whole)
    kept = await kept_of(mapped)
    assert kept is not None
    (made.folder / "points.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(StoreFailed):
        kept.points()
    np.save(made.folder / "points.npy", np.zeros((3, 2)))
    with pytest.raises(StoreFailed):
        kept.points()
    collection = await mapped.open(NAME)
    assert mapped.maps is not None
    assert mapped.maps.load(NAME, replace(collection.about, created=1)) is None
    assert mapped.maps.load(NAME, replace(collection.about, fingerprint="another")) is None
    assert mapped.maps.load("others", collection.about) is None


def everything_of(kept: KeptMap) -> dict[str, object]:
    """A map read whole, but for what tells its collection from others."""
    near = kept.neighbours()
    arrays = (kept.points(), kept.clusters(), kept.digests(), near.indices, near.distances)
    return {
        "ids": kept.ids(),
        "arrays": [array.tolist() for array in arrays],
        "head": replace(kept.head, created=0, mark=0),
    }


@EVERYWHERE
async def test_it_goes_along_in_a_file_and_to_another_store(mapped: Collections, tmp_path: Path) -> None:
    kept = everything_of(await kept_elsewhere(mapped))
    file = tmp_path / "things.parquet"
    assert await export_collection(mapped, NAME, file) == 120
    again = await import_collection(mapped, "again", file)
    assert mapped.maps is not None
    carried = mapped.maps.load("again", again.about)
    assert carried is not None
    assert everything_of(carried) == kept
    assert await asyncio.to_thread(is_of_now, carried, again.table)
    await again.delete(["t3"])
    assert not await asyncio.to_thread(is_of_now, carried, again.table)
    store = opened("lance", str(tmp_path / "another"))
    async with Collections(store, None, KeptMaps(tmp_path / "elsewhere", "another")) as other:
        await move(mapped, NAME, other, delete=True)
        assert other.maps is not None
        moved = await other.open(NAME)
        carried = other.maps.load(NAME, moved.about)
        assert carried is not None
        assert everything_of(carried) == kept
        assert await asyncio.to_thread(is_of_now, carried, moved.table)
    async with Collections(store, None) as unmapped:
        assert await (await import_collection(unmapped, "bare", file)).count() == 120


async def test_a_map_of_other_texts_or_a_broken_one_is_left_behind(
    mapped: Collections, tmp_path: Path
) -> None:
    await kept_elsewhere(mapped)
    good, old = tmp_path / "good.parquet", tmp_path / "old.parquet"
    await export_collection(mapped, NAME, good)
    await (await mapped.open(NAME)).delete(["t3"])
    await export_collection(mapped, NAME, old)
    assert "x" in pq.read_schema(good).names
    assert "x" not in pq.read_schema(old).names, "it is not of now"
    table = pq.read_table(good)
    spoilt = {
        "fewer rows": table.slice(0, 100),
        "no numbers": table.set_column(
            table.schema.names.index("x"), "x", pa.array([float("nan")] * 120, pa.float32())
        ),
        "short lists": table.set_column(
            table.schema.names.index("neighbours"),
            "neighbours",
            pa.array([near and near[:4] for near in table["neighbours"].to_pylist()], pa.binary()),
        ),
        "a column less": table.drop_columns(["distances"]),
        "lists of several lengths": table.set_column(
            table.schema.names.index("distances"),
            "distances",
            pa.array([bytes(4 * (1 + row % 2)) for row in range(120)], pa.binary()),
        ),
        "another head": table.replace_schema_metadata({**table.schema.metadata, b"tessera:map": b"{}"}),
    }
    assert mapped.maps is not None
    for number, (what, made) in enumerate(spoilt.items()):
        pq.write_table(made, tmp_path / "spoilt.parquet")
        read = await import_collection(mapped, f"read-{number}", tmp_path / "spoilt.parquet")
        assert await read.count() == len(made), what
        assert mapped.maps.load(read.name, read.about) is None, what


async def test_an_exported_map_is_places_for_whoever_reads_the_file(
    mapped: Collections, tmp_path: Path
) -> None:
    await (await mapped.open(NAME)).delete(["t5"])  # which has no direction, and so no place
    kept = await kept_elsewhere(mapped)
    await export_collection(mapped, NAME, tmp_path / "things.parquet")
    table = read_texts(tmp_path / "things.parquet", take_vectors=True)
    assert table.points is not None
    place_of = dict(zip(kept.ids(), kept.points().tolist(), strict=True))
    assert table.points.tolist() == [place_of[row_id] for row_id in table.columns["id"]]


async def test_a_map_that_cannot_be_kept_costs_no_import(
    mapped: Collections, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kept_elsewhere(mapped)
    await export_collection(mapped, NAME, tmp_path / "things.parquet")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(carrying, "write_arrays", full)
    again = await import_collection(mapped, "again", tmp_path / "things.parquet")
    assert await again.count() == 120
    assert mapped.maps is not None
    assert mapped.maps.load("again", again.about) is None


async def test_it_goes_with_its_collection(
    mapped: Collections, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await kept_elsewhere(mapped)
    gone = await bin_.delete_whole(mapped, NAME)
    await bin_.undo(mapped, gone.id)
    kept = await kept_of(mapped)
    assert kept is not None
    assert kept.folder == made.folder
    await bin_.delete_whole(mapped, NAME)
    monkeypatch.setattr(bin_, "KEPT_S", -1)
    await bin_.sweep(mapped)
    assert not made.folder.exists()
    collection = await mapped.create_for_vectors(NAME, 6)
    await collection.add(texts(30), vectors=vectors(30))
    again = await kept_elsewhere(mapped)
    await mapped.delete(NAME)
    assert not again.folder.exists()
    assert {path.name for path in (tmp_path / "maps").iterdir()} <= {"lock"}


async def test_no_more_is_kept_than_there_is_room_for(
    mapped: Collections, tmp_path: Path, place: tuple[str, str]
) -> None:
    other = await mapped.create_for_vectors("other", 6)
    await other.add(texts(40), vectors=vectors(40))
    await kept_elsewhere(mapped, "other")
    mapped.maps = KeptMaps(tmp_path / "maps", place[1], max_bytes=1)
    await kept_elsewhere(mapped)
    assert mapped.maps.load("other", other.about) is None
    assert await kept_of(mapped) is not None  # the newest is always kept


async def test_an_empty_collection_has_no_map(mapped: Collections) -> None:
    await mapped.create_for_vectors("empty", 6)
    with pytest.raises(InvalidInput, match="no text with a direction"):
        await make_map(mapped, "empty", CACHE)
    await mapped.close()
