"""What a user's file gives: every row a text or a stated reason."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedder.corpus import formats
from embedder.corpus.formats import MAX_TEXT_CHARS
from embedder.corpus.reading import SkippedRow, parse_texts, read_texts
from embedder.corpus.rows import MAX_COLUMNS
from embedder.errors import FileUnreadable

READABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1)
CELL = READABLE.filter(lambda text: text.strip() != "")


def test_txt_is_one_text_a_line_whatever_the_line_ends() -> None:
    table = parse_texts(b"one\r\n two \n\nthree\rfour")
    assert table.texts == ["one", " two ", "three", "four"]
    assert table.skipped == [SkippedRow(3, "blank line")]
    assert (table.columns, table.text_column) == ({}, None)


def test_txt_lines_end_at_line_ends_only() -> None:
    assert parse_texts("a\x0cb\u2028c\x85d\n".encode()).texts == ["a\x0cb\u2028c\x85d"]


@given(st.lists(READABLE.map(lambda text: text.replace("\r", "").replace("\n", "")), min_size=1))
def test_every_line_of_a_txt_is_kept_or_counted(lines: list[str]) -> None:
    data = ("\ufeff" + "\n".join(lines) + "\n").encode()
    if not any(line.strip("\ufeff \t") for line in lines) or not any(line.strip() for line in lines):
        with pytest.raises(FileUnreadable, match="blank line"):
            parse_texts(data)
        return
    table = parse_texts(data)
    assert table.texts == [line for line in lines if line.strip()]
    assert [row.line for row in table.skipped] == [n for n, line in enumerate(lines, 1) if not line.strip()]


@given(
    rows=st.lists(st.tuples(CELL, READABLE, CELL), min_size=1, max_size=20),
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\r\n", "\n"]),
)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_csv_comes_back_as_written(rows: list[tuple[str, str, str]], delimiter: str, line_end: str) -> None:
    sink = io.StringIO()
    writer = csv.writer(sink, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerows([("id", "text", "label"), *rows])
    table = parse_texts(sink.getvalue().encode(), suffix=".csv", column="label")
    assert table.texts == [row[2] for row in rows]
    assert table.columns == {"id": [row[0] for row in rows], "text": [row[1] for row in rows]}
    assert table.skipped == []


@given(st.lists(st.one_of(CELL, st.fixed_dictionaries({"text": CELL, "n": st.integers()})), min_size=1))
def test_jsonl_comes_back_as_written(rows: list[str | dict[str, str | int]]) -> None:
    data = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()
    table = parse_texts(data, suffix=".jsonl")
    assert table.texts == [row if isinstance(row, str) else row["text"] for row in rows]
    if any(isinstance(row, dict) for row in rows):
        assert table.columns["n"] == ["" if isinstance(row, str) else str(row["n"]) for row in rows]


@given(st.binary(max_size=300), st.sampled_from([".txt", ".csv", ".tsv", ".jsonl", ".data"]))
def test_any_bytes_give_clean_texts_or_are_refused(data: bytes, suffix: str) -> None:
    try:
        table = parse_texts(data, suffix=suffix)
    except FileUnreadable:
        return
    assert table.texts
    for text in table.texts:
        assert text.strip()
        assert "\x00" not in text
        text.encode()
    assert all(len(column) == len(table.texts) for column in table.columns.values())


def test_csv_with_quotes_commas_and_line_breaks_in_cells() -> None:
    data = b'id,text\r\n1,"Hello, ""you"""\r\n2,"two\nlines"\r\n3,\r\n4\r\n\r\n6,"a" b\r\n7,last\r\n'
    table = parse_texts(data, suffix=".csv")
    assert table.texts == ['Hello, "you"', "two\nlines", "last"]
    assert table.columns == {"id": ["1", "2", "7"]}
    assert [(row.line, row.why) for row in table.skipped] == [
        (5, "empty text"),
        (6, "1 cell where the header has 2"),
        (7, "blank line"),
        (8, "broken quoting: ',' expected after '\"'"),
    ]


