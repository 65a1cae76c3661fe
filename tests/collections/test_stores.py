"""The contract of a store, held by every one of them."""

from __future__ import annotations

import math
import threading
from dataclasses import replace

import numpy as np
import pytest

from embedder.collections.filters import matches, parse_filter
from embedder.collections.rows import Row, Rows
from embedder.collections.store import Info, Store, Table
from embedder.errors import CollectionExists, InvalidInput, UnknownCollection
from tests.collections.conftest import DIMENSIONS, rows_of, vectors_of
from tests.collections.stores import KINDS

TEXTS = [f"text number {n} about {'cats' if n % 3 else 'dogs'}" for n in range(1000)]


@pytest.fixture
def table(store: Store) -> Table:
    return store.create("things", DIMENSIONS, {"model": "m"})


def everything(table: Table) -> dict[str, tuple[str, str, dict, list[float]]]:
    """All rows by id, as a scan gives them."""
    found = {}
    for rows in table.scan(100):
        assert len(rows) <= 100
        for place, row_id in enumerate(rows.ids):
            assert row_id not in found, "a row came twice"
            told = rows.texts[place], rows.documents[place], dict(rows.columns[place])
            found[row_id] = (*told, rows.vectors[place].tolist())
    return found


def test_tables_come_and_go_by_name(store: Store) -> None:
    assert store.names() == []
    store.create("one", 4, {"a": 1})
    store.create("Two.2_x-y", 8, {"b": [True, None, "東"]})
    assert store.names() == ["Two.2_x-y", "one"]
    assert store.open("one").dimensions == 4
    assert store.open("Two.2_x-y").info == {"b": [True, None, "東"]}
    with pytest.raises(CollectionExists):
        store.create("one", 4, {})
    store.drop("one")
    assert store.names() == ["Two.2_x-y"]
    for missing in (lambda: store.open("one"), lambda: store.drop("one")):
        with pytest.raises(UnknownCollection):
            missing()
    assert store.create("one", 5, {}).dimensions == 5
    assert store.open("one").count() == 0


def test_a_table_of_the_same_name_is_another(store: Store) -> None:
    first = store.create("things", DIMENSIONS, {})
    first.upsert(rows_of(["old one"]))
    assert first.nearest(vectors_of(["old one"])[0], 1)[0].row.id == "old one"
    store.drop("things")
    with pytest.raises(UnknownCollection):
        first.count()
    second = store.create("things", DIMENSIONS, {})
    assert second.upsert(rows_of({"old one": "new words"})) == 1
    (found,) = second.nearest(vectors_of(["new words"])[0], 5)
    assert (found.row.text, found.score) == ("new words", pytest.approx(1, abs=1e-5))
    assert second.upsert(rows_of({"old one": "newer words"})) == 0
    assert second.count() == 1


def test_info_is_what_was_written_last(store: Store, table: Table) -> None:
    table.write_info({"model": "m", "note": "'quoted' \"too\""})
    assert store.open("things").info == {"model": "m", "note": "'quoted' \"too\""}


def test_an_empty_table_answers(table: Table) -> None:
    assert table.count() == 0
    assert table.get(["a"]) == []
    assert table.delete(["a"]) == 0
    assert table.ids_of(["d"]) == []
    assert table.nearest(np.ones(DIMENSIONS, dtype=np.float32), 3) == []
    assert table.keyword("words", 3) == []
    assert list(table.scan()) == []
    assert table.upsert(rows_of([])) == 0
    assert table.stats().count == 0
    table.maintain()


def test_rows_come_back_as_they_were(table: Table) -> None:
    columns = [
        {"s": "it's", "n": 1, "f": 2.5, "t": True, "big": 2**62},
        {},
        {"東 京.[\"']": "\\ \n\t % _ --", "n": "a string where others have numbers"},
    ]
    rows = rows_of({"a'b": "One.", "\n": "Two; DROP", "c": "三"}, document="d'1", columns=columns)
    assert table.upsert(rows) == 3
    assert everything(table) == {
        row_id: (text, "d'1", told, vector.tolist())
        for row_id, text, told, vector in zip(rows.ids, rows.texts, columns, rows.vectors, strict=True)
    }
    (got,) = table.get(["a'b"], vectors=True)
    assert (got.id, got.text, got.document, got.columns) == ("a'b", "One.", "d'1", columns[0])
    assert {name: type(value) for name, value in got.columns.items()} == {
        "s": str, "n": int, "f": float, "t": bool, "big": int
    }  # fmt: skip
    np.testing.assert_array_equal(got.vector, rows.vectors[0])
    assert table.get(["c"])[0].vector is None
    assert [row.id for row in table.get(["c", "none", "a'b", "c"])] == ["c", "a'b"]


