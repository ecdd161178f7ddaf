"""Production time and randomness, and the decision whether the wall clock has jumped."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

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


class Reading(NamedTuple):
    """Both clocks, read together."""

    wall: datetime
    monotonic: float


def wall_jump_s(earlier: Reading, later: Reading, limit_s: float = WALL_JUMP_S) -> float | None:
    """Return by how many seconds the wall clock was set between two readings, or None when within ``limit_s``.

    Positive is forward. Suspended time is no jump, because the monotonic clock counts it too.
    """
    shift = (later.wall - earlier.wall).total_seconds() - (later.monotonic - earlier.monotonic)
    return shift if abs(shift) > limit_s else None


class SteadyClock:
    """A clock whose wall time follows small corrections and no jump.

    Deadlines are kept by it: setting the computer's clock three hours forward must end nothing. After a jump of more
    than 60 s wall time goes on as the monotonic clock says, until the two agree again or the process ends.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._anchor = Reading(clock.now(), clock.monotonic())
        self.jump_s: float | None = None
        """By how much the computer's wall clock is off from ours, or None when it is not; as of the last ``now``."""

    def now(self) -> datetime:
        """Return the wall clock, UTC, without its jumps."""
        wall, at_s = self._clock.now(), self._clock.monotonic()
        before = self._anchor
        shift_s = (wall - before.wall).total_seconds() - (at_s - before.monotonic)
        if abs(shift_s) <= WALL_JUMP_S:
            self.jump_s, self._anchor = None, Reading(wall, at_s)
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
        self._anchor, self.jump_s = Reading(self._clock.now(), self._clock.monotonic()), None
        return True

    def monotonic(self) -> float:
        """Return seconds that only go forward, suspended time included."""
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait; never wakes early."""
        await self._clock.sleep(seconds)
