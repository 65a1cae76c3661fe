"""How far a map is as a whole, while its stages are told one by one."""

from __future__ import annotations

_TAKE = {
    "Reading": 4,
    "Cells": 6,
    "Neighbours": 16,
    "Layout of the sample": 8,
    "Layout": 8,
    "Placing": 16,
    "Settling": 15,
    "Measuring": 5,
    "Clusters": 2,
}
"""What each takes beside the others, in their order: seconds of 200,000 texts, about."""


class Whole:
    """The share of all that is done, 0 to 1; it never falls, and leaps over stages that this map has not."""

    def __init__(self) -> None:
        self._share = 0.0

    def told(self, stage: str, share: float) -> float:
        """The share of all when that much of a stage is done."""
        stages = list(_TAKE)
        before = sum(_TAKE[one] for one in stages[: stages.index(stage)]) if stage in _TAKE else 0.0
        done = (before + share * _TAKE.get(stage, 0)) / sum(_TAKE.values())
        self._share = max(self._share, done)
        return self._share
