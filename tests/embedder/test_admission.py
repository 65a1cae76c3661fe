from __future__ import annotations

import asyncio

import pytest

from embedder.admission import Admission
from embedder.errors import Overloaded, ShuttingDown, TooLarge
from embedder.metrics import Metrics


@pytest.fixture
def admission() -> Admission:
    return Admission(100, Metrics())


async def test_refuses_past_the_bound_and_admits_after_release(admission: Admission) -> None:
    admission.request(80)
    with pytest.raises(Overloaded):
        admission.request(21)
    admission.request(20)
    admission.release(80)
    admission.request(80)
    assert admission.held_tokens == 100


async def test_what_could_never_fit_is_too_large(admission: Admission) -> None:
    with pytest.raises(TooLarge):
        admission.request(101)
    with pytest.raises(TooLarge):
        await admission.wait(101)


async def test_retry_after_follows_the_backlog_and_the_rate(admission: Admission) -> None:
    big = Admission(100_000, Metrics())
    big.request(100_000)
    with pytest.raises(Overloaded) as slow:
        big.request(50_000)
    for _ in range(100):
        big.observe(1_000, 0.1)
        big.observe(6, 0.0006)
    with pytest.raises(Overloaded) as fast:
        big.request(50_000)
    assert slow.value.retry_after_s == pytest.approx(25.0)
    assert fast.value.retry_after_s == pytest.approx(5.0, rel=0.01)


async def test_a_job_waits_in_line_and_gets_the_room(admission: Admission) -> None:
    admission.request(100)
    first = asyncio.create_task(admission.wait(60))
    second = asyncio.create_task(admission.wait(60))
    await asyncio.sleep(0)
    admission.release(100)
    await first
    assert not second.done()
    admission.release(60, job=True)
    await second
    assert admission.held_tokens == 60


async def test_requests_cannot_starve_a_waiting_job(admission: Admission) -> None:
    for _ in range(10):
        admission.request(10)
    job = asyncio.create_task(admission.wait(50))
    await asyncio.sleep(0)
    for _ in range(5):
        admission.release(10)
        with pytest.raises(Overloaded):
            admission.request(10)
    await asyncio.wait_for(job, 1)


async def test_a_cancelled_wait_holds_nothing_and_lets_the_next_in(admission: Admission) -> None:
    admission.request(60)
    first = asyncio.create_task(admission.wait(70))
    second = asyncio.create_task(admission.wait(30))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait_for(second, 1)
    assert admission.held_tokens == 90


async def test_jobs_hold_no_more_than_their_share(admission: Admission) -> None:
    await admission.wait(75)
    waiting = asyncio.create_task(admission.wait(10))
    await asyncio.sleep(0)
    for _ in range(25):
        admission.request(1)
    assert not waiting.done()
    admission.release(75, job=True)
    await asyncio.wait_for(waiting, 1)
    with pytest.raises(TooLarge):
        await admission.wait(76)


async def test_room_granted_while_the_cancel_was_under_way_is_given_back(admission: Admission) -> None:
    admission.request(100)
    job = asyncio.create_task(admission.wait(50))
    await asyncio.sleep(0)
    admission.release(100)
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert admission.held_tokens == 0


async def test_closing_refuses_new_work_and_those_in_line(admission: Admission) -> None:
    admission.request(100)
    job = asyncio.create_task(admission.wait(50))
    await asyncio.sleep(0)
    admission.close()
    with pytest.raises(ShuttingDown):
        await job
    with pytest.raises(ShuttingDown):
        admission.request(1)
