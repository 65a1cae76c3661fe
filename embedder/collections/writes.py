"""Writes to a store, in threads that whoever asked for them sees to their end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def to_its_end(write: Callable[..., T], *given: Any) -> T:
    """`write(*given)` in a thread; who is cancelled leaves when it has ended, so nothing comes after."""
    writing = asyncio.ensure_future(asyncio.to_thread(write, *given))
    try:
        return await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait({writing})
        raise
