"""The true nearest of a sample, by looking at every row: what an index is measured against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from embedder.analysis.similarity import unit_rows

if TYPE_CHECKING:
    from embedder.analysis.similarity import Floats


def true_nearest(
    questions: Floats, own: Sequence[str], batches: Iterable[tuple[Sequence[str], Floats]], k: int
) -> list[set[str]]:
    """Ids of the `k` nearest of each unit vector `(n, d)`, itself (`own`) left out; rows come in batches."""
    ids = [np.empty(0, dtype=object)] * len(questions)
    scores = [np.empty(0, dtype=np.float32)] * len(questions)
    for some, vectors in batches:
        names = np.array(some, dtype=object)
        block = questions @ unit_rows(vectors).T  # (questions, rows)
        kept = min(k + 1, block.shape[1])
        best = np.argpartition(-block, kept - 1, axis=1)[:, :kept]
        for i in range(len(questions)):
            joined = np.concatenate([scores[i], block[i, best[i]]])
            order = np.argsort(-joined, kind="stable")[: k + 1]
            scores[i], ids[i] = joined[order], np.concatenate([ids[i], names[best[i]]])[order]
    return [
        set([one for one in nearest if one != itself][:k]) for nearest, itself in zip(ids, own, strict=True)
    ]
