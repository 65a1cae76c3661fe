"""One vector store taking in and searching the same rows, in a process of its own; prints JSON.

Run by file name and by each store's own interpreter, so it imports nothing of ours before it must.
Each can search words too, ours and Milvus by BM25, Chroma for parts of texts. In FOLDER lie `vectors.npy`,
`texts.json` and `questions.npy`, made by `benchmarks.collections.others`.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

_BATCH_ROWS = 5_000
"""Chroma takes no more at once."""
_WARM = 5

Search = Callable[[Any], list[str]]
"""The ids of the ten rows nearest to a vector; each store gives their texts too."""
_AT_REST: list[Callable[[], None]] = []
"""What brings a store's folder to what it holds once nobody has written for a while."""


def tessera(folder: Path, texts: list[str], vectors: Any) -> Search:
    """Our embedded store."""
    from embedder.collections.lance.store import LanceStore
    from embedder.collections.rows import Rows

    table = LanceStore(folder).create("things", vectors.shape[1], {})
    for part in _parts(len(texts)):
        count = len(texts[part])
        table.upsert(Rows(_ids(part, count), texts[part], [""] * count, [{}] * count, vectors[part]))
    table.maintain()
    # Files of older versions stay for a quarter of an hour, for readers in the middle of one, and go then.
    _AT_REST.append(lambda: table._files.table().optimize(cleanup_older_than=timedelta(0)))
    return lambda question: [found.row.id for found in table.nearest(question, 10)]


def chroma(folder: Path, texts: list[str], vectors: Any) -> Search:
    """Chroma's persistent client, as it comes but for cosine in place of squared distance."""
    import chromadb

    client = chromadb.PersistentClient(str(folder), chromadb.Settings(anonymized_telemetry=False))
    things = client.create_collection("things", configuration={"hnsw": {"space": "cosine"}})
    for part in _parts(len(texts)):
        things.upsert(_ids(part, len(texts[part])), embeddings=vectors[part], documents=texts[part])
    wanted = {"n_results": 10, "include": ["documents"]}
    return lambda question: things.query(query_embeddings=[question], **wanted)["ids"][0]


def milvus_lite(folder: Path, texts: list[str], vectors: Any) -> Search:
    """Milvus Lite in this process, as its manual makes a collection that is searched by words, too."""
    from pymilvus import DataType, Function, FunctionType, MilvusClient

    client = MilvusClient(str(folder / "things.db"))
    schema = client.create_schema()
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=16)
    schema.add_field("text", DataType.VARCHAR, max_length=1000, enable_analyzer=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=vectors.shape[1])
    schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
    words = Function("words", FunctionType.BM25, input_field_names=["text"], output_field_names=["words"])
    schema.add_function(words)
    indexes = client.prepare_index_params()
    indexes.add_index("vector", index_type="AUTOINDEX", metric_type="COSINE")
    indexes.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
    client.create_collection("things", schema=schema, index_params=indexes)
    for part in _parts(len(texts)):
        rows = zip(_ids(part, len(texts[part])), texts[part], vectors[part], strict=True)
        client.upsert("things", [{"id": key, "text": text, "vector": vector} for key, text, vector in rows])
    client.flush("things")

    def search(question: Any) -> list[str]:
        (hits,) = client.search("things", [question], limit=10, anns_field="vector", output_fields=["text"])
        return [hit["id"] for hit in hits]

    return search


STORES = {"ours": tessera, "Chroma": chroma, "Milvus Lite": milvus_lite}


def main() -> int:
    name, material = sys.argv[1], Path(sys.argv[2])
    texts = json.loads((material / "texts.json").read_text("utf-8"))
    vectors, questions = np.load(material / "vectors.npy"), np.load(material / "questions.npy")
    kept = material / name
    kept.mkdir()
    started_s, cpu_s = time.perf_counter(), _cpu_s()
    search = STORES[name](kept, texts, vectors)
    figures = {"ingest_s": time.perf_counter() - started_s, "ingest_cpu_s": _cpu_s() - cpu_s}
    for question in questions[:_WARM]:
        search(question)
    found, walls_ms, cpu_s = [], [], _cpu_s()
    for question in questions:
        started_s = time.perf_counter()
        found.append(search(question))
        walls_ms.append(1000 * (time.perf_counter() - started_s))
    figures |= {
        "query_ms": statistics.median(walls_ms),
        "query_cpu_ms": 1000 * (_cpu_s() - cpu_s) / len(questions),
    }
    figures["memory_bytes"] = _peak_bytes()
    for settle in _AT_REST:
        settle()
    files = [path for path in kept.rglob("*") if path.is_file()]
    figures["disk_bytes"] = sum(path.stat().st_size for path in files)
    print(json.dumps({"found": found, **figures}), flush=True)
    os._exit(0)  # whatever threads and children a store may keep


def _parts(count: int) -> list[slice]:
    return [slice(start, start + _BATCH_ROWS) for start in range(0, count, _BATCH_ROWS)]


def _ids(part: slice, count: int) -> list[str]:
    return [f"{number:08d}" for number in range(part.start, part.start + count)]


def _family() -> list[Path]:
    """`/proc` folders of this process and of those it started."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [Path("/proc/self"), *(Path(f"/proc/{child}") for child in children)]


def _cpu_s() -> float:
    """Processor time of all of them so far."""
    ticks = os.sysconf("SC_CLK_TCK")
    stats = [(folder / "stat").read_text().rpartition(")")[2].split() for folder in _family()]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / ticks


def _peak_bytes() -> int:
    """The most memory that each of them held, summed."""
    statuses = [(folder / "status").read_text() for folder in _family()]
    return sum(
        1024 * int(status.partition("VmHWM:")[2].split()[0]) for status in statuses if "VmHWM:" in status
    )


if __name__ == "__main__":
    sys.exit(main())
