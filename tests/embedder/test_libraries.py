"""What a process that serves settles for the libraries underneath."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import environment
from tests.conftest import ROOT

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


HEAP = """
import ctypes, threading
from embedder.libraries import large_buffers_apart

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]

class Mallinfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

libc.mallinfo2.restype = Mallinfo2

def is_mapped() -> bool:
    libc.malloc_trim(0)  # what lies free is taken first
    before = libc.mallinfo2().hblks
    block = libc.malloc(4 * 2**20)
    mapped = libc.mallinfo2().hblks > before
    libc.free(block)
    return mapped

libc.free(libc.malloc(24 * 2**20))  # from here on blocks of that size are reused
told = [is_mapped()]
with large_buffers_apart():
    told.append(is_mapped())
    with large_buffers_apart():
        told.append(is_mapped())
    told.append(is_mapped())
told.append(is_mapped())
print(told)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the heap of glibc")
def test_large_buffers_are_given_back_at_once_where_asked_for() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HEAP], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "[False, True, True, True, False]\n"


HOLES = """
import ctypes
from pathlib import Path
from embedder.libraries import give_back_holes

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]

def held_mb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 2**20

large = []
for _ in range(1600):
    large.append(libc.malloc(64 * 2**10))
    ctypes.memset(large[-1], 1, 64 * 2**10)
    libc.malloc(3000)  # stays, so the heap does not shrink
for block in large:
    libc.free(block)
before = held_mb()
give_back_holes()
print(before - held_mb())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the heap of glibc")
@pytest.mark.parametrize(("owner", "least", "most"), [({}, 80, 110), ({"MALLOC_ARENA_MAX": "2"}, 0, 1)])
def test_holes_are_given_back_when_told_unless_the_heap_is_the_owners(
    owner: dict[str, str], least: int, most: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HOLES], env=environment(**owner), capture_output=True, text=True, check=True
    )
    assert least <= int(done.stdout) <= most


SERVER = """
import asyncio, json
import httpx
from threadpoolctl import threadpool_info
from app import create_app
from embedder import Settings

async def main():
    app, to_app, from_app = create_app(), asyncio.Queue(), asyncio.Queue()
    await to_app.put({"type": "lifespan.startup"})
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    life = asyncio.create_task(app(scope, to_app.get, from_app.put))
    assert (await from_app.get())["type"] == "lifespan.startup.complete"
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=120) as client:
        body = {"model": Settings.load().default_model, "input": ["word " * 200]}
        answer = await client.post("/v1/embeddings", json=body)
    answer.raise_for_status()
    print(json.dumps([one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]))
    await to_app.put({"type": "lifespan.shutdown"})
    await life

asyncio.run(main())
"""


@pytest.mark.model
@pytest.mark.skipif(sys.platform != "linux", reason="GNU's OpenMP says how it waits, others do not")
def test_in_a_process_that_serves_no_thread_spins_and_products_take_one(tmp_path: Path) -> None:
    own = environment(TESSERA_UI="0", TESSERA_CACHE_DIR=str(tmp_path), OMP_DISPLAY_ENV="VERBOSE")
    for name in ("OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS", "GOMP_SPINCOUNT"):
        own.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", SERVER],
        cwd=ROOT,
        env=own,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert set(json.loads(done.stdout.splitlines()[-1])) == {1}
    # Every copy of the library that was loaded says so.
    spins = re.findall(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr)
    assert spins
    assert set(spins) == {"0"}
