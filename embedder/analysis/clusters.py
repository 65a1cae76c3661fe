"""Groups of a layout, and names for them from the texts themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedder.analysis.similarity import as_vectors, unit_rows
from embedder.analysis.terms import term_counter

NOISE = -1
"""The label of what belongs to no cluster."""
SMALLEST_CLUSTERING = 20
MAX_NAMED_CLUSTERS = 200
_SHORT_WORD_CHARS = 3


@dataclass(frozen=True, slots=True, eq=False)
class ClusterName:
    """What to write on a cluster: its `keywords`, best first, and `row`, the text nearest its centre."""

    keywords: tuple[str, ...]
    row: int
    size: int


def clusters_of(points: ArrayLike, *, min_cluster_size: int | None = None) -> NDArray[np.int32]:
    """HDBSCAN (Campello, Moulavi, Sander 2013) of a layout `(n, 2 or 3)`: labels int32 `(n,)`.

    Largest cluster first, `NOISE` for points of none. Fewer than `SMALLEST_CLUSTERING` points are
    all noise. `min_cluster_size` is by default a part of n that gives a map some ten to forty names.

    Raises:
        ValueError: it's not two-dimensional, or not finite.
    """
    rows = as_vectors(points)
    n = len(rows)
    labels = np.full(n, NOISE, dtype=np.int32)
    if n < SMALLEST_CLUSTERING or not (rows != rows[0]).any():
        return labels
    from fast_hdbscan import HDBSCAN

    smallest = min_cluster_size or max(5, round(n**0.5 / 2.5))
    found = HDBSCAN(min_cluster_size=smallest, min_samples=5, cluster_selection_method="leaf").fit_predict(
        rows
    )
    kept, sizes = np.unique(found[found >= 0], return_counts=True)
    for label, cluster in enumerate(kept[np.argsort(-sizes, kind="stable")]):
        labels[found == cluster] = label
    return labels


def name_clusters(
    labels: ArrayLike, texts: Sequence[str], vectors: ArrayLike, *, keywords: int = 3
) -> list[ClusterName]:
    """A name for each of the first `MAX_NAMED_CLUSTERS` clusters, in order of their labels.

    Keywords by class-based TF-IDF (Grootendorst 2022): a word's count in the cluster times
    log(1 + mean words a cluster / count of the word in all). Where no text has words the
    keywords are empty.
    """
    found = np.asarray(labels)
    rows = unit_rows(vectors)
    named = range(min(int(found.max(initial=NOISE)) + 1, MAX_NAMED_CLUSTERS))
    words = class_keywords(found, texts, keywords)
    names = []
    for label in named:
        members = np.flatnonzero(found == label)
        centre = rows[members].mean(axis=0)
        nearest = int(members[np.argmax(rows[members] @ centre)])
        names.append(ClusterName(words.get(label, ()), nearest, len(members)))
    return names


def class_keywords(labels: NDArray[np.int32], texts: Sequence[str], count: int) -> dict[int, tuple[str, ...]]:
    """The `count` words that set each class of texts apart from the others, best first."""
    from scipy.sparse import csr_matrix

    members = np.flatnonzero(labels >= 0)
    if not len(members):
        return {}
    known = [texts[int(row)] for row in members]
    vectorizer = term_counter(known)
    try:
        counts = vectorizer.fit_transform(known)
    except ValueError:  # nothing but stop words, numbers or signs
        return {}
    classes = int(labels.max()) + 1
    sums = csr_matrix(
        (np.ones(len(members)), (labels[members], np.arange(len(members)))), (classes, len(members))
    )
    by_class = (sums @ counts).tocsr()
    of_word = np.asarray(counts.sum(axis=0)).ravel()
    weights = np.log1p(by_class.sum() / classes / of_word)
    names = vectorizer.get_feature_names_out()
    best: dict[int, tuple[str, ...]] = {}
    for label in range(classes):
        row = by_class[label]
        # A word said once in a large cluster names nothing; in a tiny one it's all there is.
        order = np.lexsort((row.indices, -row.data * weights[row.indices]))
        best[label] = _distinct([str(names[row.indices[place]]) for place in order[: 4 * count]])[:count]
    return best


def _distinct(words: Sequence[str]) -> tuple[str, ...]:
    """`words` without those that differ from a better one only by an ending."""
    kept: list[str] = []
    for word in words:
        stems = (other[:-1] for other in kept if len(other) > _SHORT_WORD_CHARS)
        if not any(word.startswith(stem) for stem in stems) and not any(
            other.startswith(word[:-1]) for other in kept if len(word) > _SHORT_WORD_CHARS
        ):
            kept.append(word)
    return tuple(kept)