def test_a_row_takes_the_place_of_the_one_with_its_id(table: Table) -> None:
    table.upsert(rows_of({"a": "old a", "b": "old b"}, columns=[{"x": 1, "y": 1}, {"x": 2}]))
    assert table.upsert(rows_of({"b": "new b", "c": "new c"}, columns=[{"x": "three"}, {}])) == 1
    assert table.count() == 3
    assert {row_id: row[0] for row_id, row in everything(table).items()} == {
        "a": "old a", "b": "new b", "c": "new c"
    }  # fmt: skip
    assert table.get(["b"])[0].columns == {"x": "three"}
    twice = Rows(["d", "d"], ["first", "last"], ["", ""], [{}, {}], vectors_of(["first", "last"]))
    assert table.upsert(twice) == 1
    assert table.get(["d"])[0].text == "last"
    assert [hit.row.text for hit in table.nearest(vectors_of(["last"])[0], 1)] == ["last"]


def test_deleting_by_id_and_finding_those_of_a_document(table: Table) -> None:
    table.upsert(rows_of(TEXTS[:700], document="one"))
    table.upsert(rows_of(TEXTS[700:750], document="two"))
    table.upsert(rows_of({"alone": "of no document"}))
    assert table.ids_of([""]) == []
    assert table.get(["alone"])[0].document == ""
    assert table.delete(["alone"]) == 1
    assert sorted(table.ids_of(["two", "none"])) == sorted(TEXTS[700:750])
    assert table.delete([*TEXTS[100:700], "none", TEXTS[100]]) == 600
    assert table.count() == 150
    assert table.keyword("number 333", 1000)[0].row.id != TEXTS[333]
    assert {row_id for some in table.ids() for row_id in some} == {*TEXTS[:100], *TEXTS[700:750]}
    assert table.upsert(rows_of([TEXTS[333]])) == 1
    assert table.keyword("333", 10)[0].row.id == TEXTS[333]


def test_nearest_are_the_true_ones_with_their_cosines(table: Table) -> None:
    table.upsert(rows_of(TEXTS))
    table.maintain()
    vectors = vectors_of(TEXTS)
    for question in vectors_of(["a question", "another"]) * 3:
        cosines = vectors @ question / np.linalg.norm(vectors, axis=1) / np.linalg.norm(question)
        true = np.argsort(-cosines)[:10]
        found = table.nearest(question, 10, vectors=True)
        assert len({TEXTS[row] for row in true} & {hit.row.id for hit in found}) >= 9
        scores = [hit.score for hit in found]
        assert scores == sorted(scores, reverse=True)
        by_text = dict(zip(TEXTS, cosines, strict=True))
        np.testing.assert_allclose(scores, [by_text[hit.row.id] for hit in found], atol=1e-5)
        for hit in found:
            np.testing.assert_array_equal(hit.row.vector, vectors[TEXTS.index(hit.row.id)])


def test_rankings_are_those_of_searches_and_their_rows_can_be_read_later(table: Table) -> None:
    table.upsert(rows_of(TEXTS))
    table.maintain()
    question = vectors_of(["a question"])[0]
    part = parse_filter({"type": "lt", "key": "n", "value": 20})
    for wanted in (None, part):
        near, worded = table.nearest(question, 10, wanted), table.keyword(TEXTS[3], 10, wanted)
        for asked, found in ((question, near), (TEXTS[3], worded)):
            ranked = table.ranked(asked, 10, wanted, vectors=True)
            rows = table.read(ranked, vectors=True)
            assert [(rows[one.key].id, one.score) for one in ranked] == [
                (hit.row.id, pytest.approx(hit.score, abs=1e-6)) for hit in found
            ]
            for row in rows.values():
                np.testing.assert_array_equal(row.vector, vectors_of([row.id])[0])
    both = {one.key for one in table.ranked(TEXTS[3], 1)} | {
        one.key for one in table.ranked(vectors_of([TEXTS[3]])[0], 1)
    }
    assert len(both) == 1  # one row has one key, however it was found
    assert table.ranked(np.zeros(DIMENSIONS, dtype=np.float32), 5) == []
    assert table.read([]) == {}


