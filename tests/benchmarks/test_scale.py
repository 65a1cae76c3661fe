"""The simulation of many nodes, held to what is known in closed form; docs/scale.md to its command."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

from benchmarks.queueing import Node, fitted, least_nodes, simulated
from benchmarks.scale import Kept, lines_of_bulk, lines_of_search, stored_million, stored_peers
from tests.docs.markdown import ROOT, blocks, table_rows


def test_a_quiet_node_answers_in_the_time_of_one_text() -> None:
    node = Node(0.010, 0.002)
    seen = simulated(node, 1, 0.5, "random", 6000)
    assert seen["p50_s"] == pytest.approx(0.012, rel=0.01)


def test_a_busy_node_answers_in_one_batch_and_a_half() -> None:
    # One that is never idle takes S = fixed + rate * S * text for a batch, which holds what came in the batch
    # before; a text waits for half of that on average, and then for its own.
    node, rate = Node(0.010, 0.002), 400.0
    batch_s = node.fixed_s / (1 - rate * node.text_s)
    seen = simulated(node, 1, rate, "random", 30_000)
    assert seen["p50_s"] == pytest.approx(1.5 * batch_s, rel=0.1)


def test_more_nodes_and_the_shorter_queue_are_never_slower() -> None:
    node = Node(0.010, 0.003)
    at_random = [simulated(node, nodes, 1000, "random", 6000)["p95_s"] for nodes in (4, 6, 12)]
    assert at_random == sorted(at_random, reverse=True)
    assert simulated(node, 4, 1000, "two", 6000)["p95_s"] < at_random[0]


def test_the_fewest_nodes_keep_the_limit_and_one_less_does_not() -> None:
    node = Node(0.010, 0.003)
    nodes, seen = least_nodes(node, 1000, 0.05, "random", 6000)
    assert seen["p95_s"] <= 0.05 < simulated(node, nodes - 1, 1000, "random", 6000)["p95_s"]
    with pytest.raises(ValueError, match="13 ms"):
        least_nodes(node, 1000, 0.005, "random", 6000)


def test_a_node_is_fitted_to_what_was_measured() -> None:
    node, rows = fitted(stored_peers().figures)
    assert 0 < node.text_s < node.fixed_s
    assert all(told == pytest.approx(measured, rel=0.15) for _, measured, told in rows)


def test_what_a_node_has_least_of_breaks_first() -> None:
    million = stored_million()
    of = million.figures["1000000"]
    node = Kept(cores=1000, memory_bytes=1e12, disk_bytes=10 * of["disk_bytes"])
    lines = lines_of_search(million, 25e6, 10, node)
    assert "What breaks first: disk, past 10 million vectors a node." in lines
    rows = {row[0]: row[1:] for row in table_rows("\n".join(lines))}
    assert rows["disk"][2:] == ["3", "10 million"]
    assert rows["memory to open them and answer"][2] == "1"
    node = Kept(cores=1000, memory_bytes=of["memory_bytes"], disk_bytes=1e15)
    (first,) = [line for line in lines_of_search(million, 1e9, 10, node) if "first" in line]
    assert first == "What breaks first: memory to open them and answer, past 1 million vectors a node."


def test_bulk_is_a_multiple_of_one_node() -> None:
    def hours(texts: float, nodes: int) -> list[str]:
        return [row[1] for row in table_rows("\n".join(lines_of_bulk(stored_peers(), texts, 126, nodes)))]

    whole, shared, vectors = hours(1e9, 10)
    assert hours(1e8, 10)[0] == shared != whole
    assert vectors == "1.5 TB"


def test_an_aim_that_no_node_meets_is_told_in_a_sentence() -> None:
    done = scale("--p95-ms", "5")
    assert done.returncode == 2
    assert "One text alone takes 12 ms." in done.stderr.decode()
    assert not done.stdout


def test_the_page_says_what_its_command_prints() -> None:
    page = ROOT / "docs" / "scale.md"
    (command,) = blocks(page, "bash")
    python, *arguments = shlex.split(command)
    assert (python, *arguments[:2]) == ("python", "-m", "benchmarks.scale")
    printed = scale(*arguments[2:]).stdout.decode()
    told = page.read_text(encoding="utf-8")
    tables, rest = parted(printed)
    assert parted(told)[0] == tables
    flowing = " ".join(told.split())
    assert [line for line in rest if line not in flowing] == []


def parted(text: str) -> tuple[list[str], list[str]]:
    """Lines of tables, and others."""
    lines = [line for line in text.splitlines() if line]
    tables = [line for line in lines if line.startswith("|")]
    return tables, [line for line in lines if line not in tables]


def scale(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "benchmarks.scale", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, timeout=300, check=False)
