"""`tessera embed --on ray` on two nodes: one process's vectors, and nothing lost with a node or a driver."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from embedder.cli import main
from embedder.corpus.bulk.on_ray import Pool, fitting
from embedder.corpus.bulk.places import place_of
from embedder.errors import ConfigError
from tests.bulk.conftest import TwoNodes
from tests.bulk.jobs import columns, jsonl, parquet, table_rows
from tests.cli.commands import run, start
from tests.conftest import MODEL, free_port

if TYPE_CHECKING:
    from tests.bulk.s3 import Bucket

MARKER = "zqxjkvb"
"""A word of every text here, which is to stand in no log."""


def texts(count: int) -> dict[str, list[Any]]:
    made = columns(count)
    return made | {"text": [f"{MARKER} {text}" for text in made["text"]]}


def marks(folder: Path) -> dict[int, dict[str, Any]]:
    """What is told of the shards that are done, by number."""
    found = {}
    for path in folder.glob("_tessera/[0-9]*.json"):
        report = json.loads(path.read_text())
        found[report["number"]] = report
    return found


def wait_for_marks(folder: Path, driver: subprocess.Popen[bytes], count: int, workers: int) -> dict[int, Any]:
    """The marks, once so many shards are done by so many workers."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and driver.poll() is None:
        there = marks(folder)
        if len(there) >= count and len({one["worker"] for one in there.values()}) >= workers:
            return there
        time.sleep(0.05)
    driver.kill()
    pytest.fail(f"{len(marks(folder))} shards were done.\n{driver.communicate()[1].decode()[-3000:]}")


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.glob("part-*")) for row in pq.read_table(path).to_pylist()]


@pytest.mark.model
def test_two_nodes_give_what_one_process_gives(tmp_path: Path, two_nodes: TwoNodes, cache_dir: str) -> None:
    (tmp_path / "in.parquet").write_bytes(parquet(texts(1_500), group_rows=500))
    places = {"TESSERA_CACHE_DIR": cache_dir, "RAY_ADDRESS": two_nodes.address}
    done = run(tmp_path, "embed", "in.parquet", "-o", "out", "--on", "ray", "--progress", **places)
    told = done.stderr.decode()
    assert done.returncode == 0, told
    assert not re.search("core_worker|Warning", told), "what Ray says to its developers"
    assert re.search(r"100%\|.*6/6 shards, [\d,]+ texts/s, 00:00 left", told)
    assert re.search(r"1,500 texts, 6 shards in [\d.]+ s by .*, written to out\.", told)
    assert len({report["worker"] for report in marks(tmp_path / "out").values()}) == 2

    alone = run(tmp_path, "embed", "in.parquet", "-o", "alone.parquet", TESSERA_CACHE_DIR=cache_dir)
    assert alone.returncode == 0, alone.stderr
    rows, expected = rows_of(tmp_path / "out"), pq.read_table(tmp_path / "alone.parquet").to_pylist()
    ours, theirs = (np.array([row.pop("embedding") for row in some]) for some in (rows, expected))
    assert rows == expected
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    part = pq.read_schema(tmp_path / "out" / "part-000000.parquet")
    assert part.metadata[b"tessera:model"].decode() == MODEL

    again = run(tmp_path, "embed", "in.parquet", "-o", "out", "--on", "ray", **places)
    assert again.returncode == 0, again.stderr
    assert "Going on after 6 of 6 shards." in again.stderr.decode()
    assert "1,500 texts, 0 shards in" in again.stderr.decode()

    logs = [path for path in two_nodes.logs.rglob("*") if path.is_file()]
    assert any("worker" in path.name for path in logs)
    assert not [path for path in logs if MARKER.encode() in path.read_bytes()]
    assert MARKER not in told


