"""Every benchmark in its short form, and one table of what the product is held to.

`python -m benchmarks.all` takes under ten minutes once the peers are installed; results go to a
folder of their own, so that the stored ones, which take longer, stay.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.machine import ROOT, describe

_NAMES = ("start", "peers", "limit", "fairness", "workers", "first_paint", "explorer")
_COLUMNS = ("work", "ours", "peer or limit", "figure", "goal", "")


def main() -> int:
    folder = ROOT / "benchmarks" / "results" / "short"
    started_s = time.perf_counter()
    rows: list[tuple[str, ...]] = []
    took: dict[str, float] = {}
    for name in _NAMES:
        path = folder / f"{name}.json"
        path.unlink(missing_ok=True)
        begun_s = time.perf_counter()
        command = [sys.executable, "-m", f"benchmarks.{name}", "--short", "--out", str(folder)]
        done = subprocess.run(command, cwd=ROOT, check=False)
        if not path.is_file():
            print_table(rows)
            print(f"benchmarks.{name} ended with {done.returncode} and left no result.")
            return 1
        rows += headlines(path)
        took[name] = time.perf_counter() - begun_s
    print_table(rows)
    whole_s = time.perf_counter() - started_s
    parts = ", ".join(f"{name} {took_s:.0f}" for name, took_s in took.items())
    print(
        f"\n{whole_s:.0f} s ({parts}). Results: {folder.relative_to(ROOT)}/\n"
        "The first run is longer: the peers are installed."
    )
    told = {"seconds": whole_s, "parts_s": took, "machine": describe()}
    (folder / "all.json").write_text(json.dumps(told, indent=2) + "\n")
    (folder / "all.md").write_text(f"# Every benchmark in its short form\n\n{whole_s:.0f} s: {parts}\n")
    return 0 if all(row[-1] == "kept" for row in rows) else 1


def headlines(path: Path) -> list[tuple[str, ...]]:
    """The rows of one stored result."""
    return [
        (
            *(line[key] for key in ("work", "ours", "peer", "figure", "goal")),
            "kept" if line["kept"] else "MISSED",
        )
        for line in json.loads(path.read_text())["headlines"]
    ]


def print_table(rows: list[tuple[str, ...]]) -> None:
    """Columns as wide as their widest cell."""
    table = [_COLUMNS, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(_COLUMNS))]
    print()
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    sys.exit(main())
