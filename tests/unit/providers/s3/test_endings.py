"""What must be done is done, cancelled or not."""

from __future__ import annotations

import asyncio

import pytest

from providers.s3.endings import finish


async def test_work_ends_before_a_cancellation_is_heard() -> None:
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(5)
        done.append("work")

    task = asyncio.ensure_future(finish(work()))
    for _ in range(3):
        await asyncio.sleep(1)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["work"]


@pytest.mark.parametrize("cancelled", [False, True])
async def test_an_error_of_the_work_is_raised_unless_the_caller_was_cancelled(cancelled: bool) -> None:
    async def work() -> None:
        await asyncio.sleep(5)
        raise ZeroDivisionError

    task = asyncio.ensure_future(finish(work()))
    await asyncio.sleep(1)
    if cancelled:
        task.cancel()
    with pytest.raises(asyncio.CancelledError if cancelled else ZeroDivisionError):
        await task
