"""Rows held in memory are what was put last, however often they were written over, taken and dropped."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from embedder.collections.lance.kept_rows import KeptRows
from embedder.collections.rows import Row

CELLS = st.tuples(st.text(max_size=5), st.text(max_size=30), st.sampled_from(["", "book"]), st.booleans())
STEPS = st.lists(st.one_of(st.lists(CELLS, max_size=6), st.integers(2, 4)), max_size=60)


@given(STEPS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_each_place_has_what_was_put_there_last(steps: list, chance) -> None:
    rows, wanted = KeptRows(), []
    for step in steps:
        if isinstance(step, int):  # every so many are kept
            places = list(range(0, len(wanted), step))
            rows.keep(places)
            wanted = [wanted[place] for place in places]
        else:
            old = chance.sample(range(len(wanted)), min(len(wanted), len(step) // 2))
            places = [*old, *range(len(wanted), len(wanted) + len(step) - len(old))]
            if chance.random() < 0.3:
                rows.forget(places)
            rows.put(places, _table(step))
            wanted += [None] * (len(step) - len(old))
            for place, cells in zip(places, step, strict=True):
                wanted[place] = cells
        found = rows.take(range(len(wanted)))
        assert [_cells_of(row) for row in found] == wanted


def test_what_was_written_over_does_not_stay() -> None:
    rows = KeptRows()
    rows.put(range(1000), _table([(str(number), "a text " * 10, "", False) for number in range(1000)]))
    once_bytes = rows.held_bytes
    for _ in range(50):
        rows.put(range(1000), _table([(str(number), "a word " * 10, "", False) for number in range(1000)]))
        assert rows.held_bytes < 3 * once_bytes
    for number in range(500):  # one by one, as texts are corrected
        rows.put([number], _table([(str(number), "corrected", "", False)]))
    assert len(rows._parts) < 40
    assert [row.text for row in rows.take([0, 499, 500])] == ["corrected", "corrected", "a word " * 10]
    rows.forget(range(500, 1000))
    assert rows.held_bytes < once_bytes / 2
    assert [row.text for row in rows.take([0, 499])] == ["corrected", "corrected"]


def _table(cells: list[tuple[str, str, str, bool]]) -> pa.Table:
    columns = list(zip(*cells, strict=True)) or [()] * 4
    texts = [pa.array(column, pa.string()) for column in columns[:2]]
    documents = pa.array([document or None for document in columns[2]], pa.string())
    own = pa.array(['{"good":true}' if good else None for good in columns[3]], pa.string())
    return pa.table([*texts, documents, own], names=["id", "text", "document", "columns"])


def _cells_of(row: Row) -> tuple[str, str, str, bool]:
    return row.id, row.text, row.document, dict(row.columns) == {"good": True}
