"""What an import costs: the engine's, and the app's."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest

from tests.environments import ROOT

HEAVY = {
    "torch", "transformers", "sentence_transformers", "gradio", "umap", "numba", "plotly", "sklearn",
    "pandas", "lancedb", "psycopg", "pymilvus", "ray",
}  # fmt: skip

MEASURE = """
import json, sys, time
started = time.process_time()
import {module}
print(json.dumps([time.process_time() - started, sorted({{name.partition(".")[0] for name in sys.modules}})]))
"""


def measure(module: str) -> tuple[float, set[str]]:
    """CPU seconds of importing `module` in a new interpreter, and the packages loaded then."""
    printed = subprocess.run(
        [sys.executable, "-c", MEASURE.format(module=module)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    cpu_s, modules = json.loads(printed)
    return cpu_s, set(modules)


@pytest.mark.parametrize(
    ("module", "limit_s"),
    [("embedder", 1.0), ("embedder.collections", 1.2), ("embedder.cli", 1.0), ("app", 3.0)],
)
def test_importing_is_light(module: str, limit_s: float) -> None:
    measured = [measure(module) for _ in range(3)]
    assert not HEAVY & measured[0][1]
    # Twice what it takes here: a busy machine's processor seconds are longer, a heavy import's are many.
    assert min(cpu_s for cpu_s, _ in measured) < limit_s


def test_the_measure_sees_heavy_imports() -> None:
    assert "plotly" in measure("plotly.graph_objects")[1]


def test_app_is_wiring_only() -> None:
    source = (ROOT / "app.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) < 90
    at_import = [node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)]
    imported = {
        name.partition(".")[0]
        for node in at_import
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        )
    }
    assert not imported & (HEAVY | {"ui", "uvicorn"})