def test_what_goes_between_a_ranking_and_its_reading_is_missing_and_never_another(
    store: Store, table: Table
) -> None:
    table.upsert(rows_of(["one", "two"]))
    ranked = table.ranked(vectors_of(["one"])[0], 2)
    table.delete(["one"])
    assert "two" in {row.id for row in table.read(ranked).values()}
    other = store.create("other", DIMENSIONS, {})
    other.upsert(rows_of(["three", "four"]))
    assert store.replace("things", "other", table.mark)
    assert {row.id for row in table.read(ranked).values()} <= {"one", "two"}


def test_a_vector_of_zeros_is_near_to_nothing(table: Table) -> None:
    table.upsert(rows_of(["zero", "one"], vectors=[[0.0] * DIMENSIONS, [1.0] * DIMENSIONS]))
    assert [hit.row.id for hit in table.nearest(np.ones(DIMENSIONS, dtype=np.float32), 5)] == ["one"]
    assert table.nearest(np.zeros(DIMENSIONS, dtype=np.float32), 5) == []
    assert table.count() == 2


def test_words_are_found_in_any_case_and_language_and_rare_ones_count_more(table: Table) -> None:
    told = {
        "a": "The cat sat on the mat",
        "b": "A dog and a CAT",
        "c": "Nothing of the kind",
        "d": "東京は晴れです",
        "e": "Straße nach Köln",
        "f": "สวัสดีชาวโลก",
    }
    table.upsert(rows_of(told))
    for _ in range(2):  # before it is indexed, and after
        assert {hit.row.id for hit in table.keyword("cat", 10)} == {"a", "b"}
        assert [hit.row.id for hit in table.keyword("東京", 10)] == ["d"]
        assert [hit.row.id for hit in table.keyword("STRASSE straße", 10)] == ["e"]
        assert [hit.row.id for hit in table.keyword("สวัสดี", 10)] == ["f"]
        assert table.keyword("cat mat", 10)[0].row.id == "a"
        assert table.keyword("zebra", 10) == []
        for odd in ("", "***", 'a AND "b', "(", "x" * 5000, "\x00", "💥"):
            assert len(table.keyword(odd, 10)) <= 2
        table.maintain()


def test_filters_mean_the_same_everywhere(table: Table) -> None:
    columns = [{"n": n, "parity": "odd" if n % 2 else "even", "late": n > 500} for n in range(1000)]
    table.upsert(rows_of(TEXTS, columns=columns))
    table.maintain()
    for told in (
        {"type": "eq", "key": "parity", "value": "odd"},
        {"type": "gte", "key": "n", "value": 990},
        {"type": "in", "key": "n", "value": [1, 2.0, "3", 4000]},
        {"type": "ne", "key": "missing", "value": 1},
        {"type": "eq", "key": "missing", "value": 1},
        {
            "type": "and",
            "filters": [
                {"type": "eq", "key": "late", "value": True},
                {"type": "or", "filters": [
                    {"type": "lt", "key": "n", "value": 510}, {"type": "eq", "key": "n", "value": 999}
                ]},
            ],
        },
    ):  # fmt: skip
        wanted = parse_filter(told)
        passing = {text for text, row in zip(TEXTS, columns, strict=True) if matches(wanted, row)}
        assert table.count(wanted) == len(passing)
        near = {hit.row.id for hit in table.nearest(vectors_of(["q"])[0], 5, wanted)}
        assert near <= passing
        assert len(near) == min(5, len(passing))
        worded = {hit.row.id for hit in table.keyword("text", 5, wanted)}
        assert worded <= passing
        assert len(worded) == min(5, len(passing))


def test_what_is_deleted_is_given_away_as_it_is_then(store: Store, table: Table) -> None:
    table.upsert(rows_of(TEXTS[:700], document="one", columns=[{"n": n} for n in range(700)]))
    kept: dict[str, Row] = {}

    def refuse(rows: list[Row]) -> None:
        raise InvalidInput("no")

    with pytest.raises(InvalidInput):
        table.delete(TEXTS[:10], refuse)
    assert table.count() == 700
    other = store.create("other", DIMENSIONS, {})

    def keep(rows: list[Row]) -> None:
        assert len(table.get([row.id for row in rows])) == len(rows), "they are there yet"
        kept.update({row.id: row for row in rows})
        other.upsert(rows_of([row.text for row in rows]))

    assert table.delete([*TEXTS[:600], "none", TEXTS[0]], keep) == 600
    assert table.count() == 100
    assert other.count() == len(kept) == 600
    row = kept[TEXTS[7]]
    assert (row.text, row.document, dict(row.columns)) == (TEXTS[7], "one", {"n": 7})
    assert row.vector is not None
    np.testing.assert_array_equal(row.vector, vectors_of([TEXTS[7]])[0])


