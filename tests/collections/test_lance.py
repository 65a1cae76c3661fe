"""What only the embedded store does: files that are let go of, an index that is made once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from embedder.collections.lance import recall
from embedder.collections.lance import table as lance_table
from embedder.collections.lance.manifest import VectorIndex
from embedder.collections.lance.store import LanceStore
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


def test_rows_that_went_since_they_were_ranked_are_missing(tmp_path: Path) -> None:
    store = LanceStore(tmp_path)
    table = store.create("things", DIMENSIONS, {})
    table.upsert(rows_of(["one", "two"]))
    ranked = table.ranked(vectors_of(["one"])[0], 2)
    table.delete(["one"])
    assert [row.id for row in table.read(ranked).values()] == ["two"]
    other = store.create("other", DIMENSIONS, {})
    other.upsert(rows_of(["three", "four"]))
    assert store.replace("things", "other", table.mark)
    assert table.read(ranked) == {}
    store.close()


def test_two_who_look_after_a_table_do_so_one_after_the_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
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
        both = [threading.Thread(target=work) for work in (table._keep_up, table.maintain)]
        for one in both:
            one.start()
        for one in both:
            one.join()
    assert built == [600]
    assert not caplog.records
    assert table.stats().index.startswith("IVF_RQ")
    store.close()
