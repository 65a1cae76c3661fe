"""Shards cover every row once, in order, whatever the files are like."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.corpus.bulk.job import judge_source
from embedder.corpus.bulk.places import place_of
from embedder.corpus.bulk.shards import equal_spans, lines_between, spans_of_groups
from embedder.corpus.bulk.sources import open_source
from embedder.corpus.rows import Record
from embedder.errors import ConfigError, FileUnreadable
from tests.bulk.jobs import columns, jsonl, parquet


@given(st.lists(st.integers(0, 300), max_size=40), st.integers(1, 100))
def test_row_groups_are_covered_once_in_order(groups: list[int], most: int) -> None:
    spans = list(spans_of_groups(groups, most))
    assert [row for start, stop in spans for row in range(start, stop)] == list(range(sum(groups)))
    assert all(0 < stop - start <= most for start, stop in spans)


@given(
    st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line), max_size=30),
    st.booleans(),
    st.integers(1, 40),
)
def test_every_line_belongs_to_one_range_of_bytes(lines: list[bytes], ended: bool, most: int) -> None:
    data = b"\n".join(lines) + b"\n" * ended
    parts = [lines_between(io.BytesIO(data), *span, "a file") for span in equal_spans(len(data), most)]
    assert b"".join(parts) == data
    assert all(part.endswith(b"\n") or data.endswith(part) for part in parts)


@pytest.mark.parametrize("kind", ["parquet", "groups", "jsonl", "lance"])
def test_shards_hold_every_row_once_in_order(tmp_path: Path, kind: str) -> None:
    made = columns(2_500)
    some = [{name: cells[start::2] for name, cells in made.items()} for start in (0, 1)]
    folder = tmp_path / "in"
    folder.mkdir()
    if kind == "lance":
        import lancedb
        import pyarrow as pa

        table = lancedb.connect(str(folder)).create_table("texts", pa.table(some[0]))
        table.add(pa.table(some[1]))
        source = open_source(place_of(str(folder / "texts.lance")))
        table.add(pa.table(some[1]))  # later than the version that is read
    else:
        for name, part in zip("ab", some, strict=True):
            data = (
                jsonl(part)
                if kind == "jsonl"
                else parquet(part, group_rows=100 if kind == "groups" else 5000)
            )
            (folder / f"{name}.{'jsonl' if kind == 'jsonl' else 'parquet'}").write_bytes(data)
        empty = parquet({name: [] for name in made}) if kind != "jsonl" else b""
        (folder / f"0.{'jsonl' if kind == 'jsonl' else 'parquet'}").write_bytes(empty)
        (folder / "_hidden.parquet").write_bytes(b"another program's")
        source = open_source(place_of(str(folder)))
    column, _ = judge_source(source, None)
    assert column == "text"
    shards = source.shards(column)
    assert len(shards) > 3
    assert [shard.number for shard in shards] == list(range(len(shards)))
    travelled = pickle.loads(pickle.dumps(source))
    rows = [row for shard in shards for row in travelled.rows(shard)]
    assert all(isinstance(row, Record) for row in rows)
    assert [row.cells["text"] for row in rows] == [*some[0]["text"], *some[1]["text"]]
    assert travelled.shards(column) == shards
    assert travelled.identity() == source.identity()


def test_what_changed_since_is_not_the_same_input(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl(columns(10)))
    before = open_source(place_of(str(path))).identity()
    path.write_bytes(jsonl(columns(11)))
    assert open_source(place_of(str(path))).identity() != before


def test_a_broken_line_and_bytes_that_are_no_text_cost_their_row(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "one"}\n{"text": "t\xff"}\n\n{"text": \n{"text": "two"}')
    source = open_source(place_of(str(path)))
    rows = [row for shard in source.shards("text") for row in source.rows(shard)]
    assert [row.cells["text"] for row in rows if isinstance(row, Record)] == ["one", "t\udcff", "two"]
    assert len(rows) == 5


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing", "no such file or folder"),
        ("missing.lance", "is no Lance table that can be read"),
        ("empty", "holds no .parquet, .jsonl or .ndjson file"),
        ("mixed", "holds Parquet and JSONL"),
        ("broken.parquet", "is no Parquet file, or a broken one"),
        ("array.jsonl", "is one array"),
        ("two", "b.parquet has no column 'text'"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, name: str, says: str) -> None:
    for folder in ("empty", "mixed", "two"):
        (tmp_path / folder).mkdir()
    (tmp_path / "mixed" / "a.parquet").write_bytes(parquet(columns(3)))
    (tmp_path / "mixed" / "a.jsonl").write_bytes(jsonl(columns(3)))
    (tmp_path / "two" / "a.parquet").write_bytes(parquet(columns(3)))
    (tmp_path / "two" / "b.parquet").write_bytes(parquet({"other": ["x"]}))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "array.jsonl").write_text('[\n{"text": "x"}\n]\n')

    def begin() -> None:
        source = open_source(place_of(str(tmp_path / name)))
        source.shards(judge_source(source, None)[0])

    with pytest.raises(FileUnreadable, match=says):
        begin()


@pytest.mark.parametrize("address", ["s3://key:secret@bucket/in", "nothing://bucket", "s3://"])
def test_a_wrong_address_is_refused_without_being_repeated(address: str) -> None:
    with pytest.raises(ConfigError) as refused:
        place_of(address)
    assert "secret" not in str(refused.value)
