"""A job without Ray: the worker that stands on a node, in this process, with a runtime that hashes."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from embedder import Settings
from embedder.backends.hashing import HashingBackend
from embedder.corpus.bulk.job import Job, Report, judge_source
from embedder.corpus.bulk.ledger import Ledger
from embedder.corpus.bulk.parts import LanceTarget
from embedder.corpus.bulk.places import Place
from embedder.corpus.bulk.shards import Shard
from embedder.corpus.bulk.sources import open_source
from embedder.corpus.bulk.worker import Worker

SETTINGS = Settings.load({"model": "hashing"})
MODEL = HashingBackend("hashing").info


def columns(count: int) -> dict[str, list[Any]]:
    """Texts that differ, beside an id and a column with holes."""
    return {
        "id": list(range(count)),
        "text": [f"text {number} of many, about {number % 7} things" for number in range(count)],
        "note": [None if number % 3 else f"note {number}" for number in range(count)],
    }


def parquet(made: Mapping[str, Sequence[Any]], *, group_rows: int = 1 << 20) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.table(dict(made)), sink, row_group_size=group_rows)
    return sink.getvalue()


def jsonl(made: Mapping[str, Sequence[Any]]) -> bytes:
    rows = (dict(zip(made, cells, strict=True)) for cells in zip(*made.values(), strict=True))
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def job_of(source: Place, parts: Place, part_format: str = "parquet") -> tuple[Job, list[Shard]]:
    opened = open_source(source)
    column, given = judge_source(opened, None)
    job = Job(opened, parts, part_format, column, given, MODEL)  # type: ignore[arg-type]
    return job, opened.shards(column)


def backend(*_: object) -> HashingBackend:
    return HashingBackend("hashing")


def do(job: Job, shards: Sequence[Shard]) -> list[Report]:
    """Every shard that is not done, as the command has it done."""
    ledger = Ledger(job.parts, job.part_format, job.about(shards))
    done = ledger.done()
    worker = Worker(job, SETTINGS, loader=backend)
    reports = [done.get(shard.number) or worker.embed(shard) for shard in shards]
    worker.close()
    ledger.finish()
    return reports


def do_as_table(job: Job, shards: Sequence[Shard], table: Place) -> None:
    reports = do(job, shards)
    parts = [job.part(shard) for shard, report in zip(shards, reports, strict=True) if report.texts]
    LanceTarget(table).write(parts, MODEL.dimensions, json.dumps(job.about(shards)), MODEL)


def rows_of(job: Job, shards: Sequence[Shard]) -> list[dict[str, Any]]:
    """The rows of all parts in the order of their names."""
    import pyarrow.parquet as pq

    found: list[dict[str, Any]] = []
    for file in job.parts.files(deep=False):
        data = (job.parts / file.name).read()
        if job.part_format == "jsonl":
            lines = [json.loads(line) for line in data.splitlines()]
            found += [
                {"text": line["text"], **line.get("columns", {}), "embedding": line["embedding"]}
                for line in lines
            ]
        else:
            found += pq.read_table(io.BytesIO(data)).to_pylist()
    return found


def table_rows(table: Place, folder: Path | None = None) -> list[dict[str, Any]]:
    from embedder.corpus.bulk.lance import open_lance
    from embedder.corpus.bulk.places import lance_options

    found: list[dict[str, Any]] = open_lance(table, lance_options(table)).to_arrow().to_pylist()
    return found


def expected_vectors(texts: Sequence[str]) -> np.ndarray:
    from embedder.types import Prompt

    hashing = backend()
    return hashing.encode(hashing.tokenize(texts, Prompt()))
