"""Many nodes behind a balancer, each a queue served in batches: fitted to one that was measured, simulated.

A batch takes a fixed time and a time for each text (Inoue, "Queueing analysis of GPU-based inference servers
with dynamic batching", Performance Evaluation 147, 2021). Both are fitted to what 1 to 64 clients with one
short text a request were served. Then requests come at random to many such nodes.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

CLIENTS = (1, 8, 32, 64)
SIMULATED_NODES = 64
"""Of more nodes so many are simulated, under their share of the load: what balancing gains is had by then."""
REQUESTS = 60_000
"""Simulated for each number of nodes."""
MOST_TEXTS = 256


@dataclass(frozen=True, slots=True)
class Node:
    """Seconds of a batch of n texts: `fixed_s + n * text_s`."""

    fixed_s: float
    text_s: float

    @property
    def most_requests_s(self) -> float:
        """What it serves when batches are as large as they may be."""
        return MOST_TEXTS / (self.fixed_s + MOST_TEXTS * self.text_s)


def fitted(figures: dict[str, Any]) -> tuple[Node, list[tuple[int, float, float]]]:
    """A node from the measured rates of 1 to 64 clients that ask one after the other.

    With them come rows of clients, measured and fitted requests a second.
    """
    rates = {clients: figures[f"short, {clients} x 1"]["ours"]["texts_s"] for clients in CLIENTS}
    batches_s = [clients / rate for clients, rate in rates.items()]
    text_s, fixed_s = np.polyfit(CLIENTS, batches_s, 1, w=1 / np.array(batches_s))
    node = Node(float(fixed_s), float(text_s))
    return node, [(n, rate, n / (node.fixed_s + n * node.text_s)) for n, rate in rates.items()]


@cache
def simulated(
    node: Node, nodes: int, requests_s: float, balancer: str, requests: int = REQUESTS
) -> dict[str, float]:
    """p50, p95 and p99 in seconds of requests that come at random."""
    import simpy

    chance, world = random.Random(1), simpy.Environment()
    shown = min(nodes, SIMULATED_NODES)
    rate = requests_s * shown / nodes
    queues = [simpy.Store(world) for _ in range(shown)]
    waiting = [0] * shown
    latencies_s: list[float] = []

    def serve(number: int) -> Any:
        queue = queues[number]
        while True:
            batch = [(yield queue.get())]
            while queue.items and len(batch) < MOST_TEXTS:
                batch.append((yield queue.get()))
            yield world.timeout(node.fixed_s + len(batch) * node.text_s)
            waiting[number] -= len(batch)
            latencies_s.extend(world.now - came_s for came_s in batch)

    def arrive() -> Any:
        for _ in range(requests):
            yield world.timeout(chance.expovariate(rate))
            known = [chance.randrange(shown) for _ in range(1 if balancer == "random" else 2)]
            chosen = min(known, key=waiting.__getitem__)
            waiting[chosen] += 1
            queues[chosen].put(world.now)

    for number in range(shown):
        world.process(serve(number))
    world.run(until=world.process(arrive()))
    settled = latencies_s[len(latencies_s) // 10 :]
    p50, p95, p99 = np.percentile(settled, (50, 95, 99))
    return {"p50_s": p50, "p95_s": p95, "p99_s": p99}


def least_nodes(
    node: Node, requests_s: float, p95_s: float, balancer: str, requests: int = REQUESTS
) -> tuple[int, dict[str, float]]:
    """The fewest nodes whose p95 is within `p95_s`.

    Raises:
        ValueError: one text alone takes longer than that.
    """
    if node.fixed_s + node.text_s > p95_s:
        raise ValueError(f"One text alone takes {1000 * (node.fixed_s + node.text_s):.0f} ms.")
    low = max(1, int(requests_s / node.most_requests_s))
    high = low
    while simulated(node, high, requests_s, balancer, requests)["p95_s"] > p95_s:
        low, high = high + 1, 2 * high
    while low < high:
        middle = (low + high) // 2
        if simulated(node, middle, requests_s, balancer, requests)["p95_s"] <= p95_s:
            high = middle
        else:
            low = middle + 1
    return high, simulated(node, high, requests_s, balancer, requests)
