"""What only the embedded store does: files that are let go of, an index that is made once."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedder.analysis import cosine_similarity
from embedder.analysis.similarity import unit_rows
from embedder.collections import parse_filter
from embedder.collections.lance import recall, searching
from embedder.collections.lance import store as lance_store
from embedder.collections.lance import table as lance_table
from embedder.collections.lance.manifest import VectorIndex
from embedder.collections.lance.store import LanceStore
from embedder.collections.lance.table import LanceTable
from embedder.collections.lance.versions import Latest
from embedder.collections.rows import Found
from embedder.errors import StoreFailed, UnknownCollection
from tests.collections.conftest import DIMENSIONS, rows_of, vectors_of


def test_old_versions_go_also_if_nobody_writes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lance_table, "_KEPT", timedelta(seconds=1))
    monkeypatch.setattr(lance_table, "_SOON_S", 0.2)
    store = LanceStore(tmp_path)
    table = store.create("things", DIMENSIONS, {})
    for part in range(6):
        table.upsert(rows_of([f"{part} {number}" for number in range(300)]))
    table.maintain()
    held = table.stats().disk_bytes
    assert held is not None
    until_s = time.monotonic() + 30
    while (table.stats().disk_bytes or 0) > 0.8 * held:
        assert time.monotonic() < until_s
        time.sleep(0.1)
    assert table.count() == 1800
    store.close()


def test_an_index_is_measured_on_the_rows_that_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LanceStore(tmp_path, exact_rows=200)
    table = store.create("things", DIMENSIONS, {})
    table.upsert(rows_of([f"text {number}" for number in range(600)]))
    exact, looked_at = recall._exact, []

    def while_more_come(lance: Any, questions: Any, own: list[str]) -> Any:
        table.upsert(rows_of([f"later {number}" for number in range(50)]))
        looked_at.append(lance.count_rows())
        return exact(lance, questions, own)

    monkeypatch.setattr(recall, "_exact", while_more_come)
    table.maintain()
    assert looked_at == [600]
    assert table.count() == 650
    assert table.stats().unindexed == 50
    store.close()


def test_an_index_is_measured_anew_when_the_table_has_grown(tmp_path: Path) -> None:
    store = LanceStore(tmp_path, exact_rows=200)
    table = store.create("things", DIMENSIONS, {})
    told = []
    for first, last in ((0, 600), (600, 700), (700, 800), (800, 3000)):
        table.upsert(rows_of([f"text {number}" for number in range(first, last)]))
        table.maintain()
        index = table._files.manifest().index
        assert index is not None
        told.append((index.rows, index.measured_rows))
    assert told == [(600, 600), (600, 600), (600, 800), (3000, 3000)]
    assert table.stats().recall == index.recall > 0.9
    store.close()


def test_rows_that_went_since_they_were_ranked_are_missing(tmp_path: Path) -> None:
    store = LanceStore(tmp_path, memory_bytes=0)
    table = store.create("things", DIMENSIONS, {})
    table.upsert(rows_of(["one", "two"]))
    ranked = table.ranked(vectors_of(["one"])[0], 40)  # of so many the rows are read later
    table.delete(["one"])
    assert [row.id for row in table.read(ranked).values()] == ["two"]
    other = store.create("other", DIMENSIONS, {})
    other.upsert(rows_of(["three", "four"]))
    assert store.replace("things", "other", table.mark)
    assert table.read(ranked) == {}
    store.close()


@pytest.mark.parametrize("processes", [1, 2])
def test_two_who_look_after_a_table_do_so_one_after_the_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    """A store for each stands for a process each: they share nothing but files."""
    store = LanceStore(tmp_path, exact_rows=200)
    table = store.create("things", DIMENSIONS, {})
    table.upsert(rows_of([f"text {number}" for number in range(600)]))
    build, built = recall.build, []

    def slowly(lance: Any, rows: int, still: Callable[[], Any]) -> VectorIndex:
        built.append(rows)
        time.sleep(0.5)  # both would be here by then
        return build(lance, rows, still)

    monkeypatch.setattr(recall, "build", slowly)
    with caplog.at_level(logging.WARNING, logger="embedder"):
        other = table if processes == 1 else LanceStore(tmp_path, exact_rows=200).open("things")
        both = [threading.Thread(target=work) for work in (other._keep_up, table.maintain)]
        for one in both:
            one.start()
        for one in both:
            one.join()
    assert built == [600]
    assert not caplog.records
    assert table.stats().index.startswith("IVF_RQ")
    store.close()


def test_thousands_in_memory_are_searched_as_if_each_were_looked_at(tmp_path: Path) -> None:
    store = LanceStore(tmp_path)
    table = store.create("things", DIMENSIONS, {})
    texts = {f"t{number}": f"text {number} of all" for number in range(3000)}
    columns = [
        {"even": number % 2 == 0, "most": number % 8 > 0, "rare": number % 100 == 0} for number in range(3000)
    ]
    vectors = vectors_of(list(texts.values()))
    vectors[[5, 700]] = 0
    table.upsert(rows_of(texts, columns=columns, vectors=vectors))
    everything = list(range(3000))
    _same_as_each(table, everything, vectors, columns)
    vectors[:40] = vectors_of([f"now {number}" for number in range(40)])
    first = {f"t{number}": f"now {number}" for number in range(40)}
    table.upsert(rows_of(first, columns=columns[:40], vectors=vectors[:40]))
    table.delete([f"t{number}" for number in range(400, 800)])  # one of which has no direction
    left = everything[:400] + everything[800:]
    _same_as_each(table, left, vectors[left], [columns[number] for number in left])
    table.delete(["t5"])  # and now all have one
    left.remove(5)
    _same_as_each(table, left, vectors[left], [columns[number] for number in left])
    assert [table.nearest(vectors[number], 1)[0].row.text for number in (7, 2999)] == [
        "now 7",
        "text 2999 of all",
    ]
    assert LanceStore(tmp_path).open("things").nearest(vectors[8], 1)[0].row.text == "now 8"
    store.close()


def _same_as_each(
    table: LanceTable, numbers: list[int], vectors: np.ndarray, columns: list[dict[str, bool]]
) -> None:
    directed = vectors.any(axis=1)
    for wanted in (None, "even", "most", "rare"):
        passing = directed & np.array([wanted is None or row[wanted] for row in columns])
        condition = None if wanted is None else parse_filter({"type": "eq", "key": wanted, "value": True})
        for question in vectors_of(["text 9 of all", "text 77 of all", "something else"]):
            scores = np.where(passing, cosine_similarity(question[None], vectors)[0], -2)
            best = np.argsort(-scores, kind="stable")[:12]
            found = table.nearest(question, 12, condition)
            assert [hit.row.id for hit in found] == [f"t{numbers[place]}" for place in best]
            np.testing.assert_allclose([hit.score for hit in found], scores[best], atol=1e-6)
            assert [dict(hit.row.columns) for hit in found] == [columns[place] for place in best]
            assert [hit.row.text for hit in found] == [hit.row.text for hit in _read_anew(table, found)]


def _read_anew(table: LanceTable, found: list[Found]) -> list[Found]:
    rows = {row.id: row for row in table.get([hit.row.id for hit in found])}
    return [Found(rows[hit.row.id], hit.score) for hit in found]


class _Written:
    """A table whose versions are files, as Lance's are; `delay_s` is how long it takes to look."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "rows.lance" / "_versions"
        self.folder.mkdir(parents=True)
        self.asked, self.version, self.delay_s = 0, 0, 0.0

    def write(self, ahead_s: float) -> None:
        """A version, in a folder that says it came so much later than now: no busy machine changes that."""
        (self.folder / f"{time.time_ns()}").touch()
        changed_ns = time.time_ns() + int(ahead_s * 1e9)
        os.utime(self.folder, ns=(changed_ns, changed_ns))

    def checkout_latest(self) -> None:
        self.asked += 1
        self.version = len(list(self.folder.iterdir()))
        time.sleep(self.delay_s)


