"""What is PostgreSQL's own: its index, its locks, its log, and what it says when it cannot."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from embedder.collections.filters import parse_filter
from embedder.collections.postgres.store import PostgresStore
from embedder.errors import CollectionBusy, ConfigError, InvalidInput, StoreFailed
from tests.collections.conftest import DIMENSIONS, rows_of, vectors_of
from tests.servers import Postgres


def connected(url: str) -> Any:
    import psycopg

    return psycopg.connect(url, autocommit=True)


TEXTS = [f"text number {n} about {'cats' if n % 3 else 'dogs'}" for n in range(600)]


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.emptied()


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    made = PostgresStore(url, exact_rows=300, lock_wait_s=0.3)
    yield made
    made.close()


def test_past_a_size_there_is_an_index_whose_recall_is_measured(url: str, store: PostgresStore) -> None:
    table = store.create("things", DIMENSIONS, {})
    table.upsert(rows_of(TEXTS[:250]))
    table.maintain()
    assert (table.stats().index, table.stats().recall) == ("exact", None)
    table.upsert(rows_of(TEXTS[250:]))
    table.maintain()
    stats = table.stats()
    assert stats.index.startswith("HNSW, ef_search ")
    assert stats.recall is not None
    assert 0.97 <= stats.recall <= 1
    assert stats.recall_sample > 30
    assert (stats.count, stats.dimensions, stats.unindexed) == (600, DIMENSIONS, 0)
    assert stats.disk_bytes is not None
    assert stats.disk_bytes > 600 * 4 * DIMENSIONS
    with connected(url) as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(
            "EXPLAIN SELECT id, vector <=> '[1,1,1,1,1,1,1,1]' AS d FROM tessera.rows_1 ORDER BY d LIMIT 3"
        ).fetchall()
    assert "vectors_1" in str(plan)
    # What few rows pass is found whole, by looking at each.
    wanted = parse_filter({"type": "in", "key": "n", "value": [7, 8, 9]})
    table.upsert(rows_of(TEXTS, columns=[{"n": n} for n in range(600)]))
    found = table.nearest(vectors_of(["q"])[0], 10, wanted)
    assert {hit.row.columns["n"] for hit in found} == {7, 8, 9}
    assert len(table.nearest(vectors_of(["q"])[0], 600)) == 600


def test_upkeep_makes_the_index_by_itself(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedder.collections.upkeep.ROWS", 500)
    store = PostgresStore(url, exact_rows=300)
    table = store.create("things", DIMENSIONS, {})
    table.upsert(rows_of(TEXTS))
    store.close()
    again = PostgresStore(url, exact_rows=300)
    assert again.open("things").stats().index.startswith("HNSW")
    again.close()


def test_a_second_writer_waits_and_is_then_told(url: str, store: PostgresStore) -> None:
    table = store.create("things", DIMENSIONS, {})
    other = PostgresStore(url, lock_wait_s=10)
    with other.open("things").writing():
        for refused in (
            lambda: table.upsert(rows_of(["x"])),
            lambda: table.delete(["x"]),
            lambda: table.write_info({}),
            lambda: store.rename("things", "others"),
            lambda: store.drop("things"),
        ):
            with pytest.raises(CollectionBusy):
                refused()
        assert table.count() == 0, "reading needs no lock"
    assert table.upsert(rows_of(["x"])) == 1
    assert other.open("things").upsert(rows_of({"x": "new words"})) == 0
    other.close()


def test_what_was_acknowledged_survives_the_server_being_stopped_at_once(
    postgres: Postgres, url: str, store: PostgresStore
) -> None:
    table = store.create("things", DIMENSIONS, {})
    table.upsert(rows_of(TEXTS[:100]))
    postgres.kill_and_restart()
    assert table.count() == 100, "a connection that broke is made anew"
    assert table.keyword("number 42", 1)[0].row.id == TEXTS[42]
    assert table.upsert(rows_of(TEXTS[:101])) == 1


def test_common_words_change_no_answer(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    table = store.create("things", DIMENSIONS, {})
    table.upsert(rows_of(TEXTS, columns=[{"n": n} for n in range(600)]))
    late = parse_filter({"type": "gte", "key": "n", "value": 500})

    def answers() -> list[list[tuple[str, float]]]:
        return [
            [(hit.row.id, hit.score) for hit in table.keyword(query, k, wanted)]
            for query in ("text 17", "dogs about text", "number 42 cats 43", "cats text", "dogs 599 598")
            for k in (1, 5, 50)
            for wanted in (None, late)
        ]

    whole = answers()
    monkeypatch.setattr("embedder.collections.postgres.words._COMMON_ROWS", 10)
    assert answers() == whole


def test_words_are_forgotten_with_their_rows(url: str, store: PostgresStore) -> None:
    table = store.create("things", DIMENSIONS, {})
    table.upsert(rows_of({"a": "cat cat dog", "b": "cat"}))
    table.upsert(rows_of({"a": "bird", "c": "bird"}))
    table.delete(["b"])
    table.maintain()
    with connected(url) as connection:
        left = connection.execute("SELECT rows FROM tessera.words_1").fetchall()
        counted = connection.execute("SELECT count, words FROM tessera.collections").fetchone()
    assert left == [(2,)]
    assert counted == (2, 2)


def test_rows_that_are_gone_are_swept_away_when_nobody_reads_them(url: str, store: PostgresStore) -> None:
    def tables() -> set[str]:
        with connected(url) as connection:
            query = "SELECT tablename FROM pg_tables WHERE schemaname = 'tessera' AND tablename LIKE 'rows%'"
            return {row[0] for row in connection.execute(query)}

    table = store.create("things", DIMENSIONS, {})
    table.upsert(rows_of(TEXTS))
    store.create("others", DIMENSIONS, {})
    batches = table.scan(10)
    first = next(batches)
    store.drop("things")
    assert len(tables()) == 2, "somebody reads them"
    assert len(first) + sum(len(rows) for rows in batches) == 600
    store.drop("others")
    assert tables() == set()


def test_what_cannot_be_is_said_in_a_sentence(postgres: Postgres, store: PostgresStore) -> None:
    with pytest.raises(InvalidInput, match="16,000"):
        store.create("wide", 16_001, {})
    wide = store.create("wide", 2001, {})
    wide.upsert(rows_of(["one"], vectors=np.ones((1, 2001))))
    assert wide.nearest(np.ones(2001, dtype=np.float32), 1)[0].score == pytest.approx(1, abs=1e-5)
    ascii_only = postgres.database()
    with connected(ascii_only) as connection:
        connection.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    other = PostgresStore(postgres.url("latin"))
    assert other.names() == []
    with pytest.raises(ConfigError, match="LATIN1"):
        other.create("things", 2, {})
    other.close()
    none = PostgresStore(postgres.url("none"))
    with pytest.raises(StoreFailed, match="no such database"):
        none.names()
    none.close()


def test_no_text_is_in_a_message_or_a_log(
    url: str, store: PostgresStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    table = store.create("things", DIMENSIONS, {})
    with connected(url) as connection:
        connection.execute("ALTER TABLE tessera.rows_1 ADD CHECK (text <> 'very private')")
    with pytest.raises(StoreFailed) as failed:
        table.upsert(rows_of(["fine", "very private"]))
    assert table.count() == 0, "all or none"
    assert "private" not in str(failed.value) + caplog.text
    assert "s3cret" not in str(failed.value) + caplog.text
    assert "127.0.0.1" in str(failed.value)
