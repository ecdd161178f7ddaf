"""Virtual time: an event loop that jumps to the next timer instead of waiting for it.

For tests and simulation of code that waits on nothing but timers and other tasks. What happens outside (threads,
subprocesses, sockets to another process) takes real time: it belongs under ``VirtualLoop.real_work`` or on a real loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import math
import random
import selectors
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""Where the wall clock of virtual time starts unless told otherwise."""


class Deadlock(RuntimeError):
    """Every task waits and no timer is set: in virtual time nothing will ever happen again."""


CANCELLED_MIN: Final = 100
"""Timers from which on cancelled ones are cleared away once they are half of all, as asyncio does."""
JUMP_S_MAX: Final = 24 * 3600.0
"""The longest wait of one round, as asyncio has it."""


class _VirtualSelector(selectors.DefaultSelector):
    """A selector that lets time pass instead of blocking, except while real work is pending."""

    now = 0.0
    real_work = 0

    _fd_to_key: Mapping[int, selectors.SelectorKey]
    """The loop's own wake-up pipe is always in it; a second descriptor is a socket something may come from."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        if self.real_work:
            return super().select(None)
        if timeout is None and len(self._fd_to_key) <= 1:
            raise Deadlock("every task waits, no timer is set and no real work is pending")
        events = super().select(0 if timeout is not None else None)
        if not events and timeout is not None:
            self.now += timeout
        return events


def _nothing() -> None:
    """What a cancelled callback is."""


class _Soon(asyncio.Handle):
    """A callback, made without asking each time whether the loop is being debugged: a simulation makes millions."""

    __slots__ = ()

    _callback: Callable[..., object]
    _context: contextvars.Context
    _loop: asyncio.AbstractEventLoop
    _repr: str | None
    _source_traceback: object

    def __init__(  # what asyncio's own sets, and nothing is asked
        self,
        callback: Callable[..., object],
        args: Sequence[Any],
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context | None,
    ) -> None:
        self._context = contextvars.copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None


class _Later(_Soon, asyncio.TimerHandle):
    """A callback for a time."""

    __slots__ = ()

    _when: float
    _scheduled: bool

    def cancel(self) -> None:
        """Never call; every sleep does so once it is over."""
        if not self._cancelled:
            self._loop._timer_handle_cancelled(self)  # type: ignore[attr-defined]
            self._cancelled = True
            self._callback, self._args = _nothing, ()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose ``time()`` starts at 0 and jumps when idle.

    It runs the same callbacks in the same order as asyncio's own would; but where nothing can come from outside it does
    not ask the system each round, and its timers are compared without a call. That is half of what a round costs.
    """

    _closed: bool
    _debug: bool
    _ready: deque[asyncio.Handle]
    _scheduled: list[tuple[float, asyncio.TimerHandle]]
    """A heap, by time."""
    _stopping: bool
    _timer_cancelled_count: int

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

    def call_soon(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """Call in the next round."""
        if self._debug or self._closed:
            return super().call_soon(callback, *args, context=context)
        handle = _Soon(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call at a time."""
        self._check_closed()  # type: ignore[attr-defined]
        handle = _Later(callback, args, self, context)
        handle._when, handle._scheduled = when, True
        heapq.heappush(self._scheduled, (when, handle))
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call after some seconds."""
        return self.call_at(self._virtual.now + delay, callback, *args, context=context)

    def _run_once(self) -> None:
        """Run one round: what is ready, after what has become due."""
        ready, virtual = self._ready, self._virtual
        self._clear_cancelled()
        wait_s = None
        if ready or self._stopping:
            wait_s = 0.0
        elif self._scheduled:
            wait_s = min(max(0.0, self._scheduled[0][0] - virtual.now), JUMP_S_MAX)
        if wait_s is not None and not virtual.real_work and len(virtual._fd_to_key) == 1:
            virtual.now += wait_s
        else:
            self._process_events(virtual.select(wait_s))  # type: ignore[attr-defined]
        scheduled, due = self._scheduled, virtual.now + math.ulp(virtual.now)
        while scheduled and scheduled[0][0] < due:
            handle: Any = heapq.heappop(scheduled)[1]
            handle._scheduled = False
            ready.append(handle)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            try:
                handle._context.run(handle._callback, *handle._args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                words = {"message": f"Exception in callback {handle!r}", "exception": error, "handle": handle}
                self.call_exception_handler(words)

    def _clear_cancelled(self) -> None:
        """Take cancelled timers away: from the front, or all where there are many."""
        scheduled = self._scheduled
        many = len(scheduled) > CANCELLED_MIN and self._timer_cancelled_count / len(scheduled) > 0.5
        if many:
            for _, handle in scheduled:
                handle._scheduled = not handle.cancelled()  # type: ignore[attr-defined]
            self._scheduled = [entry for entry in scheduled if not entry[1].cancelled()]
            heapq.heapify(self._scheduled)
            self._timer_cancelled_count = 0
            return
        while scheduled and scheduled[0][1]._cancelled:
            self._timer_cancelled_count -= 1
            handle = heapq.heappop(scheduled)[1]
            handle._scheduled = False  # type: ignore[attr-defined]

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
        now_s: float = asyncio.get_running_loop()._virtual.now  # type: ignore[attr-defined]
        return self._start + timedelta(seconds=now_s)

    def monotonic(self) -> float:
        """Return the loop's virtual seconds."""
        return asyncio.get_running_loop()._virtual.now  # type: ignore[attr-defined,no-any-return]

    async def sleep(self, seconds: float) -> None:
        """Wait, in no real time; never wakes early."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        await asyncio.sleep(max(seconds, 0.0))
        while (left := until - loop.time()) > 0:  # noqa: ASYNC110
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
