"""What a process that serves settles for the libraries underneath."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import json, os
import numpy
from threadpoolctl import threadpool_info
from embedder.libraries import multiply_alone
multiply_alone()
import scipy.linalg
print(json.dumps([one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]))
"""


@pytest.mark.parametrize(("owners_word", "threads"), [(None, 1), ("2", 2)])
def test_products_take_one_thread_each_unless_the_owner_says_otherwise(
    owners_word: str | None, threads: int
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    if owners_word:
        environment["OPENBLAS_NUM_THREADS"] = owners_word
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    # Accelerate, on a Mac, is no library that can be asked.
    assert found or sys.platform == "darwin"
    assert {min(threads, os.cpu_count() or 1)} >= set(found)
