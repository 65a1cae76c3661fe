"""A job writes each text once, whole parts only, and goes on from what is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embedder.corpus.bulk.job import Job, Report
from embedder.corpus.bulk.ledger import Ledger, clear
from embedder.corpus.bulk.parts import LanceTarget
from embedder.corpus.bulk.places import Place, place_of
from embedder.corpus.bulk.shards import Shard
from embedder.corpus.bulk.worker import Worker
from embedder.errors import ConfigError, ModelUnavailable
from tests.bulk import jobs
from tests.bulk.jobs import SETTINGS, backend, columns, do, do_as_table, job_of, jsonl, parquet, rows_of

if TYPE_CHECKING:
    from tests.bulk.s3 import Bucket

COUNT = 700


@pytest.fixture(params=["disk", pytest.param("s3", marks=pytest.mark.clients)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Place]:
    """A place by name, in a folder of this test's own on a disk or in a bucket."""
    if request.param == "disk":
        return lambda name: place_of(str(tmp_path / name))
    bucket: Bucket = request.getfixturevalue("s3")
    assert bucket.endpoint
    return lambda name: place_of(f"s3://texts/{tmp_path.name}/{name}")


def begun(place: Callable[[str], Place], part_format: str = "parquet") -> tuple[Job, list[Shard]]:
    place("in.parquet").put(parquet(columns(COUNT)))
    return job_of(place("in.parquet"), place("out"), part_format)


@pytest.mark.parametrize("part_format", ["parquet", "jsonl"])
@pytest.mark.parametrize("source", ["parquet", "jsonl"])
def test_every_text_once_with_its_columns_and_vector(
    place: Callable[[str], Place], source: str, part_format: str
) -> None:
    made = columns(COUNT)
    place(f"in.{source}").put(parquet(made) if source == "parquet" else jsonl(made))
    job, shards = job_of(place(f"in.{source}"), place("out"), part_format)
    reports = do(job, shards)
    rows = rows_of(job, shards)
    assert [row["text"] for row in rows] == made["text"]
    assert [row["id"] for row in rows] == [str(number) for number in made["id"]]
    assert [row["note"] for row in rows] == [note or "" for note in made["note"]]
    np.testing.assert_allclose(
        np.array([row["embedding"] for row in rows]), jobs.expected_vectors(made["text"]), atol=1e-6
    )
    assert sum(report.texts for report in reports) == COUNT
    assert not any(report.error or report.failed or report.skipped for report in reports)
    assert len(shards) > 1


def test_a_lance_table_in_and_one_out(place: Callable[[str], Place]) -> None:
    job, shards = begun(place)
    table = place("first.lance")
    assert LanceTarget(table).about() is None
    do_as_table(job, shards, table)
    again, again_shards = job_of(table, place("again"))
    assert again.given.vectors == {"embedding": jobs.MODEL.dimensions}
    do_as_table(again, again_shards, place("second.lance"))
    for made in (table, place("second.lance")):
        rows = jobs.table_rows(made)
        assert [row["text"] for row in rows] == columns(COUNT)["text"]
        assert [row["id"] for row in rows] == [str(number) for number in range(COUNT)]
        vectors = np.array([row["embedding"] for row in rows], dtype=np.float32)
        np.testing.assert_allclose(vectors, jobs.expected_vectors(columns(COUNT)["text"]), atol=1e-6)
    assert "fingerprint" in (LanceTarget(table).about() or "")


def test_what_is_done_is_not_done_again(place: Callable[[str], Place]) -> None:
    job, shards = begun(place)
    ledger = Ledger(job.parts, job.part_format, job.about(shards))
    worker = Worker(job, SETTINGS, loader=backend)
    first = worker.embed(shards[1])
    assert worker.embed(shards[1]) == first
    assert worker.embed(shards[1]).ended_s == first.ended_s, "it was computed anew"
    assert ledger.done() == {1: first}
    job.part(shards[1]).remove()
    assert ledger.done() == {}, "its part is gone"
    assert worker.embed(shards[1]).ended_s > first.ended_s
    worker.close()
    do(job, shards)
    assert [row["text"] for row in rows_of(job, shards)] == columns(COUNT)["text"]


def test_a_part_without_its_mark_is_written_over(place: Callable[[str], Place]) -> None:
    job, shards = begun(place)
    Ledger(job.parts, job.part_format, job.about(shards))
    job.part(shards[0]).put(b"what another attempt left")
    (job.parts / ".part-000000.parquet.0123.part").put(b"half")
    do(job, shards)
    assert [row["text"] for row in rows_of(job, shards)] == columns(COUNT)["text"]
    assert not [file for file in job.parts.files() if file.name.endswith(".part")]


def test_rows_without_text_and_texts_that_fail_are_told(tmp_path: Path) -> None:
    made = columns(600)
    made["text"][300] = "  "
    made["text"][301] = "x" * 1_000_001
    (tmp_path / "in.parquet").write_bytes(parquet(made))
    job, shards = job_of(place_of(str(tmp_path / "in.parquet")), place_of(str(tmp_path / "out")))
    reports = do(job, shards)
    left_out = {line: why for report in reports for line, why in report.skipped_rows}
    assert left_out == {301: "empty text", 302: "longer than 1,000,000 characters"}
    assert job.source.told(shards[1], 301) == "in.parquet, row 301"
    assert sum(report.texts for report in reports) == len(rows_of(job, shards)) == 598
    assert Report.from_json(reports[1].to_json()) == reports[1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"fingerprint": "other", "model": "one/other"}, "holds vectors of hashing"),
        ({"input": "other"}, "was made from other input"),
        ({"options": "other"}, "was begun with another column"),
    ],
)
def test_another_job_is_refused(tmp_path: Path, change: dict[str, str], says: str) -> None:
    job, shards = begun(lambda name: place_of(str(tmp_path / name)))
    about = job.about(shards)
    Ledger(job.parts, job.part_format, about)
    with pytest.raises(ConfigError, match=says):
        Ledger(job.parts, job.part_format, about | change)
    Ledger(job.parts, job.part_format, about)


def test_a_folder_with_anything_else_is_left_alone(tmp_path: Path) -> None:
    job, shards = begun(lambda name: place_of(str(tmp_path / name)))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    clear(job.parts)
    with pytest.raises(ConfigError, match="holds files that no job of this kind left"):
        Ledger(job.parts, job.part_format, job.about(shards))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_to_begin_anew_deletes_what_a_job_left_and_no_more(tmp_path: Path) -> None:
    job, shards = begun(lambda name: place_of(str(tmp_path / name)))
    do(job, shards)
    (tmp_path / "out" / "mine.txt").write_text("mine")
    clear(job.parts)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_node_with_another_model_is_refused(tmp_path: Path) -> None:
    job, _ = begun(lambda name: place_of(str(tmp_path / name)))
    with pytest.raises(ModelUnavailable, match="makes other vectors"):
        Worker(job, SETTINGS, loader=lambda *_: jobs.HashingBackend("hashing", max_tokens=32))


def test_what_cannot_be_written_is_told_in_the_report(tmp_path: Path) -> None:
    job, shards = begun(lambda name: place_of(str(tmp_path / name)))
    (tmp_path / "out").write_text("a file in the way")
    worker = Worker(job, SETTINGS, loader=backend)
    assert "cannot be written" in worker.embed(shards[0]).error
    worker.close()