@pytest.mark.model
@pytest.mark.clients
def test_two_nodes_work_from_a_bucket_into_a_bucket(
    tmp_path: Path, two_nodes: TwoNodes, s3: Bucket, cache_dir: str
) -> None:
    made = texts(1_000)
    place_of("s3://texts/two-nodes/in.parquet").put(parquet(made, group_rows=250))
    command = ["embed", "s3://texts/two-nodes/in.parquet", "-o", "s3://texts/two-nodes/out", "--on", "ray"]
    places = {"TESSERA_CACHE_DIR": cache_dir, "RAY_ADDRESS": two_nodes.address}
    done = run(tmp_path, *command, **places)
    assert done.returncode == 0, done.stderr
    assert os.environ["AWS_ENDPOINT_URL"] == s3.endpoint
    out = place_of("s3://texts/two-nodes/out")
    written = {file.name: (out / file.name).read() for file in out.files()}
    done_marks = [data for name, data in written.items() if re.fullmatch(r"_tessera/\d+\.json", name)]
    reports = [json.loads(data) for data in done_marks]
    assert len({report["worker"] for report in reports}) == 2
    parts = [pq.read_table(BytesIO(written[name])) for name in sorted(written) if name.startswith("part-")]
    assert len(parts) == len(reports) == 4
    assert [text for part in parts for text in part.column("text").to_pylist()] == made["text"]
    assert {len(one) for part in parts for one in part.column("embedding").to_pylist()} == {384}


@pytest.mark.model
def test_with_a_node_nothing_is_lost(tmp_path: Path, two_nodes: TwoNodes, cache_dir: str) -> None:
    made = texts(5_000)
    (tmp_path / "in.parquet").write_bytes(parquet(made))
    places = {"TESSERA_CACHE_DIR": cache_dir, "RAY_ADDRESS": two_nodes.address}
    driver = start(tmp_path, "embed", "in.parquet", "-o", "out", "--on", "ray", **places)
    try:
        there = wait_for_marks(tmp_path / "out", driver, count=4, workers=2)
        assert len(there) < 20
        two_nodes.lose_one()
        _, told = driver.communicate(timeout=300)
    finally:
        driver.kill()
    assert driver.returncode == 0, told.decode()
    assert [row["text"] for row in rows_of(tmp_path / "out")] == made["text"]
    assert b"5,000 texts, 20 shards in" in told
    assert not list((tmp_path / "out").glob(".*.part"))


@pytest.mark.model
def test_a_killed_driver_goes_on(tmp_path: Path, two_nodes: TwoNodes, cache_dir: str) -> None:
    made = texts(4_000)
    (tmp_path / "in.jsonl").write_bytes(jsonl(made))
    command = ["embed", "in.jsonl", "-o", "out", "--format", "parquet", "--on", "ray"]
    places = {"TESSERA_CACHE_DIR": cache_dir, "RAY_ADDRESS": two_nodes.address}
    driver = start(tmp_path, *command, **places)
    try:
        before = wait_for_marks(tmp_path / "out", driver, count=3, workers=1)
        driver.kill()
        driver.communicate(timeout=30)
    finally:
        driver.kill()
    done = run(tmp_path, *command, **places)
    told = done.stderr.decode()
    assert done.returncode == 0, told
    found = re.search(r"Going on after (\d+) of (\d+) shards.", told)
    assert found
    assert len(before) <= int(found[1]) < int(found[2])
    after = marks(tmp_path / "out")
    assert {number: after[number] for number in before} == before, "what was done was done again"
    assert [row["text"] for row in rows_of(tmp_path / "out")] == made["text"]