def test_the_latest_version_is_asked_for_when_one_may_have_come(tmp_path: Path) -> None:
    latest, table = Latest(tmp_path), _Written(tmp_path)
    table.write(1.0)
    table.delay_s = 1.3  # by then the folder's time has settled, but Lance looked before
    assert (latest.version(table, "rows"), table.asked) == (1, 1)
    table.delay_s = 0.0
    assert (latest.version(table, "rows"), table.asked) == (1, 2)
    for _ in range(3):
        assert (latest.version(table, "rows"), table.asked) == (1, 2)
    table.write(60.0)
    assert [latest.version(table, "rows") for _ in range(2)] == [2, 2]
    assert table.asked == 4
    latest.forget()
    latest.version(table, "rows")
    latest.version(table, "gone")  # whose folder is not there: asked for each time
    latest.version(table, "gone")
    assert table.asked == 7


def test_many_nearest_by_an_index_are_as_good_as_ten(tmp_path: Path) -> None:
    store = LanceStore(tmp_path, exact_rows=200)
    table = store.create("things", 32, {})
    texts = [f"text {number}" for number in range(3000)]
    vectors = np.random.default_rng(3).standard_normal((3000, 32)).astype(np.float32)
    table.upsert(rows_of(texts, vectors=vectors))
    table.maintain()
    for k in (10, 63, 64, 100):
        hits = 0
        for question in vectors[::300]:
            found = table.nearest(question, k)
            assert len(found) == k
            scores = [hit.score for hit in found]
            assert scores == sorted(scores, reverse=True)
            best = np.argsort(-cosine_similarity(question[None], vectors)[0], kind="stable")[:k]
            hits += len({texts[place] for place in best} & {hit.row.id for hit in found})
        assert hits >= 0.9 * 10 * k
    store.close()


