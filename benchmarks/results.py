"""Keeping a result: JSON for programs, a small markdown table for people."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT, describe


@dataclass(frozen=True, slots=True)
class Headline:
    """One line of the table that `make bench` ends with."""

    work: str
    ours: str
    peer: str
    figure: str
    goal: str
    kept: bool


@dataclass
class Result:
    """What one benchmark measured: a table, the limits it was held to, and the raw figures."""

    name: str
    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    limits: list[tuple[str, bool]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    headlines: list[Headline] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=describe)
    flags: list[str] = field(default_factory=lambda: _flags(sys.argv[1:]))

    def hold(self, statement: str, kept: bool) -> None:
        """Note whether a limit was kept."""
        self.limits.append((statement, bool(kept)))  # a comparison of numpy numbers is none of JSON

    def compare(self, headline: Headline) -> None:
        """Note a figure that the product is held to; it is also one of the limits."""
        self.headlines.append(headline)
        self.hold(f"{headline.work}: {headline.figure} (goal {headline.goal})", headline.kept)

    def markdown(self) -> str:
        """Title, table, limits, machine."""
        machine = self.machine
        table = [self.columns, ["---"] * len(self.columns), *self.rows]
        lines = [f"# {self.title}", "", *(f"| {' | '.join(row)} |" for row in table), ""]
        lines += [f"- {'kept' if kept else '**missed**'}: {statement}" for statement, kept in self.limits]
        lines += [f"- {note}" for note in self.notes]
        versions = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
        lines += [
            "",
            f"Command: `{' '.join(['python -m', f'benchmarks.{self.name}', *self.flags])}`. "
            f"{machine['cpu']}, {machine['cores']} cores, "
            f"{machine['system']}, load {machine['load_before']} before; Python {machine['python']}, "
            f"{versions}. Commit {machine['commit']}, {machine['date']}.",
        ]
        return "\n".join(lines) + "\n"

    def finish(self, folder: Path) -> int:
        """Store and print; the exit code is 1 where a limit was missed."""
        self.store(folder)
        print(self.markdown())
        return 0 if all(kept for _, kept in self.limits) else 1

    def store(self, folder: Path) -> None:
        """Write JSON and markdown into `folder`, in place of what was there."""
        folder.mkdir(parents=True, exist_ok=True)
        whole = {
            "name": self.name,
            "limits": [{"statement": statement, "kept": kept} for statement, kept in self.limits],
            "notes": self.notes,
            "headlines": [asdict(headline) for headline in self.headlines],
            "figures": self.figures,
            "machine": self.machine,
            "flags": self.flags,
        }
        (folder / f"{self.name}.json").write_text(json.dumps(whole, indent=2) + "\n")
        (folder / f"{self.name}.md").write_text(self.markdown())


def _flags(arguments: Sequence[str]) -> list[str]:
    """Those that say what is measured; not where it is written."""
    kept, given = [], iter(arguments)
    for argument in given:
        if argument == "--out":
            next(given, None)
        else:
            kept.append(argument)
    return kept


def parser(description: str) -> argparse.ArgumentParser:
    """Flags that every benchmark has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks" / "results", help="folder of the result"
    )
    made.add_argument("--short", action="store_true", help="what the product is held to, and no more")
    return made