def test_rows_are_revised_as_they_are_and_those_that_went_stay_away(table: Table) -> None:
    table.upsert(rows_of(TEXTS[:700], document="one", columns=[{"n": n} for n in range(700)]))
    table.delete(TEXTS[:3])
    mark = table.mark

    def change(row: Row) -> Row:
        assert row.vector is not None
        return replace(row, columns={**row.columns, "new": "x"}, vector=-row.vector)

    assert table.revise([*TEXTS[:600], "none", TEXTS[5]], change) == 597
    assert table.count() == 697
    assert table.mark > mark
    revised, other = table.get([TEXTS[7], TEXTS[650]], vectors=True)
    assert (revised.text, revised.document, dict(revised.columns)) == (TEXTS[7], "one", {"n": 7, "new": "x"})
    assert dict(other.columns) == {"n": 650}
    assert revised.vector is not None
    np.testing.assert_allclose(revised.vector, -vectors_of([TEXTS[7]])[0], atol=1e-6)
    assert table.count(parse_filter({"type": "eq", "key": "new", "value": "x"})) == 597
    assert table.revise(["none"], change) == 0

    def refuse(row: Row) -> Row:
        raise InvalidInput("no")

    with pytest.raises(InvalidInput):
        table.revise(TEXTS[3:9], refuse)
    assert table.count() == 697


def test_what_was_written_since_a_mark_comes_again(table: Table) -> None:
    table.upsert(rows_of(TEXTS[:10]))
    table.maintain()
    for _ in range(12):
        table.upsert(rows_of(["again and again"]))
    mark = table.mark
    assert table.mark == mark
    table.upsert(rows_of({TEXTS[0]: "changed", "new": "new"}))
    table.maintain()
    since = {row_id for rows in table.scan(since=mark) for row_id in rows.ids}
    assert {TEXTS[0], "new"} <= since
    assert not since & set(TEXTS[1:10])
    before = table.mark
    table.delete(["new"])
    assert table.mark > before


def test_one_table_takes_the_place_of_another_unless_it_was_written_to(store: Store, table: Table) -> None:
    table.upsert(rows_of(["old"]))
    other = store.create(".things", 2, {"model": "n"})
    rows = Rows(["new"], ["new"], [""], [{"x": 1}], np.ones((1, 2), dtype=np.float32))
    other.upsert(rows)
    mark = table.mark
    table.upsert(rows_of(["newer"]))
    assert not store.replace("things", ".things", mark)
    assert table.count() == 2
    assert store.replace("things", ".things", table.mark)
    assert store.names() == ["things"]
    assert (table.dimensions, table.info, table.count()) == (2, {"model": "n"}, 1)
    assert [hit.row.id for hit in table.nearest(np.ones(2, dtype=np.float32), 3)] == ["new"]
    assert table.count(parse_filter({"type": "eq", "key": "x", "value": 1})) == 1
    table.upsert(Rows(["third"], ["third"], [""], [{}], np.ones((1, 2), dtype=np.float32)))
    assert table.count() == 2
    store.create(".things", 2, {"model": "o"}).upsert(rows)
    table.change_info(lambda info: {**info, "note": "late"})
    told = table.info
    assert store.replace("things", ".things", table.mark, lambda info: {**info, "model": "p"})
    assert (table.count(), store.open("things").info) == (1, {**told, "model": "p"})


def test_a_table_goes_out_of_sight_and_comes_back(store: Store, table: Table) -> None:
    """As what is deleted with an undo does: under a name that none of a collection is like."""
    hidden = "..deleted-1767225600000-0123abcd"
    table.upsert(rows_of(["one", "two"]))
    away = store.create(hidden, DIMENSIONS, {"of": "things"})
    table.write_info({"model": "m", "deleted": {"of": "things"}})
    assert store.replace(hidden, "things", away.mark)
    assert store.names() == [hidden]
    with pytest.raises(UnknownCollection):
        store.open("things")
    assert (away.count(), away.info) == (2, {"model": "m", "deleted": {"of": "things"}})
    assert store.open(hidden).count() == 2
    # Another of that name may come meanwhile, and go: it has nothing to do with the one out of sight.
    another = store.create("things", 2, {})
    assert another.count() == 0
    store.drop("things")
    back = store.create("things", DIMENSIONS, {})
    assert store.replace("things", hidden, back.mark)
    assert store.names() == ["things"]
    back.write_info({"model": "m"})
    assert (store.open("things").count(), store.open("things").info) == (2, {"model": "m"})
    assert [hit.row.id for hit in back.keyword("two", 3)] == ["two"]
    assert back.upsert(rows_of(["two", "three"])) == 1
    assert back.delete(["one"]) == 1
    assert {row_id for some in back.ids() for row_id in some} == {"two", "three"}
    for missing in (lambda: store.drop(hidden), lambda: store.replace("things", hidden, back.mark)):
        with pytest.raises(UnknownCollection):
            missing()


