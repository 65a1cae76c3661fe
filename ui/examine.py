"""One vector looked at closely, with the tokens of its text; two vectors beside each other."""

from __future__ import annotations

from typing import Any

from embedder.analysis.comparison import compare, largest, norm
from embedder.analysis.similarity import Floats
from embedder.engine import Engine
from embedder.errors import InvalidInput
from embedder.replica import resolve_prompt
from embedder.types import EmbedOptions, Kind, ModelInfo
from ui import describe
from ui.datasets import Dataset
from ui.owned import check_reader
from ui.written import embed_beside

SHOWN_CHARS = 4_000
SHOWN_PIECES = 512
SHOWN_UNREAD_CHARS = 600
LARGEST_DIMENSIONS = 12

SCORES = {
    "cosine": "Cosine: of the angle between the two vectors; 1 is the same direction, 0 is unrelated.",
    "dot": "Dot product: the sum of the products, dimension by dimension; of unit vectors it is the cosine.",
    "distance": "Euclidean distance: the length of the difference; 0 is the same vector.",
}


async def row(engine: Engine, dataset: Dataset, number: int) -> dict[str, Any]:
    """A text of the dataset with its vector."""
    text = dataset.texts[number]
    return {
        **describe.row(dataset, number, SHOWN_CHARS),
        **_vector(dataset.vectors[number]),
        **await _tokens(engine, dataset.model, text, None),
    }


async def written(engine: Engine, dataset: Dataset, text: str, kind: Kind | None) -> dict[str, Any]:
    """A text that a visitor writes, embedded now.

    Raises:
        InvalidInput: there is no text, or another model made the dataset.
    """
    if not text.strip():
        raise InvalidInput("There is no text to embed yet. Write a few words.")
    found = await embed_beside(engine, dataset, [text], kind=kind)
    return {
        "row": None,
        "text": text[:SHOWN_CHARS],
        "cut": len(text) > SHOWN_CHARS,
        "cells": {},
        "tokens": int(found.prompt_tokens[0]),
        "truncated": bool(found.truncated),
        **_vector(found.vectors[0]),
        **await _tokens(engine, dataset.model, text, kind),
    }


def pair(one: Floats, other: Floats) -> dict[str, Any]:
    """What two vectors have in common and where they differ, every score with what it is."""
    found = compare(one, other)
    return {
        "cosine": found.cosine,
        "dot": found.dot,
        "distance": found.distance,
        "said": SCORES,
        "difference": found.difference,
        "largest_differences": largest(found.difference, LARGEST_DIMENSIONS),
        "products": found.products,
        "largest_products": largest(found.products, LARGEST_DIMENSIONS),
    }


def _vector(vector: Floats) -> dict[str, Any]:
    return {
        "vector": vector,
        "norm": norm(vector),
        "largest": largest(vector, LARGEST_DIMENSIONS),
    }


async def _tokens(engine: Engine, model: ModelInfo, text: str, kind: Kind | None) -> dict[str, Any]:
    """How the model splits `text`: pieces, ids, places in the text; before and behind, what it left unread.

    Places are (start, end) in characters; those of special tokens and of a prompt are null.
    """
    try:
        check_reader(model)
        (spans,) = await engine.tokenize([text], model=model.id, kind=kind)
    except InvalidInput as error:  # not every model shows its tokens
        unknown: dict[str, Any] = {
            "pieces": [],
            "ids": [],
            "places": [],
            "pieces_total": None,
            "unread": ["", ""],
        }
        return {**unknown, "unread_chars": 0, "tokens_note": str(error), "prompt": ""}
    prompt = resolve_prompt(model, kind, EmbedOptions()).text
    places = [
        None if start == end or end <= len(prompt) else (max(0, start - len(prompt)), end - len(prompt))
        for start, end in spans.offsets
    ]
    read = [place for place in places if place]
    first, last = (read[0][0], read[-1][1]) if read and spans.truncated else (0, len(text))
    return {
        "pieces": spans.tokens[:SHOWN_PIECES],
        "ids": spans.token_ids[:SHOWN_PIECES],
        "places": places[:SHOWN_PIECES],
        "pieces_total": len(spans.tokens),
        "tokens_note": "",
        "prompt": prompt,
        "unread": [text[:first][-SHOWN_UNREAD_CHARS:], text[last : last + SHOWN_UNREAD_CHARS]],
        "unread_chars": first + len(text) - last,
    }
