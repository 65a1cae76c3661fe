"""The machine a figure belongs to: its processor, its versions, its matrix peak."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

_PACKAGES = ("torch", "sentence-transformers", "transformers", "tokenizers", "numpy", "uvicorn", "gradio")


def describe() -> dict[str, Any]:
    """Processor, cores, versions, commit and time, as they are stored beside each result."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "commit": _commit(),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def cpu_seconds(pid: int) -> float:
    """User and system time that process `pid` has used so far; Linux only."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid: int) -> int:
    """Memory that process `pid` holds now; Linux only."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def gemm_peak_gflops(threads: int | None = None, size: int = 2048, repeats: int = 8) -> float:
    """The best of `repeats` float32 products of two (size, size) matrices, in 1e9 FLOP/s.

    `threads=None` leaves torch's own choice.
    """
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    left, right = torch.randn(size, size), torch.randn(size, size)
    best_s = float("inf")
    for _ in range(repeats):
        started_s = time.perf_counter()
        torch.mm(left, right)
        best_s = min(best_s, time.perf_counter() - started_s)
    return 2 * size**3 / best_s / 1e9


def _cpu_model() -> str:
    """Name and vector extensions as the kernel has them, since a name alone can hide a generation."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = set(fields.get("flags", "").split())
    wide = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    return f"{fields.get('model name', platform.machine())} ({', '.join(wide) or 'no avx2'})"


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    return git("rev-parse", "--short", "HEAD") + ("+changes" if git("status", "--porcelain") else "")


if __name__ == "__main__":
    peaks = {"gemm_gflops": {threads: round(gemm_peak_gflops(threads), 1) for threads in (1, 2)}}
    json.dump(describe() | peaks, sys.stdout, indent=2)
    print()
