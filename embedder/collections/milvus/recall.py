"""How many of the true nearest Milvus finds, on a sample of a collection's own vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedder.analysis.similarity import unit_rows
from embedder.collections.milvus.heads import Recall
from embedder.collections.truth import true_nearest

if TYPE_CHECKING:
    from embedder.collections.milvus.table import MilvusTable

SAMPLE = 64
_K = 10
_BATCH_ROWS = 4000


def measured(table: MilvusTable) -> Recall | None:
    """The recall of ten over `SAMPLE` rows at most, by reading every row once; None of an empty table."""
    rows = table.count()
    step = max(1, rows // SAMPLE)
    ids: list[str] = []
    for some in table.ids():
        ids += some
    told = [row for row in table.get(ids[::step][:SAMPLE], vectors=True) if row.vector is not None]
    directed = [(row.id, row.vector) for row in told if row.vector is not None and row.vector.any()]
    if not directed:
        return None
    questions = np.stack([vector for _, vector in directed])
    own = [row_id for row_id, _ in directed]
    batches = ((batch.ids, batch.vectors) for batch in table.scan(_BATCH_ROWS))
    truth = true_nearest(unit_rows(questions), own, batches, _K)
    hits = wanted = 0
    for question, itself, nearest in zip(questions, own, truth, strict=True):
        found = [hit.row.id for hit in table.nearest(question, _K + 1) if hit.row.id != itself][:_K]
        hits, wanted = hits + len(nearest.intersection(found)), wanted + len(nearest)
    return Recall(rows, round(hits / wanted, 4) if wanted else 1.0, len(own))
