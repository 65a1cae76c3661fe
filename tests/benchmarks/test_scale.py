"""The simulation of many nodes, held against what is known in closed form."""

from __future__ import annotations

import json

import pytest

from benchmarks.scale import RESULTS, Node, fitted, least_nodes, simulated


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
    figures = json.loads((RESULTS / "peers.json").read_text())["figures"]
    node, rows = fitted(figures)
    assert 0 < node.text_s < node.fixed_s
    assert all(told == pytest.approx(measured, rel=0.15) for _, measured, told in rows)
