"""LanceDB without the client that nobody calls, in a process of its own: what is imported stays so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import environment

PANDAS = """
import sys
from embedder.lance_library import lancedb

rows = lancedb().connect(sys.argv[1]).create_table("things", [{"id": 1, "vector": [1.0, 0.0]}])
assert rows.search([1.0, 0.0]).limit(1).to_arrow().num_rows == 1
import pyarrow as pa
assert pa.array(["a", "b"]).to_pylist() == ["a", "b"]
assert "pandas" not in sys.modules

import pandas
assert pa.table(pandas.DataFrame({"a": [1, 2]})).to_pandas().a.tolist() == [1, 2]
assert pa.array(pandas.Series(["x", None])).null_count == 1
assert pandas.__spec__.loader is pandas.__loader__
assert type(pandas.__loader__).__name__ == "SourceFileLoader"
print("whole")
"""

AT_ONCE = """
import sys, threading
import pyarrow as pa
from embedder.lance_library import lancedb

def frames():
    import pandas

threads = [threading.Thread(target=one, daemon=True)
           for one in (lancedb, frames if sys.argv[2] == "pandas" else lambda: pa.array(["a"]))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(60)
assert not any(thread.is_alive() for thread in threads), "each waits for the other"
import pandas
assert pa.table(pandas.DataFrame({"a": [1, 2]})).num_rows == 2
print("whole")
"""

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
    _run(PROGRAM, tmp_path)


def test_pandas_is_not_imported_and_whoever_does_has_pyarrow_know_it(tmp_path: Path) -> None:
    _run(PANDAS, tmp_path)


def test_pandas_that_is_there_stays_known(tmp_path: Path) -> None:
    _run("import pandas\n" + PANDAS.replace('assert "pandas" not in sys.modules', ""), tmp_path)


@pytest.mark.parametrize("other", ["pandas", "pyarrow"])
def test_threads_that_import_at_once_do_not_wait_for_each_other(tmp_path: Path, other: str) -> None:
    for _ in range(3):
        _run(AT_ONCE, tmp_path, other)


@pytest.mark.parametrize("owners_word", [None, "1000000"])
def test_a_scan_reads_ahead_within_bounds(tmp_path: Path, owners_word: str | None) -> None:
    program = """
import os
from embedder.lance_library import lancedb
lancedb()
assert os.environ["LANCE_DEFAULT_IO_BUFFER_SIZE"] == (os.environ.get("WANTED") or str(32 * 2**20))
print("whole")
"""
    told = {"LANCE_DEFAULT_IO_BUFFER_SIZE": owners_word, "WANTED": owners_word} if owners_word else {}
    _run(program, tmp_path, **told)


def _run(program: str, folder: Path, *arguments: str, **variables: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder), *arguments],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("whole\n", 0), done.stderr[-2000:]
