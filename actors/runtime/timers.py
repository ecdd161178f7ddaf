"""Timers of all actors of a system: two heaps, one loop timer.

Every timer looks at the clock again before it fires, so that none fires early: loops may wake early, and a wall
clock can be set back. At least every ``RECHECK_S`` the clock is read again, which is how a wall clock set
forward, or time spent suspended (the loop's own clock stands still meanwhile), is noticed.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from actors.runtime.world import Clock

RECHECK_S = 30.0
"""Longest time, seconds, between two looks at the clock while a timer is set."""

PURGE_MIN = 64
"""Cancelled timers (entries) below which a heap is not cleaned."""


Due = TypeVar("Due", float, datetime)


class Timer:
    """One shot; ``cancel`` is idempotent and can be called after it fired."""

    __slots__ = ("_queue", "fire")

    def __init__(self, queue: TimerQueue, fire: Callable[[], None]) -> None:
        self._queue: TimerQueue | None = queue
        self.fire: Callable[[], None] | None = fire

    @property
    def active(self) -> bool:
        """Whether it will still fire."""
        return self.fire is not None

    def cancel(self) -> None:
        """Never fire."""
        if self.fire is not None and self._queue is not None:
            self.fire = None
            self._queue.cancelled()
        self._queue = None


class TimerQueue:
    """Timers by span (monotonic seconds) and by instant (wall clock)."""

    def __init__(self, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        self._clock = clock
        self._loop = loop
        self._spans: list[tuple[float, int, Timer]] = []
        self._instants: list[tuple[datetime, int, Timer]] = []
        self._count = 0
        self._dead = 0
        self._handle: asyncio.TimerHandle | None = None
        self._ticking = False

    def after(self, seconds: float, fire: Callable[[], None]) -> Timer:
        """Call ``fire`` once ``seconds`` have passed on the monotonic clock."""
        timer = Timer(self, fire)
        self._count += 1
        heapq.heappush(self._spans, (self._clock.monotonic() + seconds, self._count, timer))
        self._arm()
        return timer

    def at(self, instant: datetime, fire: Callable[[], None]) -> Timer:
        """Call ``fire`` once the wall clock shows ``instant`` (with a zone) or later, wherever it is set meanwhile."""
        timer = Timer(self, fire)
        self._count += 1
        heapq.heappush(self._instants, (instant, self._count, timer))
        self._arm()
        return timer

    def cancelled(self) -> None:
        """Count a cancelled timer; heaps that are mostly cancelled ones are cleaned, so that memory stays bounded."""
        self._dead += 1
        if self._dead > PURGE_MIN and self._dead * 2 > len(self._spans) + len(self._instants):
            self._spans = [entry for entry in self._spans if entry[2].active]
            self._instants = [entry for entry in self._instants if entry[2].active]
            heapq.heapify(self._spans)
            heapq.heapify(self._instants)
            self._dead = 0
        self._arm()

    def _arm(self) -> None:
        """Set the one loop timer for whichever is due first."""
        if self._ticking:
            return  # the tick arms once, when all that is due has fired
        self._drop_cancelled(self._spans)
        self._drop_cancelled(self._instants)
        waits = [RECHECK_S]
        if self._spans:
            waits.append(self._spans[0][0] - self._clock.monotonic())
        if self._instants:
            waits.append((self._instants[0][0] - self._clock.now()).total_seconds())
        handle = self._handle
        if len(waits) == 1:
            if handle is not None:
                handle.cancel()
                self._handle = None
            return
        due = self._loop.time() + max(0.0, min(waits))
        if handle is not None:
            if handle.when() <= due and not handle.cancelled():
                return  # it looks soon enough
            handle.cancel()
        self._handle = self._loop.call_at(due, self._tick)

    def _drop_cancelled(self, heap: list[tuple[Due, int, Timer]]) -> None:
        while heap and heap[0][2].fire is None:
            heapq.heappop(heap)
            self._dead -= 1

    def _tick(self) -> None:
        self._handle = None
        self._ticking = True
        try:
            while (timer := self._next_due()) is not None:
                fire, timer.fire = timer.fire, None
                if fire is not None:
                    fire()
        finally:
            self._ticking = False
            self._arm()

    def _next_due(self) -> Timer | None:
        """Take one timer that is due off its heap; cancelled ones come off on the way."""
        self._drop_cancelled(self._spans)
        if self._spans and self._spans[0][0] <= self._clock.monotonic():
            return heapq.heappop(self._spans)[2]
        self._drop_cancelled(self._instants)
        if self._instants and self._instants[0][0] <= self._clock.now():
            return heapq.heappop(self._instants)[2]
        return None
