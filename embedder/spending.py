"""Whose tokens are embedded: of whoever began the work, through all that it calls.

A context variable, as work passes many hands before it comes to `Engine.embed`, the one way to a vector,
and none of them has a reason to know of it. Tasks inherit it from who makes them.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Protocol

from embedder.errors import RateLimited


class Budget(Protocol):
    """What somebody may spend, and has."""

    def check(self) -> None:
        """Return if there is something left.

        Raises:
            RateLimited
        """

    def spend(self, tokens: int) -> None:
        """Count tokens that were embedded."""


_LOOK_S = 10.0
"""Whoever waits for a budget looks so often whether it has been raised."""

BUDGET: ContextVar[Budget | None] = ContextVar("budget", default=None)
"""None where nobody counts."""


def check_budget() -> None:
    """Return if whoever asks has something left, or nobody counts.

    Raises:
        RateLimited
    """
    budget = BUDGET.get()
    if budget is not None:
        budget.check()


async def budget_with_room(*, wait: bool) -> Budget | None:
    """That of whoever asks, if there is something left of it; with `wait`, once there is.

    Raises:
        RateLimited
    """
    budget = BUDGET.get()
    while budget is not None:
        try:
            budget.check()
            break
        except RateLimited as error:
            if not wait:
                raise
            await asyncio.sleep(min(error.retry_after_s, _LOOK_S))
    return budget
