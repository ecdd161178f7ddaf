"""Production time and randomness, and the decision whether the wall clock has jumped."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from actors.runtime.world import Clock

SLEEP_SLICE_S = 30.0
"""Longest single sleep, seconds: the loop's clock stands still while the computer is suspended, ours does not."""

WALL_JUMP_S = 60.0
"""Difference, seconds, between wall clock and monotonic clock from which on it is called a jump."""

# Linux counts suspended time in CLOCK_BOOTTIME only (clock_gettime(2)); elsewhere the plain monotonic clock serves.
_MONOTONIC = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The computer's clocks."""

    def now(self) -> datetime:
        """Return the wall clock, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that only go forward, suspended time included."""
        return time.clock_gettime(_MONOTONIC)

    async def sleep(self, seconds: float) -> None:
        """Wait; looks at ``monotonic`` again before it returns, so it never wakes early."""
        until = self.monotonic() + seconds
        left = seconds
        while True:
            await asyncio.sleep(min(max(left, 0.0), SLEEP_SLICE_S))
            left = until - self.monotonic()
            if left <= 0:
                return


class SystemEntropy:
    """The operating system's randomness."""

    def bytes(self, count: int) -> bytes:
        """Return ``count`` random bytes."""
        return os.urandom(count)

    def uniform(self, low: float, high: float) -> float:
        """Return a random number between the two."""
        return random.SystemRandom().uniform(low, high)


def time_of(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """Return the quickest function that gives the loop's time.

    asyncio's own loops answer with ``time.monotonic`` from a Python method, which costs twice as much as the function
    itself; any other loop (virtual time, uvloop) is asked.
    """
    return time.monotonic if type(loop).time is asyncio.BaseEventLoop.time else loop.time


class SteadyClock:
    """A clock whose wall time follows small corrections and no jump.

    Deadlines are kept by it: setting the computer's clock three hours forward must end nothing. After a jump of more
    than 60 s wall time goes on as the monotonic clock says, until the two agree again or the process ends.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall, self._at_s = clock.now(), clock.monotonic()
        """Both clocks when they last agreed."""
        self.monotonic: Callable[[], float] = clock.monotonic
        """Return seconds that only go forward, suspended time included."""
        self.sleep: Callable[[float], Coroutine[Any, Any, None]] = clock.sleep
        """Wait; never wakes early."""
        self.jump_s: float | None = None
        """By how much the computer's wall clock is off from ours, or None when it is not; as of the last ``now``."""

    def now(self) -> datetime:
        """Return the wall clock, UTC, without its jumps."""
        wall, at_s = self._clock.now(), self.monotonic()
        shift_s = (wall - self._wall).total_seconds() - (at_s - self._at_s)
        if abs(shift_s) <= WALL_JUMP_S:
            self.jump_s, self._wall, self._at_s = None, wall, at_s
            return wall
        self.jump_s = shift_s
        return wall - timedelta(seconds=shift_s)

    def heard(self, off_s: float) -> bool:
        """Take by how many seconds another clock is ahead of ours; return whether the wall clock is followed now.

        A jump that brings the computer's wall clock to that other clock was a correction: ours was the wrong one.
        """
        self.now()
        if self.jump_s is None or abs(off_s - self.jump_s) > WALL_JUMP_S:
            return False
        self.jump_s, self._wall, self._at_s = None, self._clock.now(), self.monotonic()
        return True
