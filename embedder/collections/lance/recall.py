"""The vector index of a large table: made, and asked as little as the wanted recall allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from embedder.analysis.similarity import Floats, unit_rows
from embedder.collections.lance.arrow import vectors_of
from embedder.collections.lance.manifest import VectorIndex
from embedder.collections.lance.queries import answer, query
from embedder.collections.truth import true_nearest

TARGET = 0.97
SAMPLE = 64
_K = 10
_BITS = 4
"""Of each dimension; with one ten times as many rows have to be looked at in full, which is what it costs."""
_REFINES = (2, 3, 5, 10, 20, 40)
"""So many times the wanted rows are looked at again in full; bits say less of vectors of few dimensions."""
_PROBES = (80, 96, 128, 192, 256)
"""Fewer cost hardly less, and find less for questions that are like no row than for a table's own rows."""
_LEAST_REFINE = 2
_MANY, _MORE_OF_MANY = 50, 1.2
_BATCH_ROWS = 16_384
_LEAST_PARTITIONS, _ROWS_A_PARTITION = 4, 1000


def build(table: Any, rows: int, still: Callable[[], Any]) -> VectorIndex:
    """Make the index (IVF with RaBitQ, Gao and Long 2024) over `rows` rows and measure it.

    It is measured on the table that `still` gives, which does not grow: a search looks at every row that came
    since the index was made, and of a table that is being filled these are soon most.
    """
    from lancedb.index import IvfRq

    partitions = _partitions(rows)
    config = IvfRq(
        distance_type="cosine",
        num_partitions=partitions,
        num_bits=_BITS,
        sample_rate=64,
        max_iterations=20,
    )
    table.create_index("vector", config=config, replace=True)
    return tuned(still(), rows)


def tuned(table: Any, rows: int) -> VectorIndex:
    """How an index trained with `rows` is asked for `TARGET` of the true ten nearest, and what that finds.

    As little is looked at as that takes: partitions, and rows in full.
    """
    partitions, count = _partitions(rows), table.count_rows()
    questions, ids = _sample(table)
    truth = _exact(table, questions, ids)
    probes = [one for one in _PROBES if one < partitions] + [min(partitions, _PROBES[-1])]

    def measured(nprobes: int, refine: int) -> VectorIndex:
        made = VectorIndex(rows, nprobes, refine, 0.0, len(ids), count)
        return replace(made, recall=round(_recall(table, questions, ids, truth, made), 4))

    for refine in _REFINES:
        most = measured(probes[-1], refine)
        if most.recall >= TARGET:
            return next(
                (found for nprobes in probes[:-1] if (found := measured(nprobes, refine)).recall >= TARGET),
                most,
            )
    return most


def asked(table: Any, vector: Floats, k: int, index: VectorIndex) -> Any:
    """A query for the `k` nearest by the index, refined by the vectors themselves.

    As many rows are looked at in full as for ten, and at least twice `k`: to read them is what it costs. Of
    many nearest only the last are in doubt, so fewer are enough; the query gives more than `k` then.
    """
    refine = max(_LEAST_REFINE, -(-index.refine * _K // k))
    if k >= _MANY and refine == _LEAST_REFINE:
        k, refine = max(int(_MORE_OF_MANY * k), index.refine * _K), 1
    nearest = query(table).nearest_to(vector).column("vector").distance_type("cosine")
    return nearest.nprobes(index.nprobes).refine_factor(refine).limit(k)


def _partitions(rows: int) -> int:
    return max(_LEAST_PARTITIONS, rows // _ROWS_A_PARTITION)


def _sample(table: Any) -> tuple[Floats, list[str]]:
    n = table.count_rows()
    offsets = np.random.default_rng(0).choice(n, size=min(SAMPLE, n), replace=False)
    batch = table.take_offsets(sorted(int(one) for one in offsets)).select(["id", "vector"]).to_arrow()
    questions, ids = vectors_of(batch), batch.column("id").to_pylist()
    directed = np.flatnonzero(questions.any(axis=1))
    return questions[directed], [ids[place] for place in directed]


def _exact(table: Any, questions: Floats, own: list[str]) -> list[set[str]]:
    batches = table.search().select(["id", "vector"]).limit(None).to_batches(_BATCH_ROWS)
    told = ((batch.column("id").to_pylist(), vectors_of(batch)) for batch in batches)
    return true_nearest(unit_rows(questions), own, told, _K)


def _recall(
    table: Any, questions: Floats, own: list[str], truth: list[set[str]], index: VectorIndex
) -> float:
    hits = wanted = 0
    for question, itself, nearest in zip(questions, own, truth, strict=True):
        found = answer(asked(table, question, _K + 1, index).select(["id", "_distance"]))
        others = [one for one in found.column("id").to_pylist() if one != itself][:_K]
        hits += len(nearest.intersection(others))
        wanted += len(nearest)
    return hits / wanted if wanted else 1.0
