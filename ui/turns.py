"""At most so many visitors embed at once; the others wait, are told so, and can cancel.

Not Gradio's own `concurrency_limit`: what a visitor brings in the place of texts that still come
would wait there behind them, and who waits there can neither be told nor cancel.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

from ui.view import status

Part = TypeVar("Part")
WAITING = status("Others' texts are being embedded; yours are next as soon as there is room.", share=0)


async def in_turn(
    turns: asyncio.Semaphore, stream: AsyncGenerator[Part, None], waiting: Part
) -> AsyncGenerator[Part, None]:
    """What `stream` yields once one of `turns` is free, and `waiting` before, if none is."""
    async with aclosing(stream):
        if turns.locked():
            yield waiting
        async with turns:
            async for part in stream:
                yield part