@pytest.mark.parametrize(
    ("data", "suffix", "texts"),
    [
        (b"label;text\na;One, two\nb;Three\n", ".csv", ["One, two", "Three"]),
        (b"label\ttext\na\tOne; two, three\n", ".tsv", ["One; two, three"]),
        (b"label|text\na|One, two\n", ".csv", ["One, two"]),
        (b"sep=;\r\nlabel;text\r\na;One, two\r\n", ".csv", ["One, two"]),
        (b"text\nHello, world; yes\nNo\n", ".csv", ["Hello, world; yes", "No"]),
        (b'text\n"Hello, ""world"""\n', ".csv", ['Hello, "world"']),
    ],
)
def test_the_delimiter_is_found(data: bytes, suffix: str, texts: list[str]) -> None:
    assert parse_texts(data, suffix=suffix).texts == texts


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("id,Text,label", "Text"),
        ("title,content,x", "content"),
        ("a,b,c", "b"),
        (",headline,", "headline"),
    ],
)
def test_the_text_column_is_named_or_the_longest(header: str, expected: str) -> None:
    data = f"{header}\n1,A rather long sentence,pos\n2,Another long sentence,neg\n".encode()
    table = parse_texts(data, suffix=".csv")
    assert table.text_column == expected
    assert table.texts == ["A rather long sentence", "Another long sentence"]
    assert len(table.columns) == 2


def test_long_numbers_are_no_texts() -> None:
    table = parse_texts(b"at,said\n2026-11-22 10:00:00.000000,hello\n", suffix=".csv")
    assert table.text_column == "said"


def test_a_table_without_a_header_loses_no_row() -> None:
    table = parse_texts(b"1,The weather is lovely today.\n2,He drove to the stadium.\n", suffix=".csv")
    assert table.texts == ["The weather is lovely today.", "He drove to the stadium."]
    assert table.text_column == "column_2"


def test_columns_of_one_name_are_kept_apart() -> None:
    table = parse_texts(b"text,tag,tag\nhello,a,b\n", suffix=".csv")
    assert table.columns == {"tag": ["a"], "tag_2": ["b"]}


def test_a_column_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(FileUnreadable, match=r"'nope'.*'id', 'text'"):
        parse_texts(b"id,text\n1,hello\n", suffix=".csv", column="nope")
    with pytest.raises(FileUnreadable, match="no columns"):
        parse_texts(b"hello\n", suffix=".txt", column="text")


def test_jsonl_says_of_each_row_what_is_wrong() -> None:
    lines = [
        '{"text": "fine", "n": 12345678901234567890123, "tags": ["ä"], "none": null}',
        '"a bare string"',
        '{"text": 3}',
        '{"text": ""}',
        '{"other": "x"}',
        '{"text": "half \\ud800"}',
        '{"text": "nul \\u0000"}',
        "{broken",
        "[1]",
        "[" * 100_000,
        "",
        '{"text": "last", "n": NaN}',
    ]
    table = parse_texts("\n".join(lines).encode(), suffix=".jsonl")
    assert table.texts == ["fine", "a bare string", "last"]
    assert table.columns["n"] == ["12345678901234567890123", "", "NaN"]
    assert table.columns["tags"] == ['["ä"]', "", ""]
    assert table.columns["none"] == ["", "", ""]
    assert [row.line for row in table.skipped] == [3, 4, 5, 6, 7, 8, 9, 10, 11]
    reasons = {row.line: row.why for row in table.skipped}
    assert reasons[3] == "the text is not a string"
    assert reasons[4] == reasons[5] == "empty text"
    assert reasons[6] == "the text holds half a surrogate pair"
    assert reasons[7] == "the text holds a NUL character"
    assert reasons[8].startswith("not JSON")
    assert reasons[9] == "neither an object nor a string"


