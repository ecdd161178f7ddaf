"""The clock that stands still while a thread is at work, whatever the moment at which the thread answers."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tests.support.providers.clocks import STEPS, ManualClock
from tests.support.providers.counted import CountedWorker


class LateWorker(CountedWorker):
    """Its answer reaches who waits for it only as the last steps of a ``settle`` run."""

    def __init__(self, steps: int) -> None:
        super().__init__("late")
        self._steps = steps

    async def steps(self) -> None:
        """Answer after so many steps, without a thread: the same every time."""
        self.asked += 1
        for _ in range(self._steps):
            await asyncio.sleep(0)
        self.answered += 1


@pytest.mark.parametrize("steps", range(STEPS - 2, STEPS + 2))
async def test_time_does_not_pass_before_an_answer_was_heard_to_its_end(steps: int) -> None:
    worker = LateWorker(steps)
    clock = ManualClock(worker.settled)

    async def work() -> float:
        await worker.steps()
        for _ in range(STEPS - 5):  # what follows from the answer
            await asyncio.sleep(0)
        return clock.elapsed

    async def limit() -> None:
        await clock.sleep(60.0)

    limits = asyncio.create_task(limit())
    assert await clock.drive(work()) == 0.0
    limits.cancel()
    await worker.close()


async def test_a_thread_at_work_is_waited_for() -> None:
    worker, may_end = CountedWorker("slow"), threading.Event()
    clock = ManualClock(worker.settled)
    asked = asyncio.create_task(worker.call(may_end.wait))
    settled = asyncio.create_task(clock.advance(60.0))
    for _ in range(3 * STEPS):
        await asyncio.sleep(0)
    assert clock.elapsed == 0.0
    may_end.set()
    await settled
    assert (asked.done(), clock.elapsed) == (True, 60.0)
    await worker.close()
