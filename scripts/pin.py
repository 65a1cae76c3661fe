"""Print requirements.txt, or requirements-test.txt with `--test`, from this environment.

Take the ranges of pyproject.toml, walk what they need among the installed packages and pin each
to its version. To move a pin: install the wanted version into `.venv`, run the tests, then

    .venv/bin/python scripts/pin.py > requirements.txt
    .venv/bin/python scripts/pin.py --test > requirements-test.txt
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def closure(wanted: Iterable[str]) -> dict[str, str]:
    """Canonical name to pin of every package that `wanted` needs on this machine."""
    pins: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    queue = [(Requirement(line), {""}) for line in wanted]
    while queue:
        requirement, extras = queue.pop()
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        name = canonicalize_name(requirement.name)
        if (name, frozenset(requirement.extras)) in seen:
            continue
        seen.add((name, frozenset(requirement.extras)))
        installed = distribution(name)
        # A local label such as +cpu names a build, not a version: each platform takes its own.
        pins[name] = f"{name}=={installed.version.partition('+')[0]}"
        queue += [(Requirement(line), requirement.extras or {""}) for line in installed.requires or ()]
    return pins


def main() -> None:
    """Print the pins, one a line, in the order of their names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    direct = project["project"]["dependencies"]
    run = closure(direct)
    markers = {
        canonicalize_name(r.name): f"; {r.marker}" for r in map(Requirement, direct) if r.marker is not None
    }
    if "--test" in sys.argv[1:]:
        print(
            "# Made by scripts/pin.py --test: what `make test` and `make check` need beyond requirements.txt."
        )
        print("-r requirements.txt")
        pins = closure(project["dependency-groups"]["test"])
        lines = [pin for name, pin in pins.items() if name not in run]
    else:
        print("# Made by scripts/pin.py: the ranges of pyproject.toml and all they need, as tested.")
        lines = [pin + markers.get(name, "") for name, pin in run.items()]
    print("\n".join(sorted(lines)))


if __name__ == "__main__":
    main()
