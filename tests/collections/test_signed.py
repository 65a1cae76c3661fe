"""Rows are signed while they are searched, and each search finds what looking at each row would."""

from __future__ import annotations

import numpy as np

from embedder.analysis.similarity import unit_rows
from embedder.collections.lance.signed import Signed

ROWS, DIMENSIONS, K = 40_000, 48, 10


def test_every_search_finds_the_nearest_however_many_are_signed() -> None:
    random = np.random.default_rng(3)
    vectors = unit_rows(random.standard_normal((ROWS, DIMENSIONS), dtype=np.float32))
    signed = Signed(DIMENSIONS)
    looked_at = [_found(signed, vectors, vectors[0], None) for _ in range(5)]
    assert looked_at[0] == ROWS, "the first waits for no signature"
    assert looked_at[0] > looked_at[1] > looked_at[2] > looked_at[3], "with each search some more have one"
    assert looked_at[3] == looked_at[4] < ROWS / 4, "now all have theirs"
    rewritten = np.array([7, 1234, ROWS - 1])
    vectors[rewritten] = unit_rows(vectors[[20_000]] + 0.01 * vectors[:3])
    signed.put(rewritten, vectors[rewritten])
    assert _found(signed, vectors, vectors[20_000], None) < ROWS / 4
    odd = np.arange(1, ROWS, 2)
    assert _found(signed, vectors, vectors[20_000], odd) < ROWS / 4
    assert _found(signed, vectors, vectors[20_000], odd[:100]) == 100, "few are read as soon"
    kept = list(range(0, ROWS, 3))
    signed.keep(kept)
    more = np.concatenate([vectors[kept], vectors[odd]])
    assert _found(signed, more, vectors[20_000], None) < len(more) / 2


def test_a_few_that_come_with_every_search_wait_until_they_rest() -> None:
    vectors = unit_rows(np.random.default_rng(4).standard_normal((5000, DIMENSIONS), dtype=np.float32))
    signed = Signed(DIMENSIONS)
    for _ in range(2):
        _found(signed, vectors[:4900], vectors[0], None)
    held_bytes = signed.held_bytes
    for rows in range(4910, 5001, 10):
        _found(signed, vectors[:rows], vectors[0], None)
        assert signed.held_bytes == held_bytes
    _found(signed, vectors, vectors[0], None)
    assert signed.held_bytes > held_bytes


def _found(signed: Signed, vectors: np.ndarray, question: np.ndarray, places: np.ndarray | None) -> int:
    """How many are looked at, among which the nearest are."""
    near = signed.near(question, K, lambda some: vectors[some] @ question, vectors, places)
    among = np.arange(len(vectors)) if places is None else places
    best = among[np.argsort(-(vectors[among] @ question), kind="stable")[:K]]
    assert set(best) <= set(near.tolist()) <= set(among.tolist())
    assert (np.diff(near) > 0).all()
    return len(near)