def test_a_json_array_is_read_whatever_its_lines() -> None:
    data = b"""[
  {"text": "a", "n": 1}, "b",
  {"text": "c",
   "n": 20000000000000000001},
  7, {"text": ""}
]
"""
    table = parse_texts(data, suffix=".json")
    assert table.texts == ["a", "b", "c"]
    assert table.columns == {"n": ["1", "", "20000000000000000001"]}
    assert [(row.line, row.why) for row in table.skipped] == [
        (5, "neither an object nor a string"),
        (5, "empty text"),
    ]
    assert parse_texts(b'["one", "two"]', suffix=".json").texts == ["one", "two"]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b'[{"text": "a"},\n{"text": "b"\n', 3),
        (b'[{"text": "a"}, {"text": "b"}\n {"text": "c"}]', 2),
        (b'["a", "b",\n oops]', 2),
        (b'["a", "b",\n', 2),
        (b'["a", "b", ' + b"[" * 100_000, 1),
    ],
)
def test_of_a_broken_array_the_rows_before_are_kept_and_the_line_is_named(data: bytes, line: int) -> None:
    table = parse_texts(data, suffix=".json")
    assert table.texts[0] == "a"
    assert table.skipped[-1].line == line
    assert "what follows cannot be read" in table.skipped[-1].why


@pytest.mark.parametrize(
    ("data", "suffix", "line", "says"),
    [
        (b"", ".txt", None, "empty"),
        (b"\n  \r\n\t\n", ".txt", 1, "only blank lines"),
        (b"\xef\xbb\xbf\n", ".txt", 1, "only blank lines"),
        (b"id,text\n", ".csv", 1, "no rows"),
        (b"id,text\n1,\n2,\n", ".csv", 2, "empty text"),
        (b'id,"text\n1,ok\n2,never closed\n', ".csv", 1, "never closed"),
        (b"PK\x03\x04" + bytes(40), ".csv", None, "Excel"),
        (b"a\x00b\x00c\x00", ".txt", None, "NUL"),
        ("id,text\n".encode("utf-16") + b"\x00", ".csv", None, "UTF-16"),
        (b"{broken\n", ".jsonl", 1, "not JSON"),
    ],
)
def test_broken_files_say_where_and_what(data: bytes, suffix: str, line: int | None, says: str) -> None:
    with pytest.raises(FileUnreadable, match=says) as caught:
        parse_texts(data, suffix=suffix)
    assert caught.value.line == line


def test_a_quote_that_is_never_closed_costs_its_own_row() -> None:
    data = b'id,text\n1,"two\nlines"\n2,"never closed\n3,x\n\n4,y \n'
    table = parse_texts(data, suffix=".csv")
    assert table.texts == ["two\nlines", "x", "y "]
    assert table.columns["id"] == ["1", "3", "4"]
    assert table.skipped == [
        SkippedRow(4, 'a quote (") is opened and never closed', '2,"never closed'),
        SkippedRow(6, "blank line"),
    ]


def test_a_quote_that_another_rows_quote_closes_costs_its_own_row() -> None:
    data = b'id,text\n1,good\n2,"left open\n3,three\n4,four\n5,"a quoted one"\n6,six\n'
    table = parse_texts(data, suffix=".csv")
    assert table.columns["id"] == ["1", "3", "4", "5", "6"]
    assert table.texts == ["good", "three", "four", "a quoted one", "six"]
    assert [(row.line, row.raw) for row in table.skipped] == [(3, '2,"left open')]


def test_a_header_with_an_open_quote_is_named_though_blank_lines_come_first() -> None:
    with pytest.raises(FileUnreadable, match="Line 2"):
        parse_texts(b'\nid,"text\n1,ok\n', suffix=".csv")


