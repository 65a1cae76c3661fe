"""The explorer as a visitor meets it, in a real Chromium drawing in software, against its goals.

Parts: `file` (a CSV to a map, beside Embedding Atlas 0.26), `paste`, `click` (20,000 points), `large`
(50,000 points painted; the API while they are laid out), `quality` (of layouts, beside umap-learn).
Each part's figures are stored as soon as it ends, and `--only paste,click` measures those anew and
keeps the others, as long as they are of this processor. The points of `click` and `large` are 5,000
real texts' vectors, and those again and again with jitter. `--short` takes `paste` and `click` with
few rounds; `--short --only file` takes Embedding Atlas's time from the stored result, where that is of
this processor.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.explorer import parts, quality
from benchmarks.explorer.verdict import COLUMNS, judge
from benchmarks.machine import ROOT, describe
from benchmarks.results import Result, parser

PARTS: dict[str, Callable[[parts.Effort], dict[str, Any]]] = {
    "file": parts.measure_file,
    "paste": parts.measure_paste,
    "click": parts.measure_click,
    "large": parts.measure_large,
    "quality": lambda effort: quality.measure_quality(),
}
SHORT_PARTS = ("paste", "click")


def main() -> int:
    flags = parser(__doc__ or "")
    flags.add_argument("--only", help=f"some of {','.join(PARTS)}; the others' stored figures are kept")
    args = flags.parse_args()
    wanted = args.only.split(",") if args.only else SHORT_PARTS if args.short else tuple(PARTS)
    if unknown := set(wanted) - set(PARTS):
        flags.error(f"no such part: {', '.join(sorted(unknown))}")
    machine = describe()
    figures = stored(args.out / "explorer.json", machine["cpu"])
    failed: dict[str, str] = {}
    for name in wanted:
        print(f"{name}: {(PARTS[name].__doc__ or 'layouts').splitlines()[0]}", flush=True)
        try:
            measured = PARTS[name](parts.SHORT if args.short else parts.LONG)
        except (Exception, SystemExit) as error:  # the other parts still count
            traceback.print_exc()
            failed[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        else:
            if name == "file" and args.short:
                known = stored(ROOT / "benchmarks" / "results" / "explorer.json", machine["cpu"])
                measured = parts.with_stored_peer(measured, known.get("file", {}))
            figures[name] = measured | {"of": {key: machine[key] for key in ("cpu", "commit", "date")}}
            made(figures, failed, machine).store(args.out)
    return made(figures, failed, machine).finish(args.out)


def stored(path: Path, cpu: str) -> dict[str, Any]:
    """Figures of earlier runs that were measured on this processor."""
    if not path.is_file():
        return {}
    known = json.loads(path.read_text())["figures"]
    return {name: part for name, part in known.items() if name in PARTS and part["of"]["cpu"] == cpu}


def made(figures: dict[str, Any], failed: dict[str, str], machine: dict[str, Any]) -> Result:
    """The result of all parts there are."""
    result = Result("explorer", "The explorer in Chromium", COLUMNS, figures=figures, machine=machine)
    judge(result, figures)
    for name, why in failed.items():
        result.hold(f"{name} was measured ({why})", False)
    result.notes += [
        f"{name}: of commit {part['of']['commit']}, {part['of']['date']}" for name, part in figures.items()
    ]
    return result


if __name__ == "__main__":
    sys.exit(main())
