"""What is said of an answer from the lists of neighbours that are kept with a collection's map."""

from __future__ import annotations

from embedder.analysis.neighbours import KnownNeighbours

_NEARLY_ALL = 99.9
"""Recall is measured on a sample: no sentence says that all were found where that is not known."""


def from_kept(known: KnownNeighbours) -> str:
    """Where the answer is from, and how far that can be trusted."""
    if known.exact:
        return "From the neighbours kept with the collection's map, which are exact."
    found = min(100 * known.recall, _NEARLY_ALL)
    return (
        "Approximate: from the neighbours kept with the collection's map. Of the true nearest they have "
        f"{found:.1f} %, as measured; the others are missing here."
    )


def among_all(known: KnownNeighbours) -> str:
    """That more texts are compared than are drawn; empty where all of them are."""
    return "" if known.whole else f"Among all {known.among:,} texts of the collection, drawn or not."


def spoken(*sentences: str) -> str:
    """Those that there are, one after the other."""
    return " ".join(filter(None, sentences))
