"""Virtual time: an event loop that jumps to the next timer instead of waiting for it.

For tests and simulation of code that waits on nothing but timers and other tasks. What happens outside (threads,
subprocesses, sockets to another process) takes real time: it belongs under ``VirtualLoop.real_work`` or on a real loop.
"""

from __future__ import annotations

import asyncio
import math
import random
import selectors
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""Where the wall clock of virtual time starts unless told otherwise."""


class Deadlock(RuntimeError):
    """Every task waits and no timer is set: in virtual time nothing will ever happen again."""


class _VirtualSelector(selectors.DefaultSelector):
    """A selector that lets time pass instead of blocking, except while real work is pending."""

    now = 0.0
    real_work = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        if self.real_work:
            return super().select(None)
        # The loop's own wake-up pipe is always registered; a second descriptor is a socket something may come from.
        if timeout is None and len(self.get_map()) <= 1:
            raise Deadlock("every task waits, no timer is set and no real work is pending")
        events = super().select(0 if timeout is not None else None)
        if not events and timeout is not None:
            self.now += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose ``time()`` starts at 0 and jumps when idle."""

    def __init__(self) -> None:
        self._virtual = _VirtualSelector()
        super().__init__(self._virtual)

    @property
    def _clock_resolution(self) -> float:
        """Step of the clock at its present value: asyncio runs what is due before now plus this.

        The real clock's nanosecond would vanish beside a large virtual time, and nothing would ever be due.
        """
        return math.ulp(self._virtual.now)

    @_clock_resolution.setter
    def _clock_resolution(self, _: float) -> None:
        """Ignore what asyncio measures of the real clock."""

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._virtual.now

    @contextmanager
    def real_work(self) -> Iterator[None]:
        """While inside, time stands still and the loop really waits: something outside is at work."""
        self._virtual.real_work += 1
        try:
            yield
        finally:
            self._virtual.real_work -= 1

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run in a thread as usual; virtual time stands still until it is done, so no timeout comes early."""
        self._virtual.real_work += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self) -> None:
        """Wait, really, for the threads to end."""
        with self.real_work():
            await super().shutdown_default_executor()

    def _thread_done(self, _: asyncio.Future[Any]) -> None:
        self._virtual.real_work -= 1


def new_virtual_loop() -> VirtualLoop:
    """Return a new loop: ``asyncio.Runner(loop_factory=new_virtual_loop)``."""
    return VirtualLoop()


class VirtualClock:
    """A ``Clock`` on the running virtual loop. The wall clock can be set, as people and time servers do."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self._start = start

    def now(self) -> datetime:
        """Return the wall clock, UTC."""
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Return the loop's virtual seconds."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait, in no real time; never wakes early."""
        until = self.monotonic() + seconds
        await asyncio.sleep(max(seconds, 0.0))
        while (left := until - self.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left)  # the rest that rounding left over

    def set_wall(self, forward_s: float) -> None:
        """Set the wall clock forward (negative: back); the monotonic clock does not notice."""
        self._start += timedelta(seconds=forward_s)


class SeededEntropy:
    """Randomness that a seed repeats exactly."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311  # repeatable on purpose, never used in production

    def bytes(self, count: int) -> bytes:
        """Return ``count`` random bytes."""
        return self._random.randbytes(count)

    def uniform(self, low: float, high: float) -> float:
        """Return a random number between the two."""
        return self._random.uniform(low, high)
