"""Clocks for provider tests: one that only moves when told, one that is real."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

BEGIN = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
STEPS = 30


class ManualClock:
    """Stands still until advanced; sleepers wake in order.

    ``settled`` runs all that needs no time; whoever has threads at work also waits for them in it.
    """

    def __init__(self, settled: Callable[[], Awaitable[None]] | None = None) -> None:
        self.elapsed = 0.0
        self._settled = settled or settle
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return 1000.0 + self.elapsed

    async def sleep(self, seconds: float) -> None:
        self._count += 1
        wakes: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.elapsed + seconds, self._count, wakes))
        await wakes

    async def advance(self, seconds: float) -> None:
        """Move on, waking who is due on the way."""
        until = self.elapsed + seconds
        await self._settled()
        while self._sleepers and self._sleepers[0][0] <= until:
            await self._wake_next()
        self.elapsed = max(self.elapsed, until)
        await self._settled()

    async def drive(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` to its end, moving on whenever it waits for the clock."""
        task = asyncio.create_task(work)
        await self._settled()
        while not task.done():
            if self._sleepers:
                await self._wake_next()
            else:  # it waits for a thread
                await asyncio.wait({task}, timeout=0.001)
                await self._settled()
        return await task

    async def _wake_next(self) -> None:
        due, _, wakes = heapq.heappop(self._sleepers)
        self.elapsed = max(self.elapsed, due)
        if not wakes.done():
            wakes.set_result(None)
        await self._settled()


class RealClock:
    """This computer's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def settle() -> None:
    """Let everything run that can run without time passing."""
    for _ in range(STEPS):
        await asyncio.sleep(0)
