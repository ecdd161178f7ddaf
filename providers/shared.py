"""One answer for all who ask at the same time: a call is made once and serves every need that arose before it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, NamedTuple, TypeVar

from providers.seams import ProviderClock

T = TypeVar("T")


class _Flight(NamedTuple, Generic[T]):
    number: int
    began: float
    task: asyncio.Task[T]


class _Answer(NamedTuple, Generic[T]):
    number: int
    began: float
    value: T


class Shared(Generic[T]):
    """Keeps the last answer, and the call that is out. Failures are told to those who wait, and not kept.

    Whoever waits can be cancelled without ending the call for the others.
    """

    def __init__(self, clock: ProviderClock, make: Callable[[], Coroutine[Any, Any, T]], name: str) -> None:
        self._clock = clock
        self._make = make
        self._name = name
        self._made = 0
        self._begun = 0
        """Number of the last call that has begun, and so may have looked already."""
        self._last: _Answer[T] | None = None
        self._flight: _Flight[T] | None = None

    async def begun_since(self, moment: float) -> T:
        """Return an answer to a call that began at ``moment`` (monotonic seconds) or later. Raises what it raised."""
        return await self._one_that(lambda call: call.began >= moment)

    async def anew(self) -> T:
        """Return an answer to a call that begins after this one did, however little time passes."""
        before = self._begun
        return await self._one_that(lambda call: call.number > before)

    async def _one_that(self, fits: Callable[[_Answer[T] | _Flight[T]], bool]) -> T:
        while True:
            if self._last is not None and fits(self._last):
                return self._last.value
            flight = self._flight
            if flight is None or flight.task.done():
                flight = self._start()
            if fits(flight):
                return await asyncio.shield(flight.task)
            await asyncio.wait({flight.task})

    async def close(self) -> None:
        """End the call that is out."""
        if self._flight is not None:
            self._flight.task.cancel()
            await asyncio.gather(self._flight.task, return_exceptions=True)
            self._flight = None

    def _start(self) -> _Flight[T]:
        self._made += 1
        began = self._clock.monotonic()
        task = asyncio.get_running_loop().create_task(self._fly(self._made, began), name=self._name)
        task.add_done_callback(_looked_at)
        self._flight = _Flight(self._made, began, task)
        return self._flight

    async def _fly(self, number: int, began: float) -> T:
        self._begun = number
        value = await self._make()
        self._last = _Answer(number, began, value)
        return value


def _looked_at(task: asyncio.Task[Any]) -> None:
    """Take the error of a call that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