def test_questions_that_are_like_no_row_find_their_nearest_too(tmp_path: Path) -> None:
    """Of rows that each have many copies, whose nearest are in their own partition, fewer would do."""
    rows, dimensions = 40_000, 16
    generator = np.random.default_rng(5)
    own = unit_rows(generator.standard_normal((400, dimensions), dtype=np.float32))
    vectors = np.repeat(own, 100, axis=0)
    vectors += 0.01 * generator.standard_normal(vectors.shape, dtype=np.float32)
    store = LanceStore(tmp_path, exact_rows=200)
    table = store.create("things", dimensions, {})
    table.upsert(rows_of([f"text {number}" for number in range(rows)], vectors=vectors))
    table.maintain()
    questions = unit_rows(generator.standard_normal((50, dimensions), dtype=np.float32))
    tenth = np.sort(questions @ unit_rows(vectors).T, axis=1)[:, -10]
    found = [[hit.score for hit in table.nearest(question, 10)] for question in questions]
    as_good = np.array(found) >= tenth[:, None] - 0.02  # one copy is as good as another
    assert as_good.mean() > 0.97


def test_a_manifest_that_says_nothing_of_its_measurement_gets_a_new_index(tmp_path: Path) -> None:
    store = LanceStore(tmp_path, exact_rows=200)
    table = store.create("things", DIMENSIONS, {})
    table.upsert(rows_of([f"text {number}" for number in range(600)]))
    table.maintain()
    told = json.loads((tmp_path / "things" / "collection.json").read_text("utf-8"))
    del told["index"]["measured_rows"]
    told["index"]["recall"] = 0.5
    (tmp_path / "things" / "collection.json").write_text(json.dumps(told), "utf-8")
    assert table.stats().recall == 0.5
    table.maintain()
    index = table._files.manifest().index
    assert index is not None
    assert (index.measured_rows, index.recall > 0.9) == (600, True)
    store.close()


def test_rows_larger_than_their_vectors_stay_on_disk(tmp_path: Path) -> None:
    store = LanceStore(tmp_path)
    table = store.create("things", DIMENSIONS, {})
    long = {f"t{number}": f"{number} " + "words and more words " * 50 for number in range(2500)}
    for held, texts in ((True, dict(list(long.items())[:20])), (False, long)):
        table.upsert(rows_of(texts))
        question = vectors_of([long["t3"]])[0]
        (hit,) = table.ranked(question, 1)
        assert (hit.row is not None) == held
        assert table.read([hit])[hit.key].text == long["t3"]
        (kept,) = table.read([hit], vectors=True).values()
        assert kept.vector is not None
        np.testing.assert_array_equal(kept.vector, question)
    store.close()


def test_rows_that_are_written_over_stay_in_memory(tmp_path: Path) -> None:
    store = LanceStore(tmp_path)
    table = store.create("things", 64, {})
    texts = [f"{number} " + "words and more " * 11 for number in range(3000)]  # 3/4 of what vectors take
    vectors = np.random.default_rng(2).standard_normal((3000, 64)).astype(np.float32)
    for _ in range(3):
        for some in (slice(0, 1500), slice(1500, 3000)):
            rows = {f"t{number}": texts[number] for number in range(3000)[some]}
            table.upsert(rows_of(rows, vectors=vectors[some]))
            (hit,) = table.ranked(vectors[7], 1)
            assert hit.row is not None
            assert hit.row.text == texts[7]
    store.close()


