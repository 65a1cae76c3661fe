"""Collections at 50,000 and 1,000,000 rows, fifty killed writers, and Chroma and Milvus Lite beside ours.

Sentences of the documentation of Python libraries with the default model's vectors, 100,000 of them; past
those the same again with jittered vectors. What is searched for are sentences that are in no row.
"""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.collections.material import QUESTIONS, REAL
from benchmarks.collections.others import compare_stores
from benchmarks.collections.parts import measure, measure_kills
from benchmarks.results import Result, parser

COLUMNS = (
    "rows", "in rows/s", "index s", "index", "recall@10", "semantic ms (CPU)", "filtered", "words", "hybrid",
    "open + answer s", "memory", "disk",
)  # fmt: skip
_MILLION = 1_000_000


def main() -> int:
    flags = parser(__doc__ or "")
    flags.add_argument("--rows", type=int, action="append", help="in place of 50,000 and 1,000,000")
    flags.add_argument("--no-kills", action="store_true", help="kill nothing")
    flags.add_argument("--no-others", action="store_true", help="measure no other store")
    args = flags.parse_args()
    result = Result("collections", "Collections on LanceDB", COLUMNS)
    result.notes.append(
        f"rows: {REAL:,} different sentences with their own vectors, past those the same with jittered ones "
        f"(cosine 0.93 with their own); searched for: {QUESTIONS} other sentences"
    )
    sizes = args.rows or ([50_000] if args.short else [50_000, _MILLION])
    for rows in sizes:
        figures = measure(rows)
        result.figures[str(rows)] = figures
        result.rows.append(_row(figures))
        result.hold(f"{rows:,}: at least 20,000 rows/s taken in", figures["ingest_rows_s"] >= 20_000)
        result.hold(f"{rows:,}: recall@10 at least 0.95", figures["recall"] >= 0.95)
        if rows >= _MILLION:
            _judge(result, figures)
        result.store(args.out)
    if not (args.no_kills or args.short):
        kills = measure_kills()
        result.figures["kills"] = kills
        result.hold(f"{kills['kills']} kills in mid-write, nothing acknowledged lost", True)
    if not (args.no_others or args.short):
        compare_stores(result)
    return result.finish(args.out)


def _judge(result: Result, figures: dict[str, Any]) -> None:
    semantic, hybrid = figures["semantic"]["cpu_ms"], figures["hybrid"]["cpu_ms"]
    result.hold("1,000,000: semantic search takes at most 10 ms of CPU", semantic <= 10)
    result.hold("1,000,000: hybrid search takes at most twice as much", hybrid <= 2 * semantic)
    opened_s = figures["open_s"] + figures["answer_s"]
    result.hold("1,000,000: opened and answered within 1 s", opened_s <= 1)
    result.hold("1,000,000: under 1.5 GB of memory", figures["memory_bytes"] < 1.5e9)


def _row(figures: dict[str, Any]) -> list[str]:
    times = [f"{figures[name]['wall_ms']:.1f} ({figures[name]['cpu_ms']:.1f})" for name in
             ("semantic", "filtered", "keyword", "hybrid")]  # fmt: skip
    return [
        f"{figures['rows']:,}",
        f"{figures['ingest_rows_s']:,.0f}",
        f"{figures['maintain_s']:.1f}",
        figures["index"],
        f"{figures['recall']:.3f}",
        *times,
        f"{figures['open_s'] + figures['answer_s']:.2f} (import {figures['import_s']:.1f})",
        f"{figures['memory_bytes'] / 2**20:,.0f} MB",
        f"{figures['disk_bytes'] / 2**20:,.0f} MB",
    ]


if __name__ == "__main__":
    sys.exit(main())
