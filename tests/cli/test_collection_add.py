"""`tessera collection add` of a source that was added before: what it no longer has is found no more."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.cli.commands import run, start

pytestmark = pytest.mark.model

CUT = ("--id-column", "id", "--chunk-tokens", "60")


def collection(folder: Path, *arguments: str) -> str:
    done = run(folder, "collection", *arguments, TESSERA_DATA_DIR=str(folder / "data"))
    assert done.returncode == 0, done.stderr.decode()
    return (done.stdout or done.stderr).decode()


def summary(folder: Path, *arguments: str) -> str:
    """What is said of an addition, without its duration."""
    return collection(folder, "add", *arguments).splitlines()[-1].rpartition(",")[0]


def kept(folder: Path, name: str) -> dict[str, dict]:
    """All rows of a small collection by their ids."""
    found = collection(folder, "search", name, "sentence", "-k", "1000", "--json")
    return {row["id"]: row for row in map(json.loads, found.splitlines())}


def count(folder: Path) -> int:
    """How many texts the only collection has."""
    (line,) = collection(folder, "list").splitlines()[1:]
    return int(line.split()[1])


def sentences(n: int, of: str = "a tale") -> str:
    return " ".join(f"This is sentence number {number} of {of} that goes on." for number in range(n))


def write_csv(folder: Path, name: str, **texts: str) -> None:
    rows = [f'{row_id},"{text}"' for row_id, text in texts.items()]
    (folder / name).write_text("\n".join(["id,text", *rows]) + "\n")


def test_chunks_of_a_text_that_became_shorter_are_gone(tmp_path: Path) -> None:
    write_csv(tmp_path, "a.csv", **{"1": sentences(20), "2": sentences(20, "another")})
    summary(tmp_path, "ch", "a.csv", *CUT)
    before = kept(tmp_path, "ch")
    assert {"1#1", "1#3", "2#2"} <= before.keys()
    write_csv(tmp_path, "a.csv", **{"1": sentences(4)})
    said = summary(tmp_path, "ch", "a.csv", *CUT)
    gone = sorted(row_id for row_id in before if row_id.startswith("1#") and row_id != "1#1")
    assert said.endswith(f"{len(gone)} of earlier ones deleted")
    after = kept(tmp_path, "ch")
    assert after.keys() == before.keys() - {*gone}
    assert after["1#1"]["text"] == sentences(4)
    assert "deleted" not in summary(tmp_path, "ch", "a.csv", *CUT)


def test_a_text_is_whole_then_cut_then_whole_and_a_name_alike_is_let_be(tmp_path: Path) -> None:
    write_csv(tmp_path, "a.csv", **{"1": sentences(20)})
    # Its id looks like that of a chunk of the other.
    write_csv(tmp_path, "b.csv", **{"1#9": sentences(3, "its own")})
    summary(tmp_path, "ch", "a.csv", "--id-column", "id")
    summary(tmp_path, "ch", "b.csv", "--id-column", "id")
    assert summary(tmp_path, "ch", "a.csv", *CUT).endswith("1 of earlier ones deleted")
    cut = kept(tmp_path, "ch").keys() - {"1#9"}
    assert len(cut) >= 3
    assert all(row_id.startswith("1#") for row_id in cut)
    # From another file, too: a text takes the place of the one with its id.
    write_csv(tmp_path, "c.csv", **{"1": sentences(20)})
    said = summary(tmp_path, "ch", "c.csv", "--id-column", "id")
    assert said.endswith(f"{len(cut)} of earlier ones deleted")
    assert kept(tmp_path, "ch").keys() == {"1", "1#9"}


def test_columns_that_look_like_a_cut_of_ours_say_nothing_of_the_text_that_is_added(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text,document,chunk\nx#1,The first.,x,1\nx#2,The second.,x,2\n")
    summary(tmp_path, "ch", "a.csv", "--id-column", "id")
    (tmp_path / "a.csv").write_text("id,text,document,chunk\nx#2,The second anew.,x,2\n")
    assert "deleted" not in summary(tmp_path, "ch", "a.csv", "--id-column", "id")
    rows = {row_id: row["text"] for row_id, row in kept(tmp_path, "ch").items()}
    assert rows == {"x#1": "The first.", "x#2": "The second anew."}


def test_of_one_id_twice_in_a_file_only_the_last_is_cut(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f'id,text\n1,"{sentences(20)}"\n1,"{sentences(2)}"\n')
    summary(tmp_path, "ch", "a.csv", *CUT)
    assert {row_id: row["text"] for row_id, row in kept(tmp_path, "ch").items()} == {"1#1": sentences(2)}


def test_chunks_are_of_the_file_or_of_the_document_that_was_named(tmp_path: Path) -> None:
    write_csv(tmp_path, "a.csv", **{"1": sentences(20)})
    summary(tmp_path, "ch", "a.csv", *CUT)
    rows = kept(tmp_path, "ch").values()
    assert {(row["document"], row["columns"]["document"]) for row in rows} == {("a.csv", "1")}
    of_one = '{"type": "eq", "key": "document", "value": "1"}'
    found = collection(tmp_path, "search", "ch", "sentence", "--filter", of_one, "--json", "-k", "100")
    assert len(found.splitlines()) == len(rows)
    summary(tmp_path, "ch", "a.csv", *CUT, "--document", "tales")
    assert {row["document"] for row in kept(tmp_path, "ch").values()} == {"tales"}
    assert f"{len(rows)} texts deleted" in collection(tmp_path, "delete", "ch", "--document", "tales")


def test_replace_leaves_of_the_document_what_the_file_has(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"{sentences(20)}\nA line that stays.\n")
    (tmp_path / "b.txt").write_text("Of another document.\n")
    summary(tmp_path, "ch", "b.txt")
    summary(tmp_path, "ch", "a.txt", "--chunk-tokens", "60")
    before = len(kept(tmp_path, "ch"))
    (tmp_path / "a.txt").write_text("A line that stays.\nA line that is new.\n")
    assert "deleted" not in summary(tmp_path, "ch", "a.txt")
    said = summary(tmp_path, "ch", "a.txt", "--replace")
    assert said.endswith(f"{before - 2} of earlier ones deleted")
    lines = {"A line that stays.", "A line that is new.", "Of another document."}
    assert {row["text"] for row in kept(tmp_path, "ch").values()} == lines
    nameless = run(
        tmp_path, "collection", "add", "ch", "-", "--replace", TESSERA_DATA_DIR=str(tmp_path / "data")
    )
    assert nameless.returncode == 2
    assert b"say --document" in nameless.stderr


def test_killed_on_the_way_the_old_chunks_are_there_and_adding_again_ends_it(tmp_path: Path) -> None:
    n, long = 2500, 10  # more than are written at once
    texts = {f"t{row}": f"Sentence {row}." for row in range(n)}
    write_csv(tmp_path, "a.csv", **texts | {f"t{row}": sentences(20) for row in range(long)})
    collection(tmp_path, "add", "ch", "a.csv", *CUT)
    total = count(tmp_path)
    assert total > n
    write_csv(tmp_path, "a.csv", **{row_id: f"Another {text}" for row_id, text in texts.items()})
    adding = ("collection", "add", "ch", "a.csv", *CUT)
    process = start(tmp_path, *adding, TESSERA_DATA_DIR=str(tmp_path / "data"))
    data = tmp_path / "data" / "collections" / "ch"
    written = len([*data.glob("rows-*.lance/data/*")])
    try:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and len([*data.glob("rows-*.lance/data/*")]) <= written:
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.kill()
        process.communicate()
    assert count(tmp_path) == total
    collection(tmp_path, "add", "ch", "a.csv", *CUT)
    assert count(tmp_path) == n
    rows = kept(tmp_path, "ch")
    assert all(row["text"].startswith("Another ") for row in rows.values())
    assert all(row_id.endswith("#1") for row_id in rows)
