"""`tessera embed`: right vectors beside their texts, whole files or none, one sentence for an error."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from embedder.cli.input import settings_of
from tests.cli.commands import run, start
from tests.conftest import MODEL

TEXTS = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
CSV = "id,text\na,The weather is lovely today.\nb,\nc,It's so sunny outside!\nd,He drove to the stadium.\n"
MANY = "".join(f"Sentence number {n} of a file that takes a while to embed.\n" for n in range(5_500))


def quick_start_scores(vectors: np.ndarray) -> list[float]:
    scores = vectors @ vectors.T
    return [float(scores[0, 1]), float(scores[0, 2]), float(scores[1, 2])]


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.model
def test_csv_to_jsonl_on_standard_output(tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text(CSV)
    done = run(tmp_path, "embed", "texts.csv")
    assert done.returncode == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["text"] for row in rows] == TEXTS
    assert [row["columns"] for row in rows] == [{"id": "a"}, {"id": "c"}, {"id": "d"}]
    vectors = np.array([row["embedding"] for row in rows], dtype=np.float32)
    assert quick_start_scores(vectors) == pytest.approx([0.6660, 0.1046, 0.1411], abs=1e-4)
    told = done.stderr.decode()
    assert "Skipped 1 row that gave no text:\n  line 3: empty text" in told
    assert "%|" not in told, "a progress bar where nobody looks"


@pytest.mark.model
def test_jsonl_to_npz_without_pickle(tmp_path: Path) -> None:
    long = "word " * 400
    lines = [json.dumps({"content": text, "n": n}) for n, text in enumerate([*TEXTS, long])]
    (tmp_path / "texts.jsonl").write_text("\n".join(lines))
    (tmp_path / "out.npz").write_text("an older file")
    done = run(tmp_path, "embed", "texts.jsonl", "-o", "out.npz", "--progress")
    assert done.returncode == 0, done.stderr
    assert listing(tmp_path) == ["out.npz", "texts.jsonl"]
    with np.load(tmp_path / "out.npz", allow_pickle=False) as arrays:
        assert arrays["vectors"].dtype == np.float32
        assert arrays["vectors"].shape == (4, 384)
        assert quick_start_scores(arrays["vectors"]) == pytest.approx([0.6660, 0.1046, 0.1411], abs=1e-4)
        assert arrays["texts"].tolist() == [*TEXTS, long]
        assert arrays["column:n"].tolist() == ["0", "1", "2", "3"]
        assert arrays["model"] == MODEL
        assert str(arrays["fingerprint"])
    told = done.stderr.decode()
    assert "Cut to the 256 tokens this model reads: 1 text." in told
    assert "4/4" in told
    assert "texts/s" in told


@pytest.mark.model
def test_lines_of_standard_input(tmp_path: Path) -> None:
    flags = ["-o", "out.jsonl", "--dimensions", "128", "--kind", "query"]
    done = run(tmp_path, "embed", "-", *flags, stdin="\n".join(TEXTS).encode())
    assert (done.returncode, done.stdout) == (0, b"")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [sorted(row) for row in rows] == [["embedding", "fingerprint", "model", "text"]] * 3
    vectors = np.array([row["embedding"] for row in rows], dtype=np.float32)
    assert vectors.shape == (3, 128)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def stop_half_way(folder: Path, sent: signal.Signals, *flags: str) -> tuple[int, str]:
    """Begin with `texts.txt` and stop when the first shard is there: exit code and what was said."""
    process = start(folder, "embed", "texts.txt", "-o", "out.jsonl", *flags)
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not list(folder.glob(".out.jsonl.tessera/0*.npz")):
            time.sleep(0.05)
        process.send_signal(sent)
        _, told = process.communicate(timeout=30)
    finally:
        process.kill()
    return process.returncode, told.decode()


@pytest.mark.model
@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_stopped_half_way_the_same_command_goes_on(tmp_path: Path, sent: signal.Signals, code: int) -> None:
    (tmp_path / "texts.txt").write_text(MANY)
    (tmp_path / "out.jsonl").write_text("an older file")
    stopped, told = stop_half_way(tmp_path, sent)
    assert stopped == code
    assert "Traceback" not in told
    assert listing(tmp_path) == [".out.jsonl.tessera", "out.jsonl", "texts.txt"]
    assert (tmp_path / "out.jsonl").read_text() == "an older file"
    if sent is not signal.SIGKILL:
        assert re.search(r"Stopped after [\d,]+ of 5,500 texts. The same command goes on from there", told)

    done = run(tmp_path, "embed", "texts.txt", "-o", "out.jsonl")
    assert done.returncode == 0, done.stderr
    before = re.search(r"Going on after ([\d,]+) of 5,500 texts.", done.stderr.decode())
    assert before
    assert 0 < int(before[1].replace(",", "")) < 5_500
    assert listing(tmp_path) == ["out.jsonl", "texts.txt"]
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["text"] for row in rows] == MANY.splitlines()
    (tmp_path / "some.txt").write_text("\n".join(row["text"] for row in rows[::400]))
    alone = run(tmp_path, "embed", "some.txt")
    expected = [json.loads(line)["embedding"] for line in alone.stdout.splitlines()]
    np.testing.assert_allclose([row["embedding"] for row in rows[::400]], expected, atol=1e-5)


@pytest.mark.model
def test_what_was_begun_otherwise_is_not_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text(MANY)
    stop_half_way(tmp_path, signal.SIGINT)
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    done = run(tmp_path, "embed", "texts.txt", "-o", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert b"Going on" not in done.stderr
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 3
    assert listing(tmp_path) == ["out.jsonl", "texts.txt"]


@pytest.mark.model
def test_parquet_comes_back_with_its_vectors_and_model(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    (tmp_path / "texts.csv").write_text(CSV.replace("id,text", "embedding,words"))
    done = run(tmp_path, "embed", "texts.csv", "--column", "words", "-o", "out.parquet")
    assert done.returncode == 0, done.stderr
    made = pq.read_table(tmp_path / "out.parquet")
    assert made.column_names == ["text", "embedding_column", "embedding"]
    assert made["text"].to_pylist() == TEXTS
    assert made["embedding_column"].to_pylist() == ["a", "c", "d"]
    vectors = np.array(made["embedding"].to_pylist(), dtype=np.float32)
    assert quick_start_scores(vectors) == pytest.approx([0.6660, 0.1046, 0.1411], abs=1e-4)
    assert made.schema.metadata[b"tessera:model"].decode() == MODEL
    again = run(tmp_path, "embed", "out.parquet", "-o", "again.parquet")
    assert again.returncode == 0, again.stderr
    assert pq.read_table(tmp_path / "again.parquet")["text"].to_pylist() == TEXTS


@pytest.mark.model
def test_a_reader_that_leaves_ends_it_quietly(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text(MANY)
    process = start(tmp_path, "embed", "texts.txt")
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        assert json.loads(process.stdout.readline())["text"].startswith("Sentence number 0")
        process.stdout.close()
        assert process.wait(60) == 1
        assert b"Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.stderr.close()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing.txt"], "missing.txt cannot be read: No such file or directory."),
        (["open.csv"], "Line 1: a quote"),
        (["blank.txt"], "The file has only blank lines."),
        (["texts.csv", "--column", "nope"], "No column 'nope' in the first 1,000 rows."),
        (["texts.csv", "--format", "npz"], "Name a file with -o."),
        (["texts.csv", "--format", "parquet"], "Name a file with -o."),
        (["texts.csv", "-o", "texts.csv"], "is the file to be read"),
        (["texts.csv", "-o", "none/out.jsonl"], "cannot be written: No such file or directory."),
        (["texts.csv", "-o", "."], "cannot be written: Is a directory."),
        (["long.txt", "-o", "out.npz"], "Take JSONL instead"),
        (["texts.csv", "--model", "absent/model", "-o", "out.jsonl"], "absent/model could not be loaded"),
    ],
)
def test_errors_are_one_sentence_and_leave_nothing(tmp_path: Path, arguments: list[str], says: str) -> None:
    (tmp_path / "texts.csv").write_text(CSV)
    (tmp_path / "blank.txt").write_text("\n\n")
    (tmp_path / "open.csv").write_text('id,"text\n1,never closed\n')
    (tmp_path / "long.txt").write_text("x" * 900_000 + "\n" + "short\n" * 1000)
    before = listing(tmp_path)
    refused = run(tmp_path, "embed", *arguments)
    assert refused.returncode == 2
    assert refused.stdout == b""
    last = refused.stderr.decode().splitlines()[-1]
    assert last.startswith("tessera: ")
    assert says in last
    assert b"Traceback" not in refused.stderr
    assert listing(tmp_path) == before


@pytest.mark.model
def test_wrong_dimensions_are_refused_with_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text(CSV)
    refused = run(tmp_path, "embed", "texts.csv", "-o", "out.jsonl", "--dimensions", "385")
    assert refused.returncode == 2
    assert "ask for 1 to 384" in refused.stderr.decode()
    assert listing(tmp_path) == ["texts.csv"]


def test_a_command_loads_its_one_model_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESSERA_MODELS", "another=/nowhere")
    monkeypatch.setenv("TESSERA_RERANKER", "reranker=/nowhere")
    settings = settings_of("mine=/somewhere")
    assert settings.allowed_models == {"mine": "/somewhere"}
    assert settings.allowed_reranker is None
