"""How deep the rankings have to be that hybrid search joins: nDCG@10 by depth, of a labelled set.

The set is two files of JSON lines as BEIR's are: texts with `id`, `title`, `text`, and questions with `id`,
`text`, `relevant` (ids of texts). It is not part of this project; SciFact was used.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks.collections.material import real_vectors
from benchmarks.results import Result, parser
from embedder.collections.lance.store import LanceStore
from embedder.collections.rows import Rows
from embedder.collections.search import Question, best_hits, depth_of
from embedder.collections.store import Table

DEPTHS = (10, 20, 50, 100, 200)
_SHOWN = 10


def main() -> int:
    flags = parser(__doc__ or "")
    flags.add_argument("texts", type=Path, help="JSON lines: id, title, text")
    flags.add_argument("questions", type=Path, help="JSON lines: id, text, relevant")
    args = flags.parse_args()
    texts, questions = _lines(args.texts), _lines(args.questions)
    result = Result("fusion", "How deep hybrid search looks", ("rankings joined", "nDCG@10"))
    result.flags = [path.name for path in (args.texts, args.questions)]
    with tempfile.TemporaryDirectory(prefix="fusion-") as folder:
        store = LanceStore(Path(folder))
        table = store.create("things", 384, {})
        whole = [f"{line['title']} {line['text']}" for line in texts]
        ids = [str(line["id"]) for line in texts]
        table.upsert(Rows(ids, whole, [""] * len(ids), [{}] * len(ids), real_vectors(whole)))
        table.maintain()
        figures = _measured(table, questions)
        store.close()
    used = depth_of(Question("words", mode="hybrid"))
    for name, figure in figures.items():
        result.rows.append((f"{name}{' (used)' if name == f'both, {used} deep' else ''}", f"{figure:.4f}"))
    result.figures = figures
    result.hold(
        f"{used} deep is at most 0.005 worse than {DEPTHS[-1]}",
        figures[f"both, {used} deep"] >= figures[f"both, {DEPTHS[-1]} deep"] - 0.005,
    )
    result.notes.append(f"{len(texts):,} texts, {len(questions):,} questions")
    return result.finish(args.out)


def _measured(table: Table, questions: list[dict[str, Any]]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    vectors = real_vectors([question["text"] for question in questions])
    for line, vector in zip(questions, vectors, strict=True):
        relevant = {str(text_id) for text_id in line["relevant"]}
        meant, worded = (table.ranked(asked, DEPTHS[-1]) for asked in (vector, line["text"]))
        parts = {"meaning alone": (meant[:_SHOWN], []), "words alone": ([], worded[:_SHOWN])}
        parts |= {f"both, {depth} deep": (meant[:depth], worded[:depth]) for depth in DEPTHS}
        question = Question(line["text"], vector, "hybrid", top_k=_SHOWN)
        for name, rankings in parts.items():
            hits, _ = best_hits(table, question, *rankings)
            found.setdefault(name, []).append(_ndcg([hit.row.id in relevant for hit in hits], len(relevant)))
    return {name: float(np.mean(gains)) for name, gains in found.items()}


def _ndcg(right: Iterable[bool], relevant: int) -> float:
    """Normalised discounted cumulative gain of the first ten (Järvelin and Kekäläinen 2002)."""
    worth = 1 / np.log2(np.arange(2, _SHOWN + 2))
    return float(sum(worth[place] for place, one in enumerate(right) if one) / worth[:relevant].sum())


def _lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines() if line.strip()]


if __name__ == "__main__":
    sys.exit(main())
