"""When a table is looked after: after so many writes or rows, a tenth of the time, and once more later."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from embedder.collections.lance import table as lance_table
from embedder.collections.lance.store import LanceStore
from embedder.collections.lance.table import LanceTable
from embedder.collections.rows import Rows
from embedder.collections.upkeep import COMMITS, ROWS, Upkeep
from tests.collections.conftest import DIMENSIONS


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table(tmp_path: Path, clock: Clock) -> Iterator[LanceTable]:
    """A table whose upkeep knows the time from `clock`."""
    store = LanceStore(tmp_path)
    made = store.create("things", DIMENSIONS, {})
    made._upkeep = Upkeep(made._keep_up, "things", clock)
    yield made
    store.close()


def write(table: LanceTable, name: str, rows: int = 1) -> None:
    """Write so many rows at once, and wait for the upkeep that this begins."""
    vectors = np.ones((rows, DIMENSIONS), np.float32)
    ids = [f"{name} {number}" for number in range(rows)]
    table.upsert(Rows(ids, ids, [""] * rows, [{}] * rows, vectors))
    settle(table._upkeep)


def settle(upkeep: Upkeep) -> None:
    if (running := upkeep._running) is not None:
        running.join()


def files(table: LanceTable) -> int:
    """One more after each write, and one after upkeep, or two where the old one is in an index already."""
    return int(table._files.table().stats()["fragment_stats"]["num_fragments"])


def versions(table: LanceTable) -> int:
    return len(list(table._files.folder.glob("rows-*.lance/_versions/*.manifest")))


def until(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end_s, "it never came"
        time.sleep(0.05)


def test_it_comes_after_so_many_writes(table: LanceTable) -> None:
    for number in range(COMMITS - 1):
        write(table, f"{number}")
    assert files(table) == COMMITS - 1
    write(table, "the last")
    assert files(table) == 1
    assert table.count() == COMMITS


def test_it_comes_after_so_many_rows(table: LanceTable) -> None:
    write(table, "one", ROWS // 2)
    write(table, "two", ROWS // 2 - 1)
    assert files(table) == 2
    write(table, "three")
    assert files(table) == 1
    write(table, "four")
    assert files(table) == 2, "what was written before counts no more"


def test_what_is_written_while_it_rests_waits(table: LanceTable, clock: Clock) -> None:
    def takes_long() -> None:
        table._keep_up()
        clock.now_s += 30

    table._upkeep = Upkeep(takes_long, "things", clock)
    for number in range(COMMITS):
        write(table, f"{number}")
    assert files(table) == 1
    for number in range(COMMITS):
        clock.now_s += 299 / COMMITS
        write(table, f"{number} again")
    assert files(table) == 1 + COMMITS
    clock.now_s += 1.5
    write(table, "rested")
    assert files(table) <= 2


def test_it_takes_at_most_a_tenth_of_the_time(clock: Clock) -> None:
    took_s = iter([0.0, 0.01, 3.0, 30.0, 1.0])
    runs: list[tuple[float, float]] = []

    def work() -> None:
        runs.append((clock.now_s, next(took_s)))
        clock.now_s += runs[-1][1]

    upkeep = Upkeep(work, "things", clock)
    while len(runs) < 5:
        upkeep.ask()
        settle(upkeep)
        clock.now_s += 0.25
    for (began_s, lasted_s), (next_s, _) in pairwise(runs):
        between_s = next_s - began_s
        assert lasted_s <= between_s / 10
        assert max(2.0, 11 * lasted_s) <= between_s <= max(2.0 + lasted_s, 11 * lasted_s) + 0.5


def test_old_versions_go_once_more_later_and_then_it_rests(
    table: LanceTable, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_table, "_KEPT", timedelta(seconds=1))
    monkeypatch.setattr(lance_table, "_SOON_S", 0.2)
    for number in range(COMMITS):
        write(table, f"{number}")
    upkeep = table._upkeep
    first = upkeep._later
    assert first is not None
    assert first.interval == 1.2
    until(lambda: upkeep._later is not first)  # it came within the rest, and comes again after it
    assert versions(table) > 1
    clock.now_s += 10
    until(lambda: versions(table) == 1)
    settle(upkeep)
    assert upkeep._later is not None
    assert not upkeep._later.is_alive(), "nothing was written that could grow old"


def test_it_comes_later_where_another_looks_after_the_table(
    table: LanceTable, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_table, "_BUSY_S", 0.2)
    with table._files.caring(wait_s=0):
        for number in range(COMMITS):
            write(table, f"{number}")
        assert files(table) == COMMITS
    clock.now_s += 10
    until(lambda: files(table) == 1)