def test_a_cell_that_is_too_long_costs_its_own_row(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "x" * 1_000_001
    opened = f'id,text\n1,{long}\n2,"open\n' + "3,y\n" * 300_000
    table = parse_texts(opened.encode(), suffix=".csv")
    assert [row.line for row in table.skipped] == [2, 3]
    assert table.texts == ["y"] * 300_000
    monkeypatch.setattr(formats, "_MOST_REREAD", 1)
    with pytest.raises(FileUnreadable, match=r"Line 3: .* is a quote left open\.") as caught:
        parse_texts(opened.encode(), suffix=".csv")
    assert caught.value.line == 3


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_encodings(encoding: str) -> None:
    table = parse_texts("id,text\n1,Grüße 世界 🎉\n".encode(encoding), suffix=".csv")
    assert table.texts == ["Grüße 世界 🎉"]
    assert list(table.columns) == ["id"]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "café crème\nnaïve façade\n“quoted” – it’s €5\n"),
        ("cp1252", "only one é in plain ASCII\n" * 50),
        ("cp1251", "Привет, мир! Как дела сегодня?\nХорошая погода.\n"),
        ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy\nZażółć gęślą jaźń\n"),
        ("cp932", "こんにちは世界。今日はいい天気ですね。\n日本語のテキスト\n"),
        ("gb18030", "你好,世界。今天天气很好。\n中文文本\n"),
        ("cp949", "안녕하세요 세계. 오늘 날씨가 좋네요.\n한국어 텍스트\n"),
    ],
)
def test_old_encodings_are_recognised_and_named(encoding: str, text: str) -> None:
    table = parse_texts(text.encode(encoding))
    assert table.texts == text.splitlines()
    assert table.encoding == encoding


def test_a_stray_byte_costs_its_row_not_the_file() -> None:
    table = parse_texts("Grüße\nkaputt ".encode() + b"\xff\n" + "schön\n".encode())
    assert table.texts == ["Grüße", "schön"]
    assert table.skipped == [SkippedRow(2, "the text holds bytes that are not UTF-8")]


def test_half_a_surrogate_pair_in_utf16_costs_its_row() -> None:
    table = parse_texts("one\nbad \ud800\ntwo".encode("utf-16", "surrogatepass"))
    assert table.texts == ["one", "two"]
    assert table.skipped == [SkippedRow(2, "the text holds half a surrogate pair")]


def test_texts_past_the_limit_are_counted() -> None:
    table = parse_texts(b"a\nb\n\nc\nd\n", max_texts=2)
    assert (table.texts, table.left_out, len(table.skipped)) == (["a", "b"], 2, 1)


def test_sizes_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "big.txt"
    path.write_text("x" * 100)
    with pytest.raises(FileUnreadable, match="larger than"):
        read_texts(path, max_bytes=99)
    long = "x" * (MAX_TEXT_CHARS + 1)
    skipped = parse_texts(f"{long}\nok\n".encode()).skipped
    assert skipped == [SkippedRow(1, "longer than 1,000,000 characters")]
    with pytest.raises(FileUnreadable, match="Line 2: a cell is longer"):
        parse_texts(f"id,text\n1,{long}\n".encode(), suffix=".csv")
    many = ",".join(f"c{n}" for n in range(MAX_COLUMNS + 1))
    with pytest.raises(FileUnreadable, match="columns"):
        parse_texts(f"{many}\n".encode(), suffix=".csv")
    keys = "\n".join(json.dumps({"text": "a", f"k{n}": 1}) for n in range(MAX_COLUMNS + 1))
    with pytest.raises(FileUnreadable, match="columns"):
        parse_texts(keys.encode(), suffix=".jsonl")


def test_cells_longer_than_csvs_own_limit_are_read() -> None:
    assert len(parse_texts(b"id,text\n1," + b"x" * 500_000, suffix=".csv").texts[0]) == 500_000


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ('{"text": "a"}\n{"text": "b"}\n', ["a", "b"]),
        ("id\ttext\n1\thello\n2\tyou\n", ["hello", "you"]),
        ("Well, prose has commas.\nAnd here, too.\n", ["Well, prose has commas.", "And here, too."]),
    ],
)
def test_without_an_extension_the_content_decides(tmp_path: Path, content: str, texts: list[str]) -> None:
    path = tmp_path / "upload"
    path.write_text(content)
    assert read_texts(path).texts == texts


def test_paths_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match=r"missing\.txt cannot be read: No such file"):
        read_texts(tmp_path / "missing.txt")
    with pytest.raises(FileUnreadable, match="Is a directory"):
        read_texts(tmp_path)
