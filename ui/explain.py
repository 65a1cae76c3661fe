"""Two texts side by side: the words of both, and what each word does to their cosine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import numpy as np

from embedder.analysis.explain import (
    Piece,
    contributions,
    left_out,
    parts_of,
    pieces_of,
    shared_words,
    word_key,
)
from embedder.analysis.similarity import Floats, cosine_similarity
from embedder.engine import Engine
from embedder.errors import InvalidInput
from embedder.types import EmbedOptions
from ui.datasets import Dataset
from ui.owned import check_reader

MAX_CHARS = 20_000
SLICE = 16
"""So many texts are embedded between two words of progress."""
NOTE = (
    "Leave-one-out: each word is taken out in turn and the rest embedded anew. A word's number is the cosine "
    "of the two whole texts less the cosine without it: above 0 it brings them nearer, below 0 it keeps them "
    "apart. Words act together, so the numbers do not add up to the cosine."
)
_ROOM = EmbedOptions(wait_for_room=True)


def pair(dataset: Dataset, left: int, right: int) -> dict[str, Any]:
    """Cosine of two rows and both texts in pieces; of each piece whether it is a word, and of both texts."""
    texts = [dataset.texts[row][:MAX_CHARS] for row in (left, right)]
    pieces = [pieces_of(text) for text in texts]
    both = shared_words(*pieces)

    def told(row: int, side: Sequence[Piece]) -> dict[str, Any]:
        return {
            "row": row,
            "cut": len(dataset.texts[row]) > MAX_CHARS,
            "pieces": [
                [piece.text, piece.is_word, piece.is_word and word_key(piece.text) in both] for piece in side
            ],
        }

    return {
        "cosine": _cosine(dataset.vectors[[left]], dataset.vectors[[right]]),
        "equal": dataset.texts[left] == dataset.texts[right],
        "shared": len(both),
        "left": told(left, pieces[0]),
        "right": told(right, pieces[1]),
    }


async def steps(
    engine: Engine, dataset: Dataset, left: int, right: int
) -> AsyncGenerator[dict[str, Any], None]:
    """How far it is, then for each text its parts: first and last piece, and what the part adds.

    Raises:
        InvalidInput: another model made the vectors.
    """
    check_reader(dataset.model)
    info = await engine.model_info(dataset.model.id)
    if info.fingerprint != dataset.model.fingerprint:
        raise InvalidInput(
            "Another model made these vectors than the one that would read the words, so it cannot explain "
            "them. Bring the texts again."
        )
    texts = [dataset.texts[row][:MAX_CHARS] for row in (left, right)]
    sides = [await _parts(engine, dataset, row, text) for row, text in zip((left, right), texts, strict=True)]
    wanted = [*texts, *(text for _, _, without in sides for text in without if text)]
    made: list[Floats] = []
    for start in range(0, len(wanted), SLICE):
        found = await engine.embed(wanted[start : start + SLICE], model=dataset.model.id, options=_ROOM)
        made.append(found.vectors)
        yield {"share": min(1.0, (start + SLICE) / len(wanted))}
    vectors = np.concatenate(made)
    whole = _cosine(vectors[:1], vectors[1:2])
    place, answer = 2, {"cosine": whole, "note": NOTE}
    for name, other, (words, parts, without) in zip(("left", "right"), (1, 0), sides, strict=True):
        many = sum(1 for text in without if text)
        added = iter(contributions(whole, vectors[place : place + many], vectors[other]).tolist())
        place += many
        answer[name] = {
            "words": words,
            "parts": [
                # Of nothing at all there is no vector.
                [part.start, part.stop, next(added) if text else None]
                for part, text in zip(parts, without, strict=True)
            ],
        }
    yield answer


async def _parts(engine: Engine, dataset: Dataset, row: int, text: str) -> tuple[int, list[range], list[str]]:
    """How many words a text has that the model reads, the parts to leave out, and what is then left."""
    pieces, read = pieces_of(text), len(text)
    if row in dataset.truncated:
        (spans,) = await engine.tokenize([text], model=dataset.model.id)
        read = max((end for _, end in spans.offsets), default=read)
    seen, at = 0, 0
    while seen < len(pieces) and at < read:
        at += len(pieces[seen].text)
        seen += 1
    parts = parts_of(pieces[:seen])
    words = sum(piece.is_word for piece in pieces[:seen])
    return words, parts, [left_out(pieces, part) for part in parts]


def _cosine(left: Floats, right: Floats) -> float:
    return float(cosine_similarity(left, right)[0, 0])
