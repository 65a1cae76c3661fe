"""Every test: those of a browser, which keeps two cores busy, then all others in two processes side by side.

What fails is run once more, alone, and that is told: beside other processes a slow machine may let something
wait too long.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

HALF = ("cli", "clients", "collections", "install", "ui")
"""Folders of tests that take about as long as all others."""
PARTS = {
    "browser": ["-m", "browser"],
    "around": ["-m", "not browser", *(f"tests/{folder}" for folder in HALF)],
    "inside": ["-m", "not browser", "tests", *(f"--ignore=tests/{folder}" for folder in HALF)],
}
TURNS = (("browser",), ("around", "inside"))
RESULTS = Path("test-results")
MOST_AGAIN = 20
"""More failures than these have a cause that running them alone does not take away."""


@dataclass
class Counts:
    """What became of tests; `failed` are their names."""

    passed: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)


def command(part: str, results: str, more: list[str]) -> list[str]:
    """How a part is run, and under which name it writes down what became of it."""
    pytest = [sys.executable, "-m", "pytest", "-o", f"cache_dir=.pytest_cache/{part}"]
    return [*pytest, f"--junitxml={RESULTS / results}.xml", *(more or PARTS[part])]


def counted(results: str) -> Counts | None:
    """What pytest wrote down; None where it did not come that far."""
    try:
        cases = ElementTree.parse(RESULTS / f"{results}.xml").iter("testcase")
    except (OSError, ElementTree.ParseError):
        return None
    found = Counts()
    for case in cases:
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            found.failed.append(f"{case.get('classname')}::{case.get('name')}")
        elif "skipped" in kinds:
            found.skipped += 1
        else:
            found.passed += 1
    return found


def together(parts: tuple[str, ...]) -> bool:
    """Run parts at once, print each in turn; whether they ran to their ends."""
    running = {}
    for part in parts:
        log = (RESULTS / f"{part}.log").open("w")
        running[part] = subprocess.Popen(command(part, part, []), stdout=log, stderr=subprocess.STDOUT)
    try:
        for part, process in running.items():
            process.wait()
            print((RESULTS / f"{part}.log").read_text(errors="replace"), flush=True)
    finally:
        for process in running.values():
            process.terminate()
    return all(process.returncode in (0, 1) for process in running.values())


def main() -> int:
    """All parts, what failed once more, and a closing line as pytest's own; 0 if all passed."""
    started_s = time.monotonic()
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir()
    # What is compiled for one process serves the others: Python's own, and numba's.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.setdefault("TESSERA_TEST_CACHE_DIR", str((RESULTS / "cache").resolve()))
    ends = [together(parts) for parts in TURNS]
    whole = all(ends)
    all_of_it = Counts()
    for part in PARTS:
        found = counted(part)
        if found is None:
            whole = False
            continue
        if 0 < len(found.failed) <= MOST_AGAIN:
            names = [*json.loads(Path(f".pytest_cache/{part}/v/cache/lastfailed").read_text())]
            print(f"Failed beside the other parts, once more alone: {', '.join(names)}", flush=True)
            again = f"{part}-again"
            subprocess.run(command(part, again, names), check=False)
            alone = counted(again) or Counts()
            if len(alone.failed) + alone.passed >= len(found.failed):
                found.passed += alone.passed
                found.failed = alone.failed
        all_of_it.passed += found.passed
        all_of_it.skipped += found.skipped
        all_of_it.failed += found.failed
    took_s = time.monotonic() - started_s
    said = [f"{len(all_of_it.failed)} failed"] if all_of_it.failed else []
    said += [f"{all_of_it.passed} passed", f"{all_of_it.skipped} skipped"]
    print(f"{'=' * 10} {', '.join(said)} in {took_s:.2f}s {'=' * 10}")
    return 0 if whole and not all_of_it.failed and all_of_it.passed else 1


if __name__ == "__main__":
    sys.exit(main())
