"""What is Milvus' own: leases instead of locks, limits of length, what a kill leaves behind."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from embedder.collections.milvus import rows as milvus_rows
from embedder.collections.milvus import store as milvus_store
from embedder.collections.milvus.leases import Leases
from embedder.collections.milvus.rows import words_told
from embedder.collections.milvus.store import MilvusStore
from embedder.errors import CollectionBusy, InvalidInput, StoreFailed, UnknownCollection
from tests.collections.conftest import DIMENSIONS, rows_of, vectors_of
from tests.servers import Milvus

TEXTS = [f"text number {n} about {'cats' if n % 3 else 'dogs'}" for n in range(600)]


@pytest.fixture
def url(milvus: Milvus) -> str:
    return milvus.emptied()


@pytest.fixture
def store(url: str) -> Iterator[MilvusStore]:
    made = MilvusStore(url, lease_s=1.0)
    yield made
    made.close()


def leases_of(url: str, wait_s: float = 30.0) -> Leases:
    """Those of another process, as it were."""
    return MilvusStore(url, lock_wait_s=wait_s, lease_s=1.0)._leases


def test_one_writes_and_a_second_waits_and_is_then_told(url: str, store: MilvusStore) -> None:
    table = store.create("things", DIMENSIONS, {})
    other = MilvusStore(url, lock_wait_s=0.3, lease_s=1.0)
    elsewhere = other.open("things")
    with table.writing():
        time.sleep(1.5)  # longer than a lease that is not renewed
        for refused in (
            lambda: elsewhere.upsert(rows_of(["x"])),
            lambda: elsewhere.delete(["x"]),
            lambda: elsewhere.write_info({}),
            lambda: other.rename("things", "others"),
            lambda: other.drop("things"),
        ):
            with pytest.raises(CollectionBusy):
                refused()
        assert elsewhere.count() == 0, "reading needs no lease"
    other.close()
    patient = MilvusStore(url, lease_s=1.0)
    assert patient.open("things").upsert(rows_of(["x"])) == 1
    assert table.upsert(rows_of({"x": "new words"})) == 0
    patient.close()


def test_nobody_has_a_lease_beside_another(url: str, store: MilvusStore) -> None:
    store.create("things", DIMENSIONS, {})
    every = [leases_of(url) for _ in range(3)]
    inside: list[int] = []
    most: list[int] = []

    def work(leases: Leases) -> None:
        for _ in range(2):
            with leases.held("things"):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.05)
                inside.pop()
        leases.close()

    threads = [threading.Thread(target=work, args=(leases,)) for leases in every]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 6


def test_the_lease_of_one_who_was_killed_is_taken_over(url: str, store: MilvusStore) -> None:
    store.create("things", DIMENSIONS, {})
    killed = leases_of(url)
    killed._claim("things", time.monotonic() + 30)  # and never renewed
    began_s = time.monotonic()
    assert store.open("things").upsert(rows_of(["x"])) == 1
    assert time.monotonic() - began_s > 0.9
    again_s = time.monotonic()
    assert store.open("things").upsert(rows_of(["y"])) == 1
    assert time.monotonic() - again_s < 0.9, "a lease is kept for the next write"


def test_what_milvus_has_no_room_for_is_refused_whole(store: MilvusStore) -> None:
    table = store.create("things", DIMENSIONS, {})
    wide = {f"c{n}": "x" * 9999 for n in range(7)}
    for texts, columns in ((["short", "三" * 22_000], [{}, {}]), (["a"], [wide])):
        with pytest.raises(InvalidInput, match="at most 65,535 bytes"):
            table.upsert(rows_of(texts, columns=columns))
    assert table.count() == 0
    assert table.upsert(rows_of({"三": "三" * 21_000, "word": "word " * 13_000})) == 2
    assert [hit.row.text[0] for hit in table.keyword("三", 5)] == ["三"]


def test_words_stay_whole_in_any_tokenizer_and_are_cut_where_they_do_not_fit() -> None:
    told = words_told("The STRASSE Straße, naïve 東京 " + "x" * 40).split()
    assert told[:3] == ["the", "strasse", "strasse"]
    assert len(told) == 7
    assert all(word.isascii() and word.isalnum() and len(word) <= 32 for word in told)
    assert len(set(told)) == 6
    assert 65_000 < len(words_told("三" * 22_000)) <= 65_535
    assert words_told("?!") == ""


def test_more_than_a_request_takes_is_written_in_several(
    store: MilvusStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(milvus_rows, "REQUEST_BYTES", 50_000)
    assert len(list(milvus_rows.requests(rows_of(TEXTS), 1))) > 5
    table = store.create("things", DIMENSIONS, {})
    assert table.upsert(rows_of(TEXTS)) == 600
    assert table.count() == 600


def test_what_is_remembered_may_be_longer_than_a_field(store: MilvusStore) -> None:
    info = {"files": {f"file-{n}": "東" * 50 for n in range(1000)}}
    table = store.create("things", DIMENSIONS, info)
    assert table.info == info
    table.write_info({**info, "more": 1})
    assert store.open("things").info == {**info, "more": 1}


def test_recall_is_measured_when_it_is_asked_for(store: MilvusStore) -> None:
    table = store.create("things", DIMENSIONS, {})
    table.maintain()
    assert table.stats().recall is None
    table.upsert(rows_of(TEXTS))
    table.maintain()
    stats = table.stats()
    assert stats.recall is not None
    assert 0.9 <= stats.recall <= 1
    assert (stats.count, stats.recall_sample) == (600, 64)


def test_what_was_acknowledged_survives_the_server_being_killed(
    milvus: Milvus, url: str, store: MilvusStore
) -> None:
    table = store.create("things", DIMENSIONS, {"n": 1})
    table.upsert(rows_of(TEXTS[:100]))
    milvus.kill_and_restart()
    again = MilvusStore(url, lease_s=1.0)
    there = again.open("things")
    assert (there.count(), there.info) == (100, {"n": 1})
    assert there.keyword("number 42", 1)[0].row.id == TEXTS[42]
    assert there.nearest(vectors_of([TEXTS[7]])[0], 1)[0].row.id == TEXTS[7]
    assert there.upsert(rows_of(TEXTS[:101])) == 1
    again.close()


@contextmanager
def killed_before(store: MilvusStore, write: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process ends, as it were, before it writes or removes a head for the `write`th time."""
    done = 0

    def killed(then: Callable[..., None]) -> Callable[..., None]:
        def called(*args: Any) -> None:
            nonlocal done
            if done == write:
                raise KeyboardInterrupt
            done += 1
            then(*args)

        return called

    with monkeypatch.context() as patch:
        for name in ("put", "remove"):
            patch.setattr(store._heads, name, killed(getattr(store._heads, name)))
        yield


