"""What it costs to compute a model in other numbers than float32: neighbours that are no longer the same."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from embedder.types import Prompt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedder.protocols import Backend

_TEXTS, _NEIGHBOURS = 1000, 10
_CHARS = range(40, 400)
_BATCH_TOKENS = 512


def neighbours_kept(exact: Backend, other: Backend) -> float:
    """Share of each text's ten nearest neighbours that `other` finds among its own ten; seconds of work.

    Over a thousand paragraphs of Python's own language reference, the same on every machine
    with the same Python.
    """
    expected, found = _neighbours(exact), _neighbours(other)
    shared = [len(np.intersect1d(one, two)) for one, two in zip(expected, found, strict=True)]
    return float(np.mean(shared)) / _NEIGHBOURS


@cache
def paragraphs() -> tuple[str, ...]:
    """A thousand different paragraphs of English that every Python has with it."""
    from pydoc_data.topics import topics

    every = (" ".join(part.split()) for topic in sorted(topics) for part in topics[topic].split("\n\n"))
    return tuple(dict.fromkeys(part for part in every if len(part) in _CHARS))[:_TEXTS]


def _neighbours(backend: Backend) -> NDArray[np.int64]:
    """`(n, 10)`, in no order."""
    vectors = _encode(backend)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    return np.argpartition(-scores, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]


def _encode(backend: Backend) -> NDArray[np.float32]:
    tokenized = backend.tokenize(paragraphs(), Prompt())
    lengths = np.array([text.prompt_tokens for text in tokenized])
    order = np.argsort(lengths, kind="stable")
    vectors = np.empty((len(tokenized), backend.info.dimensions), dtype=np.float32)
    ends = np.flatnonzero(np.diff(np.cumsum(lengths[order]) // _BATCH_TOKENS)) + 1
    for start, end in pairwise([0, *ends, len(order)]):
        rows = order[start:end]
        vectors[rows] = backend.encode([tokenized[row] for row in rows])
    return vectors