def test_a_table_gets_another_name(store: Store, table: Table) -> None:
    table.upsert(rows_of(["one", "two"]))
    store.create("taken", 2, {})
    for name, new, error in (("things", "taken", CollectionExists), ("none", "other", UnknownCollection)):
        with pytest.raises(error):
            store.rename(name, new)
    store.rename("things", "other")
    assert store.names() == ["other", "taken"]
    with pytest.raises(UnknownCollection):
        store.open("things")
    other = store.open("other")
    assert (other.info, other.count()) == ({"model": "m"}, 2)
    assert [hit.row.id for hit in other.nearest(vectors_of(["two"])[0], 1)] == ["two"]
    assert other.upsert(rows_of(["two", "three"])) == 1
    assert store.create("things", DIMENSIONS, {}).count() == 0
    assert other.count() == 3


@pytest.mark.parametrize("store", [kind for kind in KINDS if kind != "milvus"], indirect=True)
def test_a_scan_sees_the_table_as_it_was_when_it_began(table: Table) -> None:
    """A cluster of Milvus does too, by its documents; Milvus Lite does not."""
    table.upsert(rows_of(TEXTS[:300]))
    batches = table.scan(100)
    first = next(batches)
    table.delete(TEXTS[:300])
    table.upsert(rows_of({TEXTS[0]: "changed"}))
    seen = [row_id for rows in (first, *batches) for row_id in rows.ids]
    assert sorted(seen) == sorted(TEXTS[:300])
    assert table.count() == 1


def test_bm25_is_what_the_formula_says(request: pytest.FixtureRequest, table: Table) -> None:
    told = {"a": "cat", "b": "cat cat dog", "c": "the dog and the bird", "d": "bird"}
    table.upsert(rows_of({**told, "gone": "cat cat cat"}))
    table.delete(["gone"])
    table.upsert(rows_of({"d": "bird bird"}))
    table.maintain()
    texts = {row_id: text.split() for row_id, text in {**told, "d": "bird bird"}.items()}
    mean_words = sum(map(len, texts.values())) / 4
    rarity = math.log(1 + (4 - 2 + 0.5) / (2 + 0.5))  # each of the two words is in two of the four texts

    def part(words: list[str], word: str) -> float:
        n = words.count(word)
        return rarity * n * 2.2 / (n + 1.2 * (0.25 + 0.75 * len(words) / mean_words))

    expected = {row_id: part(words, "cat") + part(words, "bird") for row_id, words in texts.items()}
    found = table.keyword("cat bird", 10)
    # Milvus Lite counts words by segment, deleted rows too.
    tolerance = 0.1 if "milvus" in request.node.name else 1e-4
    assert {hit.row.id: hit.score for hit in found} == pytest.approx(expected, rel=tolerance)
    assert [hit.row.id for hit in found] == sorted(expected, key=lambda row_id: -expected[row_id])


def test_many_threads_write_and_read(table: Table) -> None:
    def write(part: int) -> None:
        for start in range(0, 250, 50):
            table.upsert(rows_of(TEXTS[part * 250 + start : part * 250 + start + 50]))
            found = table.nearest(vectors_of([TEXTS[part * 250 + start]])[0], 1)
            seen.append(found[0].row.id == TEXTS[part * 250 + start])

    seen: list[bool] = []
    threads = [threading.Thread(target=write, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 20
    assert set(everything(table)) == set(TEXTS)


def test_changes_of_the_info_are_one_after_the_other(store: Store) -> None:
    table = store.create("things", DIMENSIONS, {"counts": {}})
    again = store.open("things")

    def count(name: str) -> None:
        def counted(info: Info) -> Info:
            counts = dict(info["counts"])
            return {**info, "counts": counts | {name: counts.get(name, 0) + 1}}

        for number in range(5):
            made = (table, again)[number % 2].change_info(counted)
            assert made["counts"][name] == number + 1

    threads = [threading.Thread(target=count, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.open("things").info == {"counts": {"a": 5, "b": 5, "c": 5}}

    def fails(info: Info) -> Info:
        raise InvalidInput("no")

    with pytest.raises(InvalidInput):
        table.change_info(fails)
    assert store.open("things").info == {"counts": {"a": 5, "b": 5, "c": 5}}
