"""A stream under a stopper ends where it is, cleans up, and tells that it was stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from ui.stopping import Stopped, Stopper


async def forever(seen: list[str]) -> AsyncGenerator[int, None]:
    try:
        yield 0
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        seen.append("cleaned up")


async def collected(stream: AsyncGenerator[int, None]) -> list[int]:
    return [part async for part in stream]


async def test_what_is_in_flight_is_cancelled_and_awaited() -> None:
    stopper, seen = Stopper(), list[str]()
    job = asyncio.create_task(collected(stopper.under(forever(seen))))
    await asyncio.sleep(0.01)
    assert not job.done()
    stopper.stop()
    with pytest.raises(Stopped):
        await asyncio.wait_for(job, 1)
    assert seen == ["cleaned up"]


async def test_every_stream_that_runs_is_stopped_and_the_next_is_not() -> None:
    async def three() -> AsyncGenerator[int, None]:
        for number in range(3):
            yield number

    stopper, seen = Stopper(), list[str]()
    jobs = [asyncio.create_task(collected(stopper.under(forever(seen)))) for _ in range(2)]
    await asyncio.sleep(0.01)
    stopper.stop()
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(result) for result in results] == [Stopped, Stopped]
    assert await collected(stopper.under(three())) == [0, 1, 2]


async def test_between_two_parts_it_stops_before_the_next() -> None:
    stopper, seen = Stopper(), list[str]()
    stream = stopper.under(forever(seen))
    assert await anext(stream) == 0
    stopper.stop()
    with pytest.raises(Stopped):
        await anext(stream)
    assert seen == ["cleaned up"]


async def test_what_the_stream_raises_comes_through() -> None:
    async def broken() -> AsyncGenerator[int, None]:
        yield 1
        raise KeyError("its own")

    stopper = Stopper()
    with pytest.raises(KeyError, match="its own"):
        await collected(stopper.under(broken()))
    stopper.stop()


async def test_a_visitor_who_leaves_cancels_it_as_well() -> None:
    stopper, seen = Stopper(), list[str]()
    job = asyncio.create_task(collected(stopper.under(forever(seen))))
    await asyncio.sleep(0.01)
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert seen == ["cleaned up"]
