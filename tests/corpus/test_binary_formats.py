"""Parquet, workbooks, PDF and numpy's arrays: read whole, or with a sentence that names what is wrong."""

from __future__ import annotations

import datetime
import io
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedder.corpus.apart import Limits, read_apart
from embedder.corpus.reading import TextTable, parse_texts
from embedder.corpus.rows import Record, SkippedRow
from embedder.corpus.workbook_format import read_workbook
from embedder.errors import FileUnreadable, TooLarge

from .files import npy, npz, parquet, pdf, workbook

TEXTS = ["The weather is lovely today.", "It's so sunny outside! 🙂", "He drove to the stadium."]
VECTORS = np.random.default_rng(7).normal(size=(3, 24)).astype(np.float32)


def test_parquet_comes_back_as_pandas_wrote_it() -> None:
    data = parquet(
        {
            "id": [7, 8, 9],
            "said": TEXTS,
            "score": [0.5, None, 2.0],
            "on": [datetime.date(2026, 11, day) for day in (1, 2, 3)],
            "good": [True, False, True],
            "tags": [["a", "b"], [], ["c"]],
            "picture": [b"\x00", b"\x01", b"\x02"],
        }
    )
    table = parse_texts(data, suffix=".parquet")
    assert table.texts == TEXTS
    assert table.text_column == "said"
    assert table.columns == {
        "id": ["7", "8", "9"],
        "score": ["0.5", "", "2.0"],
        "on": ["2026-11-01", "2026-11-02", "2026-11-03"],
        "good": ["true", "false", "true"],
        "tags": ['["a", "b"]', "[]", '["c"]'],
    }
    assert table.unit == "row"
    assert table.notes == ("1 of its columns hold bytes and were left out",)
    assert parse_texts(data, suffix=".bin").texts == TEXTS, "by content"


def test_a_row_without_text_is_counted_and_shown() -> None:
    table = parse_texts(parquet({"text": [TEXTS[0], None, "  "], "id": [1, 2, 3]}), suffix=".parquet")
    assert table.texts == TEXTS[:1]
    assert table.skipped == [SkippedRow(2, "empty text"), SkippedRow(3, "empty text")]
    assert table.skipped[0].raw == '{"text": "", "id": "2"}'


def test_a_broken_row_group_costs_its_rows_only() -> None:
    lines = [f"sentence number {i} of many, {'x' * 50}" for i in range(4000)]
    data = bytearray(parquet({"text": lines}, row_group_size=1000, compression="gzip"))
    import pyarrow.parquet as pq

    chunk = pq.ParquetFile(io.BytesIO(bytes(data))).metadata.row_group(1).column(0)
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    data[start + 40 : start + 400] = bytes(360)
    table = parse_texts(bytes(data), suffix=".parquet")
    assert table.texts[:1000] == lines[:1000]
    assert table.texts[-2000:] == lines[2000:]
    (lost,) = table.skipped
    assert "rows 1,001 to 2,000" in lost.why


def test_a_workbook_is_read_from_its_first_sheet_with_rows() -> None:
    data = workbook(
        {
            "Empty": [],
            "Said": [
                ["id", "text", "when", "n"],
                [1, TEXTS[0], datetime.datetime(2026, 11, 1, 9, 30), 2.5],
                [2, None, None, None],
                [],
                [4, TEXTS[1]],
                [5, TEXTS[2], None, 3, "too much"],
            ],
            "More": [["text"], ["not read"]],
        }
    )
    table = parse_texts(data, suffix=".xlsx")
    assert table.texts == TEXTS[:2]
    assert table.columns == {
        "id": ["1", "4"],
        "when": ["2026-11-01T09:30:00", ""],
        "n": ["2.5", ""],
    }
    assert table.notes == ("sheet “Said” of 3",)
    assert [(row.line, row.why) for row in table.skipped] == [
        (3, "empty text"),
        (4, "blank line"),
        (6, "5 cells where the header has 4"),
    ]
    assert parse_texts(data, suffix=".xlsx", column="id").texts == ["1", "2", "4"]


def test_two_far_cells_of_a_workbook_do_not_take_the_memory() -> None:
    from openpyxl import Workbook

    book = Workbook()
    book.active["A1"] = "text"
    book.active["A2"] = "near"
    book.active["XFD1048576"] = "far"
    sink = io.BytesIO()
    book.save(sink)
    with pytest.raises(FileUnreadable, match=r"too much memory|columns|crashed"):
        parse_texts(sink.getvalue(), suffix=".xlsx")


def test_a_zip_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = io.BytesIO(workbook({"Sheet": [["text"], ["hello"]]}))
    bomb = io.BytesIO()
    with zipfile.ZipFile(sound) as source, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as sink:
        for entry in source.infolist():
            sink.writestr(entry.filename, source.read(entry))
        sink.writestr("xl/media/bomb.bin", bytes(64 * 2**20))
    assert len(bomb.getvalue()) < 2**20
    monkeypatch.setattr("embedder.corpus.workbook_format.MAX_UNPACKED_BYTES", 32 * 2**20)
    with pytest.raises(FileUnreadable, match=r"unpacks to 0\.1 GB"):
        read_workbook(bomb.getvalue(), None)


def test_a_parquet_that_unfolds_to_terabytes_ends_in_a_sentence() -> None:
    long = "a very long text " * 50_000
    import pyarrow as pa
    import pyarrow.parquet as pq

    cells = pa.DictionaryArray.from_arrays(pa.array([0] * 200_000, pa.int32()), [long])
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": cells}), sink, store_schema=False)
    data = sink.getvalue()
    assert len(data) < 2 * 2**20
    table = parse_texts(data, suffix=".parquet", max_unpacked_bytes=50 * 2**20)
    assert 10 < len(table.texts) < 100
    assert "gave more than 50 MB; this row and what follows were not read" in table.skipped[-1].why


