"""Bulk embedding on Ray Data: two nodes of one core each against one process with two workers.

Both take the same shards of one Parquet file and write the same parts; texts are paragraphs of the
standard library's documentation. Time is counted from when all that compute are at work, so loading is
not in it, and until the last part is written. Nodes are simulated on this machine by
`ray.cluster_utils.Cluster`, so what Ray itself takes is taken from the same two cores.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.explorer.material import varied_texts
from benchmarks.machine import ROOT
from benchmarks.results import Headline, Result, parser
from embedder.config import Settings
from embedder.corpus.bulk.job import Job, Report, judge_source
from embedder.corpus.bulk.ledger import Ledger
from embedder.corpus.bulk.places import place_of
from embedder.corpus.bulk.shards import Shard
from embedder.corpus.bulk.sources import open_source

_GOAL = 0.85
_TEXTS, _SHORT_TEXTS, _ROUNDS = 20_000, 6_000, 3
_STORE_BYTES = 100 * 2**20


def begun(folder: Path, settings: Settings) -> tuple[Job, list[Shard]]:
    """A job of the file `in.parquet` in `folder`, into a new folder there."""
    from embedder.corpus.bulk.worker import describe

    source = open_source(place_of(str(folder / "in.parquet")))
    column, given = judge_source(source, None)
    shards = source.shards(column)
    parts = place_of(tempfile.mkdtemp(dir=folder))
    job = Job(source, parts, "parquet", column, given, describe(settings))
    Ledger(parts, "parquet", job.about(shards))
    return job, shards


def rate(reports: Sequence[Report]) -> float:
    """Texts a second, from when every worker is at work until the last has ended."""
    began: dict[str, float] = {}
    for report in reports:
        began[report.worker] = min(report.began_s, began.get(report.worker, report.began_s))
    first_s, last_s = max(began.values()), max(report.ended_s for report in reports)
    inside = sum(
        report.texts * (report.ended_s - max(first_s, report.began_s)) / (report.ended_s - report.began_s)
        for report in reports
        if report.ended_s > first_s
    )
    return inside / (last_s - first_s)


def alone(folder: Path) -> list[Report]:
    """In this process, with two workers."""
    from embedder.corpus.bulk.worker import Worker

    settings = Settings.load({"threads": 2})
    job, shards = begun(folder, settings)
    worker = Worker(job, settings)
    reports = [worker.embed(shard) for shard in shards]
    worker.close()
    return reports


def on_two_nodes(folder: Path) -> list[Report]:
    """As `tessera embed --on ray` does it, on two nodes of one core each."""
    from embedder.corpus.bulk.on_ray import Pool, embed_shards, joined

    settings = Settings.load({"threads": 1})
    job, shards = begun(folder, settings)
    with two_nodes(), joined():
        return list(embed_shards(job, shards, settings, Pool(actors=2, cpus=1)))


@contextmanager
def two_nodes() -> Iterator[None]:
    """A cluster whose head computes nothing, named by RAY_ADDRESS until the block ends."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["PYTHONPATH"] = str(ROOT)
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": _STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=_STORE_BYTES)
        cluster.wait_for_nodes()
        os.environ["RAY_ADDRESS"] = cluster.address
        yield
    finally:
        cluster.shutdown()


def apart(way: str, folder: Path) -> float:
    """Texts a second of one way, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.bulk", "--way", way, "--folder", str(folder)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    reports = [Report.from_json(line) for line in done.stdout.splitlines()]
    assert not any(report.error for report in reports)
    return rate(reports)


def write_texts(folder: Path, count: int) -> None:
    """The input of both."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"id": list(range(count)), "text": varied_texts(count)})
    pq.write_table(table, folder / "in.parquet")


def judged(rates: dict[str, list[float]], texts: int) -> Result:
    """The table and the limit."""
    result = Result(
        "bulk",
        f"Bulk embedding of {texts:,} texts on two cores: texts/s",
        ["round", "one process, 2 workers", "Ray Data, 2 nodes x 1 core", "share"],
    )
    shares = [ours / theirs for ours, theirs in zip(rates["ray"], rates["alone"], strict=True)]
    for number, share in enumerate(shares):
        cells = [f"{rates[way][number]:.1f}" for way in ("alone", "ray")]
        result.rows.append([str(number + 1), *cells, f"{share:.3f}"])
    share = statistics.median(shares)
    ours, theirs = (f"{statistics.median(rates[way]):.0f} texts/s" for way in ("ray", "alone"))
    work = f"Ray Data, 2 nodes x 1 core, {texts:,} texts"
    result.compare(Headline(work, ours, theirs, f"{share:.2f}", f">= {_GOAL}", share >= _GOAL))
    figures: dict[str, Any] = {"texts": texts, "texts_per_s": rates}
    result.figures = figures
    return result


def main() -> int:
    flags = parser(__doc__ or "")
    flags.add_argument("--texts", type=int, help="in place of 20,000, or 6,000 in short")
    flags.add_argument("--rounds", type=int, help="in place of 3, or 1 in short")
    flags.add_argument("--way", choices=["alone", "ray"], help="one way only, its reports as JSON")
    flags.add_argument("--folder", type=Path, help="of that one way")
    args = flags.parse_args()
    if args.way:
        for report in (alone if args.way == "alone" else on_two_nodes)(args.folder):
            print(report.to_json())
        return 0
    texts = args.texts or (_SHORT_TEXTS if args.short else _TEXTS)
    rates: dict[str, list[float]] = {"alone": [], "ray": []}
    with tempfile.TemporaryDirectory() as folder:
        write_texts(Path(folder), texts)
        for number in range(args.rounds or (1 if args.short else _ROUNDS)):
            for way in sorted(rates, reverse=bool(number % 2)):  # neither always goes first
                rates[way].append(apart(way, Path(folder)))
                print(f"round {number + 1}, {way}: {rates[way][-1]:.1f} texts/s", file=sys.stderr)
    return judged(rates, texts).finish(args.out)


if __name__ == "__main__":
    sys.exit(main())
