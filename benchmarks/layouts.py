"""Maps of 200,000 texts and, with `--million`, of 1,000,000: a sample laid out and the others placed.

Sentences and paragraphs of the standard library's documentation with the default model's vectors, 20,000
of them; the rest are those with jittered vectors. Beside ours the full fit: umap-learn's UMAP of all rows as
it comes, with its own neighbours by NN-descent and its spectral start, stopped when it has taken four times
as long as ours (`--whole` lets it end, which takes over half an hour); and, for how far it can be trusted,
with its usual 200 rounds on every core from the neighbours that ours searched and from PCA. Each runs in a
process of its own, with both cores, and has compiled before the clock starts; what that took is stored too.
Trustworthiness is at 15, on 5,000 rows, each against all.

`python -m benchmarks.layouts --as WHO FOLDER` makes one layout of `vectors.f32` there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.collections.material import real_vectors
from benchmarks.explorer import material
from benchmarks.machine import ROOT
from benchmarks.results import Headline, Result, parser
from embedder.analysis.projection import N_NEIGHBOURS, LayoutOptions
from embedder.analysis.trust import trust_of
from embedder.collections.map_process import kept_neighbours, make
from embedder.collections.map_rows import VECTORS, Wish

ROWS, MILLION, REAL = 200_000, 1_000_000, 20_000
LOOKED_AT = 5000
WARMED_ROWS = 5000
"""From 4,096 on umap-learn searches by NN-descent, which compiles for most of a minute."""
COLUMNS = (
    "texts",
    "layout",
    "trustworthiness",
    "seconds",
    "CPU-s in all",
    "of it",
    "compiling before",
    "memory",
)
GIVEN, AS_IT_COMES = "neighbours given", "as it comes"
FULL: dict[str, dict[str, Any]] = {GIVEN: {"init": "pca"}, AS_IT_COMES: {}}
"""Without a seed umap-learn uses every core, and no two maps are equal."""
STOPPED_AFTER = 4
"""So many times what ours took."""
BEGUN = "begun"


def main() -> int:
    flags = parser(__doc__ or "")
    flags.add_argument("--rows", type=int, default=ROWS, help="in place of 200,000")
    flags.add_argument("--real", type=int, default=REAL, help="so many real texts, in place of 20,000")
    flags.add_argument("--million", action="store_true", help="also 1,000,000, ours only")
    flags.add_argument("--many", type=int, default=MILLION, help="in place of 1,000,000")
    flags.add_argument("--whole", action="store_true", help="let umap-learn as it comes end")
    flags.add_argument("--as", dest="who", nargs=2, metavar=("WHO", "FOLDER"), help="make one layout")
    args = flags.parse_args()
    if args.who:
        return one(args.who[0], Path(args.who[1]))
    result = Result("layouts", "Maps of very many texts", COLUMNS)
    many = known(args.out / "layouts.json", result.machine["cpu"], args.many)
    vectors = real_vectors(material.varied_texts(args.real))
    figures = measured(vectors, args.rows, ["ours", *FULL], whole=args.whole)
    result.figures[str(args.rows)] = figures
    rows_of(result, args.rows, figures)
    judge(result, args.rows, figures)
    result.store(args.out)
    if args.million:
        many = measured(vectors, args.many, ["ours"]) | {"of": result.machine["commit"]}
    if many:
        result.figures[str(args.many)] = many
        rows_of(result, args.many, {"ours": many["ours"]})
        tell(result, args.many, many)
    result.notes.append(f"{args.real:,} real texts, the rest their vectors jittered ({material.JITTER}).")
    return result.finish(args.out)


def known(path: Path, cpu: str, rows: int) -> dict[str, Any]:
    """What an earlier run on this processor took for so many rows; nothing where there was none."""
    if not path.is_file():
        return {}
    stored = json.loads(path.read_text())
    figures: dict[str, Any] = stored["figures"].get(str(rows), {}) if stored["machine"]["cpu"] == cpu else {}
    return {"of": stored["machine"]["commit"]} | figures if figures else {}


def tell(result: Result, rows: int, many: dict[str, Any]) -> None:
    """In words what so many rows took."""
    ours = many["ours"]
    result.notes.append(
        f"{rows:,} texts, of commit {many['of']}: neighbours, map, clusters and measuring in "
        f"{ours['total_s']:.0f} s, trustworthiness {ours['trustworthiness']:.3f}, "
        f"recall of the neighbours {ours['recall']:.3f}"
    )


def measured(real: np.ndarray, rows: int, who: list[str], *, whole: bool = False) -> dict[str, Any]:
    """Layouts of so many rows, each by a process of its own, and how far they can be trusted."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="layouts-") as name:
        folder = Path(name)
        unit = written(real, rows, folder)
        for one_of in who:
            stopped = one_of == AS_IT_COMES and not whole
            made = made_apart(one_of, folder, STOPPED_AFTER * figures["ours"]["seconds"] if stopped else None)
            if "stopped_s" not in made:
                trust = trust_of(unit, np.load(folder / "points.npy"), looked_at=LOOKED_AT)
                made |= {"trustworthiness": trust.trustworthiness, "looked_at": trust.looked_at}
            figures[one_of] = made
            print(rows, one_of, figures[one_of], flush=True)
    return figures