def test_a_pdf_is_a_text_a_page() -> None:
    table = parse_texts(pdf(["The first page.\nIt has two lines.", "", "The third page."]), suffix=".pdf")
    assert table.texts == ["The first page.\nIt has two lines.", "The third page."]
    assert table.columns == {"page": ["1", "3"]}
    assert table.unit == "page"
    assert table.skipped == [SkippedRow(2, "no text on this page; is it a picture?")]


@pytest.mark.parametrize(
    ("data", "suffix", "says"),
    [
        (pdf(["secret"], password="x"), ".pdf", "locked with a password"),
        (pdf(["", ""]), ".pdf", "no text, only pictures"),
        (b"%PDF-1.4 not a PDF", ".pdf", "broken"),
        (b"PAR1" + bytes(50), ".parquet", "broken"),
        (b"no parquet", ".parquet", "does not begin as one"),
        (b"no workbook", ".xlsx", "does not begin as one"),
        (b"PK\x03\x04" + bytes(60), ".xlsx", "no sound directory"),
        (workbook({"Empty": [], "Also": []}), ".xlsx", "No sheet"),
        (parquet({"n": [1, 2]}), ".parquet", "Row 1: the text is not a string"),
        (npz(n=np.arange(4)), ".npz", "neither vectors"),
        (npy(np.arange(4)), ".npy", "shape"),
        (npy(np.array([{}, {}], dtype=object), allow_pickle=True), ".npy", "never unpacked"),
        (npz(vectors=VECTORS, texts=np.array(TEXTS, dtype=object)), ".npz", "never unpacked"),
        (npz(vectors=VECTORS, texts=np.array(TEXTS[:2])), ".npz", "3 vectors and 2 texts"),
        (npy(VECTORS)[:-8], ".npy", "ends too early"),
    ],
)
def test_broken_and_empty_files_say_what_is_wrong(data: bytes, suffix: str, says: str) -> None:
    with pytest.raises(FileUnreadable, match=says):
        parse_texts(data, suffix=suffix, take_vectors=True)


def test_a_header_of_numpy_that_promises_terabytes_takes_no_room() -> None:
    sound = npy(np.zeros((3, 24), dtype=np.float32))
    liar = sound.replace(b"(3, 24)", b"(9000000000, 24)").ljust(len(sound), b" ")
    with pytest.raises(FileUnreadable):
        parse_texts(liar, suffix=".npy", take_vectors=True)


def test_reading_that_takes_too_long_keeps_what_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    source = read_apart("workbook", workbook({"S": [["text"], ["hello"]]}), None, Limits(seconds=0.01))
    with pytest.raises(FileUnreadable, match=r"took longer than 0 s"):
        list(source.rows)


def test_the_process_that_reads_gets_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess

    seen: dict[str, Any] = {}
    real = subprocess.Popen

    def spy(*args: Any, **options: Any) -> Any:
        seen.update(options["env"])
        return real(*args, **options)

    monkeypatch.setenv("EMBED_KEY", "secret")
    monkeypatch.setattr(subprocess, "Popen", spy)
    assert parse_texts(pdf(["A page."]), suffix=".pdf").texts == ["A page."]
    assert "secret" not in seen.values()


BROKEN: dict[str, bytes] = {
    ".parquet": parquet({"text": TEXTS, "embedding": list(VECTORS)}),
    ".xlsx": workbook({"Sheet": [["text", "n"], *([text, 1] for text in TEXTS)]}),
    ".pdf": pdf(["One page.", "Another page, of two."]),
}


@pytest.mark.parametrize("suffix", list(BROKEN))
@given(place=st.floats(0, 1), junk=st.binary(min_size=1, max_size=60), cut=st.booleans())
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
def test_no_bytes_break_more_than_their_file(suffix: str, place: float, junk: bytes, cut: bool) -> None:
    sound = BROKEN[suffix]
    at = 4 + int(place * (len(sound) - 4))
    data = sound[:at] + junk + (b"" if cut else sound[at + len(junk) :])
    _check(lambda: parse_texts(data, suffix=suffix, take_vectors=True))


@given(
    sound=st.sampled_from([npy(VECTORS), npz(vectors=VECTORS, texts=np.array(TEXTS), points=VECTORS[:, :2])]),
    place=st.floats(0, 1),
    junk=st.binary(min_size=1, max_size=60),
    cut=st.booleans(),
)
def test_no_bytes_break_the_reader_of_arrays(sound: bytes, place: float, junk: bytes, cut: bool) -> None:
    at = 6 + int(place * (len(sound) - 6))
    data = sound[:at] + junk + (b"" if cut else sound[at + len(junk) :])
    _check(lambda: parse_texts(data, suffix=".npz", take_vectors=True))


def _check(read: Any) -> None:
    try:
        table: TextTable = read()
    except (FileUnreadable, TooLarge):
        return
    assert table.texts
    assert all(len(column) == len(table.texts) for column in table.columns.values())
    assert table.vectors is None or (
        len(table.vectors) == len(table.texts) and np.isfinite(table.vectors).all()
    )


def test_frames_carry_rows_as_they_are() -> None:
    source = read_apart("parquet", parquet({"text": TEXTS, "embedding": list(VECTORS)}), None)
    rows = list(source.rows)
    assert all(isinstance(row, Record) for row in rows)
    for row, vector in zip(rows, VECTORS, strict=True):
        assert isinstance(row, Record)
        np.testing.assert_array_equal(row.lists["embedding"], vector)
