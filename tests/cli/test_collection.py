"""`tessera collection`, in processes of its own: what one keeps, the next finds."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.commands import run, start
from tests.conftest import MODEL

CSV = """text,year,id
The weather is lovely today.,2024,w
It's so sunny outside!,2025,s
He drove to the stadium.,2026,d
"""


def collection(folder: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return run(folder, "collection", *arguments, stdin=stdin, TESSERA_DATA_DIR=str(folder / "data"))


def hits(done: subprocess.CompletedProcess[bytes]) -> list[dict]:
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.model
def test_texts_of_a_file_are_kept_found_moved_and_deleted(tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text(CSV)
    added = collection(tmp_path, "add", "notes", "texts.csv", "--id-column", "id")
    assert added.returncode == 0, added.stderr.decode()
    told = added.stderr.decode()
    assert f"New collection notes, for the vectors of {MODEL}." in told
    assert "3 new texts in notes, 0 changed, 0 as they were" in told

    found = hits(collection(tmp_path, "search", "notes", "It's so sunny outside!", "-k", "2", "--json"))
    assert [hit["id"] for hit in found] == ["s", "w"]
    assert found[1]["score"] == pytest.approx(0.6660, abs=1e-4)
    assert found[1]["columns"] == {"year": 2024}
    assert found[1]["document"] == "texts.csv"
    late = '{"type": "gte", "key": "year", "value": 2025}'
    plain = collection(tmp_path, "search", "notes", "weather", "--filter", late, "--mode", "hybrid")
    lines = plain.stdout.decode().splitlines()
    assert {line.split()[1] for line in lines} == {"s", "d"}
    assert "fusion" in plain.stderr.decode()
    # By meaning it is about the weather, by its word about the stadium.
    both = ("search", "notes", "sunny weather, no stadium", "--mode", "hybrid", "--json", "--weights")
    meant = hits(collection(tmp_path, *both, "1", "0"))
    assert [hit["id"] for hit in meant] == [
        hit["id"]
        for hit in hits(collection(tmp_path, "search", "notes", "sunny weather, no stadium", "--json"))
    ]
    words_only = hits(collection(tmp_path, *both, "0", "1"))
    assert all("words_rank" in hit["parts"] for hit in words_only)
    assert [hit["parts"]["words_rank"] for hit in words_only] == [1, 2, 3][: len(words_only)]
    (first,) = hits(collection(tmp_path, "search", "notes", "stadium", "-k", "1", "--json"))
    like = hits(collection(tmp_path, "search", "notes", "--like", first["id"], "--json"))
    assert like
    assert first["id"] not in {hit["id"] for hit in like}
    worded = hits(collection(tmp_path, "search", "notes", "STADIUM", "--mode", "keyword", "--json"))
    assert [hit["id"] for hit in worded] == ["d"]

    (tmp_path / "texts.csv").write_text(CSV.replace("2024", "2020").replace("He drove", "She drove"))
    again = collection(tmp_path, "add", "notes", "texts.csv", "--id-column", "id")
    assert "0 new texts in notes, 2 changed, 1 as they were" in again.stderr.decode()

    head, line = collection(tmp_path, "list").stdout.decode().splitlines()
    assert head.split() == ["NAME", "TEXTS", "DIMENSIONS", "MB", "SEARCH", "MODEL"]
    assert line.split()[:3] == ["notes", "3", "384"]
    assert line.split()[4:] == ["exact", MODEL]

    exported = collection(tmp_path, "export", "notes", "notes.parquet", "--progress")
    assert "3 texts written to notes.parquet." in exported.stderr.decode()
    taken = collection(tmp_path, "import", "copy", "notes.parquet")
    assert "3 texts in the new collection copy." in taken.stderr.decode()
    assert [
        hit["id"] for hit in hits(collection(tmp_path, "search", "copy", "sunny", "-k", "1", "--json"))
    ] == ["s"]

    some = collection(tmp_path, "delete", "copy", "--id", "s", "--id", "none")
    assert "1 text deleted from copy." in some.stderr.decode()
    rest = collection(tmp_path, "delete", "copy", "--document", "texts.csv")
    assert "2 texts deleted from copy." in rest.stderr.decode()
    read = collection(tmp_path, "get", "notes", "d", "none", "w", "--vectors")
    assert read.returncode == 1
    assert "Not in notes: none." in read.stderr.decode()
    drive, weather = map(json.loads, read.stdout.splitlines())
    assert (drive["id"], drive["text"], drive["columns"]) == (
        "d",
        "She drove to the stadium.",
        {"year": 2026},
    )
    assert len(weather["embedding"]) == 384
    (short,) = hits(collection(tmp_path, "get", "notes", "w"))
    assert short == {key: cell for key, cell in weather.items() if key != "embedding"}
    asked = collection(tmp_path, "delete", "notes")
    assert asked.returncode == 2
    assert "--yes" in asked.stderr.decode()
    assert collection(tmp_path, "delete", "notes", "--yes").returncode == 0
    assert collection(tmp_path, "list").stdout.decode().splitlines()[1].startswith("copy")


@pytest.mark.model
def test_long_texts_are_cut_and_remember_their_document(tmp_path: Path) -> None:
    paragraphs = "\n\n".join(f"Paragraph {n} speaks of thing number {n}. " * 4 for n in range(10))
    (tmp_path / "long.jsonl").write_text(json.dumps({"text": paragraphs, "kind": "essay"}))
    added = collection(
        tmp_path, "add", "essays", "long.jsonl", "--chunk-tokens", "64", "--chunk-overlap", "16"
    )
    assert added.returncode == 0, added.stderr.decode()
    (best,) = hits(
        collection(tmp_path, "search", "essays", "thing number 7", "-k", "1", "--json", "--mode", "hybrid")
    )
    assert "number 7" in best["text"]
    assert len(best["text"]) < len(paragraphs) / 3
    assert best["columns"]["chunk"] > 1
    assert best["columns"]["kind"] == "essay"
    assert best["document"] == "long.jsonl"


@pytest.mark.model
def test_stopped_half_way_what_was_kept_is_there_and_adding_again_goes_on(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text(
        "".join(f"Sentence number {n} of a file that takes a while to embed.\n" for n in range(6000))
    )
    arguments = ["collection", "add", "many", "texts.txt", "--progress"]
    process = start(tmp_path, *arguments, TESSERA_DATA_DIR=str(tmp_path / "data"))
    assert process.stderr is not None
    try:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and not list(
            tmp_path.glob("data/collections/many/rows-*.lance/data/*")
        ):
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert b"Stopped. Kept in many: " in told
    assert b"Traceback" not in told
    kept = int(told.decode().rpartition("Kept in many: ")[2].split()[0].replace(",", ""))
    line = collection(tmp_path, "list").stdout.decode().splitlines()[1]
    assert 0 < kept <= int(line.split()[1]) < 6000


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["search", "none", "x"], "There is no collection 'none'."),
        (["export", "none", "x.parquet"], "There is no collection 'none'."),
        (["delete", "../x"], "There is no collection '../x'."),
        (["add", "notes", "missing.txt"], "missing.txt cannot be read"),
        (["import", "notes", "texts.csv"], "texts.csv is no Parquet file"),
        (["search", "none", "x", "--filter", "{"], "not valid JSON"),
        (["search", "none", "x", "--weights", "1", "2"], "say --mode hybrid"),
        (["search", "none", "x", "--filter", '{"type": "like"}'], "'type' must be one of"),
    ],
)
def test_errors_are_one_sentence(tmp_path: Path, arguments: list[str], says: str) -> None:
    (tmp_path / "texts.csv").write_text(CSV)
    refused = collection(tmp_path, *arguments)
    assert (refused.returncode, refused.stdout) == (2, b"")
    last = refused.stderr.decode().splitlines()[-1]
    assert last.startswith("tessera: ")
    assert says in last
    assert b"Traceback" not in refused.stderr
    assert collection(tmp_path, "list").stdout.decode().split() == [
        "NAME", "TEXTS", "DIMENSIONS", "MB", "SEARCH", "MODEL"
    ]  # fmt: skip