@pytest.mark.parametrize("write", range(3))
def test_an_exchange_is_done_or_not_wherever_it_is_killed(
    store: MilvusStore, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    table = store.create("things", DIMENSIONS, {"n": 1})
    table.upsert(rows_of(TEXTS[:10]))
    store.create(".things", DIMENSIONS, {"n": 2}).upsert(rows_of(TEXTS[10:13]))
    with killed_before(store, write, monkeypatch), pytest.raises(KeyboardInterrupt):
        store.replace("things", ".things", table.mark)
    there = store.open("things")
    if write < 2:
        assert store.names() == [".things", "things"]
        assert (there.count(), there.info) == (10, {"n": 1})
        assert store.open(".things").upsert(rows_of(TEXTS[13:14])) == 1
        assert store.replace("things", ".things", there.mark)
    else:
        there.upsert(rows_of(TEXTS[13:14]))
    assert store.names() == ["things"]
    with pytest.raises(UnknownCollection):
        store.open(".things")
    store.create(".things", DIMENSIONS, {}).upsert(rows_of(TEXTS[:1]))
    store.drop(".things")
    assert (there.count(), there.info) == (4, {"n": 2})
    store.rename("things", "others")
    assert store.names() == ["others"]
    assert store.open("others").keyword("number 11", 1)[0].row.id == TEXTS[11]


@pytest.mark.parametrize("write", range(3))
@pytest.mark.parametrize("next_name", ["things", "others"])
def test_a_name_is_given_or_not_wherever_it_is_killed(
    store: MilvusStore, monkeypatch: pytest.MonkeyPatch, write: int, next_name: str
) -> None:
    store.create("things", DIMENSIONS, {"n": 1}).upsert(rows_of(TEXTS[:10]))
    with killed_before(store, write, monkeypatch), pytest.raises(KeyboardInterrupt):
        store.rename("things", "others")
    (name,) = store.names()
    assert name == ("things" if write < 2 else "others")
    assert (store.open(name).count(), store.open(name).info) == (10, {"n": 1})
    # What is left of the other name is in nobody's way, and takes no rows with it.
    if next_name == name:
        store.drop(name)
        assert store.names() == []
    made = store.create(next_name, DIMENSIONS, {"n": 2})
    assert (made.count(), made.info) == (0, {"n": 2})
    if next_name != name:
        store.drop(next_name)
        assert (store.open(name).count(), store.names()) == (10, [name])


def test_leases_are_let_go_without_a_trace(url: str, store: MilvusStore) -> None:
    for name in ("things", "others"):
        store.create(name, DIMENSIONS, {}).upsert(rows_of(["x"]))
        store.drop(name)
    store.close()
    with MilvusStore(url)._server.client() as client:
        assert client.query("tessera_collections", filter='kind == "lease"', output_fields=["key"]) == []
        client.close()


def test_rows_that_a_killed_process_left_behind_are_swept_away(
    store: MilvusStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows() -> list[str]:
        with store._server.client() as client:
            return sorted(name for name in client.list_collections() if name.startswith("tessera_rows_"))

    store.create("things", DIMENSIONS, {})
    (kept,) = rows()
    with store._server.client() as client:
        milvus_rows.create_rows(client, f"tessera_rows_{int(time.time()) - 60:x}_orphan", 2)
    store.create("others", DIMENSIONS, {})
    store.drop("others")
    assert len(rows()) == 2, "it may be that of one who is about to say so"
    monkeypatch.setattr(milvus_store, "_ORPHAN_S", 30)
    store.create("others", DIMENSIONS, {})
    store.drop("others")
    assert rows() == [kept]


def test_no_text_is_in_a_message_or_a_log(
    store: MilvusStore, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    table = store.create("things", DIMENSIONS, {})
    with pytest.raises(StoreFailed) as failed:
        table.upsert(rows_of(["very private"], vectors=np.ones((1, 3))))
    printed = capfd.readouterr()
    assert "private" not in str(failed.value) + caplog.text + printed.err + printed.out
    assert "Traceback" not in printed.err
    assert table.count() == 0
