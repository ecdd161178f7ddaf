"""A deadline fires on the clock it was given, tells its own end from somebody else's, and can be moved."""

from __future__ import annotations

import asyncio

import pytest

from actors.admin.deadline import Deadline
from tests.integration.socket.conftest import HandClock


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_it_ends_what_takes_longer() -> None:
    clock = HandClock()

    async def work() -> None:
        async with Deadline(clock, 5):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await turns()
    clock.advance(4.9)
    await turns()
    assert not task.done()
    clock.advance(0.2)
    with pytest.raises(TimeoutError):
        await task


async def test_renewing_starts_the_span_anew() -> None:
    clock = HandClock()
    deadlines: list[Deadline] = []

    async def work() -> None:
        async with Deadline(clock, 5) as deadline:
            deadlines.append(deadline)
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await turns()
    clock.advance(4)
    deadlines[0].renew()
    clock.advance(4)
    await turns()
    assert not task.done()
    clock.advance(1.1)
    with pytest.raises(TimeoutError):
        await task


async def test_somebody_elses_cancellation_stays_a_cancellation() -> None:
    clock = HandClock()

    async def work() -> None:
        async with Deadline(clock, 5):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_ends_in_time_leaves_no_timer() -> None:
    clock = HandClock()
    async with Deadline(clock, 5):
        await turns()
    await turns()
    assert [t for t in asyncio.all_tasks() if t.get_name() == "admin-deadline"] == []


async def test_no_time_at_all_ends_at_once() -> None:
    with pytest.raises(TimeoutError):
        async with Deadline(HandClock(), 0):
            await asyncio.Event().wait()
