"""LanceDB without the client that nobody calls, in a process of its own: what is imported stays so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cli.commands import environment

PROGRAM = """
import sys
from concurrent.futures import ThreadPoolExecutor
from embedder.lance_library import lancedb

with ThreadPoolExecutor(4) as pool:
    found = set(pool.map(lambda _: lancedb(), range(4)))
import lancedb as plain
assert found == {plain}
built = [name for name in sys.modules if name.startswith("lance_namespace_urllib3_client")]
assert not built, built
table = plain.connect(sys.argv[1]).create_table("things", [{"id": 1, "vector": [1.0, 0.0]}])
assert table.search([1.0, 0.0]).limit(1).to_list()[0]["id"] == 1

import pydantic
from lance_namespace_urllib3_client.models import CreateTableRequest
try:
    CreateTableRequest.model_validate({"id": 3})
except pydantic.ValidationError:
    print("whole")
"""


def test_its_unused_client_is_not_built_and_whoever_wants_it_gets_it_whole(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("whole\n", 0), done.stderr[-2000:]