def test_what_passes_a_filter_is_of_the_rows_that_are_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = LanceStore(tmp_path), LanceStore(tmp_path)
    table = mine.create("things", DIMENSIONS, {})
    table.upsert(rows_of({"a": "text", "b": "else"}, columns=[{"good": False}, {"good": True}]))
    wanted = parse_filter({"type": "eq", "key": "good", "value": True})
    ask = searching.row_ids_of

    def another_writes_first(asked_of: object, where: str | None = None) -> np.ndarray:
        monkeypatch.setattr(searching, "row_ids_of", ask)
        other.open("things").upsert(rows_of({"a": "text"}, columns=[{"good": True}]))
        assert table.count() == 2  # another thread, by which the shared table has seen it
        return ask(asked_of, where)

    monkeypatch.setattr(searching, "row_ids_of", another_writes_first)
    found = table.nearest(vectors_of(["text"])[0], 2, wanted)
    assert [(hit.row.id, hit.row.columns) for hit in found] == [("a", {"good": True}), ("b", {"good": True})]
    mine.close()
    other.close()


def test_what_another_wrote_is_seen_by_the_next_search(tmp_path: Path) -> None:
    mine, other = (LanceStore(tmp_path) for _ in range(2))
    mine.create("things", DIMENSIONS, {}).upsert(rows_of(["first"]))
    table, theirs = mine.open("things"), other.open("things")
    for number in range(40):
        if number % 10 == 0:
            time.sleep(0.15)
            assert table.count() == number + 1  # what is known of the version is trusted from here on
        theirs.upsert(rows_of([f"text {number}"]))
        (found,) = table.nearest(vectors_of([f"text {number}"])[0], 1)
        assert found.row.text == f"text {number}"
    mine.close()
    other.close()


def _without_older_versions(folder: Path) -> None:
    """As upkeep of another process does a quarter of an hour later."""
    other = LanceStore(folder)
    time.sleep(0.01)
    other.open("things")._files.table().optimize(cleanup_older_than=timedelta(milliseconds=1))
    other.close()


def test_a_scan_outlives_the_version_that_it_began_with(tmp_path: Path) -> None:
    mine, other = LanceStore(tmp_path), LanceStore(tmp_path)
    table = mine.create("things", DIMENSIONS, {})
    for part in range(6):  # each a file, which compaction makes one of
        table.upsert(rows_of([f"text {number}" for number in range(500 * part, 500 * (part + 1))]))
    batches = table.scan(500)
    seen = list(next(batches).ids)
    theirs = other.open("things")
    gone = {f"text {number}" for number in range(2000, 2600)}
    theirs.delete(sorted(gone))
    theirs.upsert(rows_of({"text 1500": "changed", "late": "late"}))
    _without_older_versions(tmp_path)
    texts = {}
    for rows in batches:
        seen += rows.ids
        texts.update(zip(rows.ids, rows.texts, strict=True))
        assert all(
            np.array_equal(vector, vectors_of([text])[0])
            for vector, text in zip(rows.vectors, rows.texts, strict=True)
        )
    assert sorted(seen) == sorted({f"text {number}" for number in range(3000)} - gone)
    assert texts["text 1500"] == "changed"
    mine.close()
    other.close()


def test_what_ends_a_scan_is_told_without_lances_words(tmp_path: Path) -> None:
    store = LanceStore(tmp_path)
    table = store.create("things", DIMENSIONS, {})
    table.upsert(rows_of([f"text {number}" for number in range(50)]))
    batches = table.scan(10)
    next(batches)
    store.create("others", DIMENSIONS, {}).upsert(rows_of(["other"]))
    assert store.replace("things", "others", table.mark)
    with pytest.raises(StoreFailed, match="took the place"):
        list(batches)
    batches = table.scan(10)
    store.drop("things")
    with pytest.raises(UnknownCollection):
        list(batches)
    store.close()


@pytest.mark.parametrize("killed_at", ["drop", "replace"])
def test_what_one_who_was_killed_was_deleting_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: str
) -> None:
    store = LanceStore(tmp_path)
    table = store.create("things", DIMENSIONS, {})
    table.upsert(rows_of(["one"]))
    store.create("others", DIMENSIONS, {}).upsert(rows_of(["other"]))

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(lance_store.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            store.drop("others") if killed_at == "drop" else store.replace("things", "others", table.mark)
    assert len(list(tmp_path.glob("~gone-*"))) == 1
    store.close()
    later = LanceStore(tmp_path)
    kept = later.open("things")
    assert [rows.texts for rows in kept.scan()] == [["one"] if killed_at == "drop" else ["other"]]
    until_s = time.monotonic() + 10
    while list(tmp_path.glob("~gone-*")):
        assert time.monotonic() < until_s
        time.sleep(0.01)
    kept.maintain()
    assert len(list((tmp_path / "things").glob("rows-*"))) == 1
    assert kept.count() == 1
    later.close()
