"""What was acknowledged survives a killed writer; readers see whole batches; one writes at a time."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from embedder.collections.filters import parse_filter
from embedder.collections.lance.store import LanceStore
from embedder.collections.store import Table
from embedder.errors import CollectionBusy
from tests.collections.conftest import DIMENSIONS, rows_of, vectors_of
from tests.collections.stores import opened
from tests.collections.writer import ROWS, batch_ids, spare, text_of
from tests.conftest import ROOT

BATCHES = 30
KEPT = parse_filter({"type": "eq", "key": "kept", "value": True})
"""The rows of every batch, without those that are written anew and deleted."""
EVERYWHERE = pytest.mark.parametrize("place", ["lance-indexed", "postgres-indexed", "milvus"], indirect=True)


def writer(kind: str, place: str, first: int, last: int | str | None = None) -> subprocess.Popen[str]:
    """A writer of its own process, open by the time this returns."""
    arguments = [kind, place, str(first), *([] if last is None else [str(last)])]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.collections.writer", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    if process.stdout.readline() != "open\n":
        process.wait()
        process.stdout.close()
        pytest.fail("the writer did not start")
    return process


def check_nothing_is_lost(table: Table, acknowledged: list[int]) -> None:
    """Acknowledged batches are there, whole and searchable; the one cut off is whole or absent."""
    ids = {row_id for some in table.ids() for row_id in some}
    for batch in acknowledged:
        assert set(batch_ids(batch)) <= ids, f"batch {batch} was acknowledged and is not whole"
        assert f"doomed-{batch}" not in ids, "what was deleted is back"
    assert table.count() == len(ids)
    by_batch: dict[str, int] = {}
    for row_id in ids - {"counter"}:
        by_batch[row_id.split("-")[0]] = by_batch.get(row_id.split("-")[0], 0) + 1
    assert {count for batch, count in by_batch.items() if batch != "doomed"} <= {ROWS}
    if acknowledged:
        (counter,) = table.get(["counter"])
        assert counter.columns["batch"] in (acknowledged[-1], acknowledged[-1] + 1)
        last = f"{acknowledged[-1]}-7"
        assert table.keyword(text_of(last), 3)[0].row.id == last
        found = table.nearest(vectors_of([text_of(last)])[0], 1)
        assert (found[0].row.id, found[0].score) == (last, pytest.approx(1.0, abs=1e-5))


@EVERYWHERE
def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(place: tuple[str, str]) -> None:
    chance = random.Random(0)
    acknowledged: list[int] = []
    for _ in range(3 if place[0] == "milvus" else 5):  # where each killed one's lease must run out
        process = writer(*place, acknowledged[-1] + 2 if acknowledged else 0)
        assert process.stdout is not None
        try:
            acknowledged += [int(process.stdout.readline()) for _ in range(chance.randint(1, 12))]
            time.sleep(chance.random() * 0.1)  # somewhere within a write
            process.kill()
            acknowledged += [int(line) for line in process.stdout.read().splitlines() if line.strip()]
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        store = opened(*place)
        table = store.open("things")
        check_nothing_is_lost(table, acknowledged)
        store.close()
    store = opened(*place)
    table = store.open("things")
    table.maintain()
    check_nothing_is_lost(table, acknowledged)
    assert table.upsert(rows_of(["still writable"])) == 1
    store.close()


@EVERYWHERE
def test_readers_beside_a_writer_see_whole_batches_and_ever_more(place: tuple[str, str]) -> None:
    process = writer(*place, 0, BATCHES)
    store = opened(*place)
    table = store.open("things")
    question = np.ones(DIMENSIONS, dtype=np.float32)
    seen = [0]
    try:
        while process.poll() is None:
            count = table.count(KEPT)
            assert count % ROWS == 0, "half a batch was seen"
            assert count >= seen[-1], "rows that were there were gone"
            seen.append(count)
            if place[0] != "milvus":  # whose Lite asks anew for each page
                scanned = sum(1 for some in table.ids() for row_id in some if row_id[0].isdigit())
                assert scanned % ROWS == 0, "half a batch was read"
                assert scanned >= count
            hits = table.nearest(question, 5)
            assert len({hit.row.id for hit in hits}) == min(5, len(hits))
            assert len(hits) >= min(5, count)
            assert table.stats().count >= count
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    assert process.returncode == 0
    assert table.count() == BATCHES * ROWS + 1
    assert len(set(seen)) > 3, "it was not looked at while it grew"
    store.close()


@EVERYWHERE
def test_what_takes_the_place_of_another_is_whole_when_its_writer_is_killed(place: tuple[str, str]) -> None:
    chance = random.Random(1)
    batch, acknowledged = 0, -1
    for _ in range(2):
        process = writer(*place, batch, "exchange")
        assert process.stdout is not None
        try:
            told = [process.stdout.readline() for _ in range(chance.randint(1, 3))]
            time.sleep(chance.random() * 0.5)  # somewhere between
            process.kill()
            told += process.stdout.read().splitlines()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        acknowledged = [int(line) for line in told if line.strip()][-1]
        store = opened(*place)
        table = store.open("things")
        batch = table.info["batch"]
        assert batch in (acknowledged, acknowledged + 1)
        check_is_batch(table, batch)
        left = [name for name in store.names() if name != "things"]
        assert set(left) <= {spare(acknowledged + 1), spare(acknowledged + 2)}
        for name in left:
            if store.open(name).count():
                check_is_batch(store.open(name), int(name.removeprefix(spare(0)[:-1])))
            store.drop(name)
        assert store.names() == ["things"]
        check_is_batch(table, batch)
        store.close()
        batch += 1


def check_is_batch(table: Table, batch: int) -> None:
    """Exactly the rows of that batch are there, and are found."""
    assert {row_id for some in table.ids() for row_id in some} == set(batch_ids(batch))
    wanted = batch_ids(batch)[3]
    assert table.nearest(vectors_of([wanted])[0], 1)[0].row.id == wanted


def test_a_second_writer_waits_and_is_then_told(tmp_path: Path) -> None:
    first = LanceStore(tmp_path / "store")
    table = first.create("things", DIMENSIONS, {})
    second = LanceStore(tmp_path / "store", lock_wait_s=0.2)
    other = second.open("things")
    with table._files.writing():
        for refused in (
            lambda: other.upsert(rows_of(["x"])),
            lambda: other.delete(["x"]),
            lambda: other.write_info({}),
            lambda: second.drop("things"),
        ):
            with pytest.raises(CollectionBusy):
                refused()
        assert other.count() == 0, "reading needs no lock"
    assert other.upsert(rows_of(["x"])) == 1
    assert table.count() == 1
    # Each knows of the other's rows before it writes.
    assert table.upsert(rows_of({"x": "new words"})) == 0
    assert other.upsert(rows_of({"x": "newer words", "y": "y"})) == 1
    assert [row.text for row in table.get(["x"])] == ["newer words"]
    first.close()
    second.close()


def test_a_column_that_a_killed_writer_had_only_begun_is_cleared_away(tmp_path: Path) -> None:
    import pyarrow as pa

    store = LanceStore(tmp_path / "store")
    table = store.create("things", DIMENSIONS, {})
    table.upsert(rows_of(["a", "b"], columns=[{"n": 1}, {"n": 2}]))
    table._files.table().add_columns(pa.field("s1", pa.float64()))
    assert table.upsert(rows_of(["b", "c"], columns=[{"word": "x"}, {"word": "y", "n": 3}])) == 1
    assert {row.id: dict(row.columns) for row in table.get(["a", "b", "c"])} == {
        "a": {"n": 1},
        "b": {"word": "x"},
        "c": {"word": "y", "n": 3},
    }
    assert table.count(parse_filter({"type": "in", "key": "word", "value": ["x", "y"]})) == 2
    assert table.count(parse_filter({"type": "gt", "key": "n", "value": 0})) == 2
    store.close()