@pytest.mark.model
@pytest.mark.clients
def test_without_a_cluster_it_is_all_cores_here_from_a_bucket_into_a_bucket(
    tmp_path: Path, s3: Bucket, ray_folder: str, cache_dir: str
) -> None:
    made = texts(40)
    place_of("s3://texts/on-ray/in/a.jsonl").put(jsonl(made))
    command = ["embed", "s3://texts/on-ray/in", "-o", "s3://texts/on-ray/out.lance", "--on", "ray"]
    home = tmp_path / "home"
    home.mkdir()
    places = {"TESSERA_CACHE_DIR": cache_dir, "RAY_TMPDIR": ray_folder, "RAY_ADDRESS": "", "HOME": str(home)}
    done = run(tmp_path, *command, **places)
    assert done.returncode == 0, done.stderr
    rows = table_rows(place_of("s3://texts/on-ray/out.lance"))
    assert [row["text"] for row in rows] == made["text"]
    assert {len(row["embedding"]) for row in rows} == {384}
    assert place_of("s3://texts/on-ray/.out.lance.tessera").files() == []
    assert os.environ["AWS_ENDPOINT_URL"] == s3.endpoint
    assert not list(home.iterdir())
    ray_says = (Path(ray_folder) / "ray" / "session_latest" / "logs" / "dashboard.log").read_text()
    assert "Usage reporting is disabled." in ray_says
    assert "http server disabled" in ray_says


def test_where_no_cluster_answers_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")  # what the command sets is gone with the test
    (tmp_path / "in.jsonl").write_bytes(jsonl(columns(3)))
    code = main(["embed", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "out"), "--on", "ray"])
    assert code == 2
    assert "No Ray cluster answers where RAY_ADDRESS says." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("nodes", "asked", "pool"),
    [
        ([{}, {"CPU": 1}, {"CPU": 1}], (None, None, 0.0), Pool(2, 1)),
        ([{"CPU": 4}, {"CPU": 16}, {"memory": 1}], (None, None, 0.0), Pool(5, 4)),
        ([{"CPU": 64}], (None, None, 0.0), Pool(8, 8)),
        ([{"CPU": 64}], (3, 2, 0.0), Pool(3, 2)),
        ([{"CPU": 8, "GPU": 2}, {"CPU": 8}], (None, 2, 1.0), Pool(2, 2, 1.0)),
    ],
)
def test_as_many_actors_as_fit(
    nodes: list[dict[str, float]], asked: tuple[int | None, int | None, float], pool: Pool
) -> None:
    assert fitting(nodes, *asked) == pool


@pytest.mark.parametrize("asked", [(None, 4, 0.0), (None, None, 1.0)])
def test_where_none_fits_it_says_so(asked: tuple[int | None, int | None, float]) -> None:
    with pytest.raises(ConfigError, match="No node of the Ray cluster has the"):
        fitting([{"CPU": 2}], *asked)


def test_without_ray_it_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    (tmp_path / "in.jsonl").write_bytes(jsonl(columns(3)))
    code = main(["embed", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "out"), "--on", "ray"])
    assert code == 2
    assert capsys.readouterr().err.endswith("--on ray needs Ray: pip install 'tessera-embed[ray]'.\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["in.jsonl", "--on", "ray"], "Name one with -o."),
        (["-", "-o", "out", "--on", "ray"], "reads a file or a folder"),
        (["in.jsonl", "-o", "out.npz", "--format", "npz", "--on", "ray"], "--format parquet, jsonl or lance"),
        (["in.jsonl", "-o", "in.jsonl", "--on", "ray"], "is a file, and --on ray writes a folder"),
        (["in.jsonl", "-o", "out", "--format", "lance", "--on", "ray"], "ends in .lance"),
        ([".", "-o", "out", "--on", "ray"], "lies in what is to be read"),
        (["missing", "-o", "out", "--on", "ray"], "missing cannot be read: no such file or folder."),
        (["in.jsonl", "-o", "out", "--column", "nope", "--on", "ray"], "No column 'nope'"),
        (["in.jsonl", "-o", "out.lance", "--format", "lance"], "A Lance table is written with --on ray"),
    ],
)
def test_what_cannot_be_begun_is_one_sentence(
    tmp_path: Path,
    arguments: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.jsonl").write_bytes(jsonl(columns(3)))
    assert main(["embed", *arguments]) == 2
    assert says in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]