def made_apart(who: str, folder: Path, limit_s: float | None) -> dict[str, Any]:
    """What a process of its own says of its layout, or `stopped_s` where it had not ended by then."""
    command = [sys.executable, "-m", "benchmarks.layouts", "--as", who, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while process.stdout.readline().strip() != BEGUN:
            if process.poll() is not None:
                raise SystemExit(f"The layout {who!r} ended with {process.returncode}.")
        try:
            told, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            return {"stopped_s": limit_s}
        if process.returncode:
            raise SystemExit(f"The layout {who!r} ended with {process.returncode}.")
        made: dict[str, Any] = json.loads(told.splitlines()[-1])
        return made


def written(real: np.ndarray, rows: int, folder: Path) -> np.ndarray:
    """`rows` unit vectors in a file, part by part: the real ones, then those again and again with jitter."""
    made = np.memmap(folder / VECTORS, dtype="<f4", mode="w+", shape=(rows, real.shape[1]))
    random = np.random.default_rng(11)
    for start in range(0, rows, len(real)):
        some = real[: min(len(real), rows - start)]
        if start:
            some = some + material.JITTER * random.standard_normal(some.shape, dtype=np.float32)
        made[start : start + len(some)] = some / np.linalg.norm(some, axis=1, keepdims=True)
    made.flush()
    (folder / "shape.json").write_text(json.dumps(made.shape))
    return made


def one(who: str, folder: Path) -> int:
    """Make one layout, and print what it took as the last line."""
    n, d = json.loads((folder / "shape.json").read_text())
    started_s = time.perf_counter()
    run = ours if who == "ours" else full
    with tempfile.TemporaryDirectory(dir=folder) as warm:
        few = np.memmap(folder / VECTORS, dtype="<f4", mode="r", shape=(n, d))[: min(n, WARMED_ROWS)]
        np.asarray(few).tofile(Path(warm) / VECTORS)
        run(who, Path(warm), len(few), d, small=True)
    compiled_s, started_s = time.perf_counter() - started_s, time.perf_counter()
    cpu_s = time.process_time()
    print(BEGUN, flush=True)
    told = run(who, folder, n, d, small=False)
    # Of this process only: getrusage also knows the largest its parent was.
    status = Path("/proc/self/status").read_text()
    memory = 1024 * int(status.partition("VmHWM:")[2].split()[0])
    total_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_s
    print(
        json.dumps(
            {"compiling_s": compiled_s, "total_s": total_s, "cpu_s": cpu_s, "memory_bytes": memory, **told}
        )
    )
    return 0


def ours(who: str, folder: Path, n: int, d: int, *, small: bool) -> dict[str, Any]:
    """What the process of `tessera collection map` does; `seconds` without its measuring and its clusters."""
    del who
    begun_s: dict[str, float] = {}

    def told(stage: str, share: float) -> None:
        begun_s.setdefault(stage, time.perf_counter())

    threads = cores()
    wish = Wish(n, d, asdict(LayoutOptions()), 1000 if small else 0, 0, threads)
    started_s = time.perf_counter()
    if small:  # what compiles, and what few texts need not: cells
        unit = np.memmap(folder / VECTORS, dtype="<f4", mode="r", shape=(n, d))
        kept_neighbours(unit, threads, told)
    begun_s.clear()
    result = make(folder, wish, told)
    marks = [*begun_s.items(), ("", time.perf_counter())]
    stages = {stage: after - at for (stage, at), (_, after) in pairwise(marks)}
    seconds = begun_s["Measuring"] - started_s
    return {"seconds": seconds, "stages": stages, "recall": result["recall"], "laid_out": result["laid_out"]}


def full(who: str, folder: Path, n: int, d: int, *, small: bool) -> dict[str, Any]:
    """umap-learn's defaults, but for what is given to it; `seconds` are with what that takes."""
    del small
    warnings.simplefilter("ignore")  # that there is no Tensorflow, and that a seed means one thread
    from umap import UMAP

    vectors = np.fromfile(folder / VECTORS, dtype="<f4").reshape(n, d)
    started_s = time.perf_counter()
    given = {"precomputed_knn": searched(vectors)} if who == GIVEN else {}
    searched_s = time.perf_counter() - started_s
    points = UMAP(metric="cosine", **FULL[who], **given).fit_transform(vectors)
    seconds = time.perf_counter() - started_s
    np.save(folder / "points.npy", np.asarray(points, dtype=np.float32))
    stages = {"neighbours": searched_s, "UMAP": seconds - searched_s} if given else {}
    return {"seconds": seconds, "stages": stages}


def searched(unit: np.ndarray) -> tuple[np.ndarray, np.ndarray, None]:
    """The 15 nearest of each row as umap-learn takes them, each itself first, found as ours are."""
    near = kept_neighbours(unit, cores(), lambda stage, share: None).nearest(N_NEIGHBOURS)
    missing, itself = near.indices < 0, np.arange(len(unit))[:, None]
    indices = np.where(missing, itself, near.indices)  # an edge to itself, which UMAP leaves out
    return indices, np.where(missing, near.distances[:, :1], near.distances), None


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def rows_of(result: Result, rows: int, figures: dict[str, Any]) -> None:
    """A line of the table for each layout."""
    for who, made in figures.items():
        if "stopped_s" in made:
            stopped = f"over {made['stopped_s']:.0f}, stopped"
            result.rows.append([f"{rows:,}", f"umap-learn, {who}", "", stopped, "", "", "", ""])
            continue
        stages = ", ".join(f"{stage} {seconds:.0f}" for stage, seconds in made["stages"].items())
        named = f"ours, {made['laid_out']:,} laid out" if who == "ours" else f"umap-learn, {who}"
        result.rows.append(
            [
                f"{rows:,}",
                named,
                f"{made['trustworthiness']:.4f}",
                f"{made['seconds']:.1f}",
                f"{made['cpu_s']:.0f}",
                stages,
                f"{made['compiling_s']:.0f} s",
                f"{made['memory_bytes'] / 2**20:,.0f} MB",
            ]
        )


def judge(result: Result, rows: int, figures: dict[str, Any]) -> None:
    """Ours against the time of the full fit as it comes, and the trustworthiness of the better one."""
    mine, comes = figures["ours"], figures[AS_IT_COMES]
    best = max(made.get("trustworthiness", 0.0) for who, made in figures.items() if who in FULL)
    took_s, over = comes.get("seconds", comes.get("stopped_s")), "over " * ("stopped_s" in comes)
    share, behind = mine["seconds"] / took_s, best - mine["trustworthiness"]
    given_s = figures[GIVEN]["seconds"]
    result.notes.append(
        f"{rows:,} texts: spared its own search and start, umap-learn takes {given_s:.0f} s; "
        f"ours takes {mine['seconds'] / given_s:.2f} of that"
    )
    result.compare(
        Headline(
            f"layout of {rows:,}",
            f"{mine['seconds']:.0f} s",
            f"{over}{took_s:.0f} s",
            f"{'under ' * bool(over)}{share:.2f} of its time",
            "at most 0.33",
            share <= 1 / 3,
        )
    )
    result.compare(
        Headline(
            f"trustworthiness of {rows:,}",
            f"{mine['trustworthiness']:.4f}",
            f"{best:.4f}",
            f"{behind:.4f} less",
            "at most 0.02",
            behind <= 0.02,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
