"""One answer for all who ask at the same time: a call is made once and serves every need that arose before it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, NamedTuple, TypeVar

from providers.interface import ProviderClock

T = TypeVar("T")


class _Flight(NamedTuple, Generic[T]):
    began: float
    task: asyncio.Task[T]


class Shared(Generic[T]):
    """Keeps the last answer, and the call that is out. Failures are told to those who wait, and not kept.

    Whoever waits can be cancelled without ending the call for the others.
    """

    def __init__(self, clock: ProviderClock, make: Callable[[], Coroutine[Any, Any, T]], name: str) -> None:
        self._clock = clock
        self._make = make
        self._name = name
        self._last: tuple[float, T] | None = None
        self._flight: _Flight[T] | None = None

    async def begun_since(self, moment: float) -> T:
        """Return an answer to a call that began at ``moment`` (monotonic seconds) or later. Raises what it raised."""
        while True:
            if self._last is not None and self._last[0] >= moment:
                return self._last[1]
            flight = self._flight
            if flight is None or flight.task.done():
                flight = self._start()
            if flight.began >= moment:
                return await asyncio.shield(flight.task)
            await asyncio.wait({flight.task})

    def forget(self) -> None:
        """Drop the answer that is kept."""
        self._last = None

    async def close(self) -> None:
        """End the call that is out."""
        if self._flight is not None:
            self._flight.task.cancel()
            await asyncio.gather(self._flight.task, return_exceptions=True)
            self._flight = None

    def _start(self) -> _Flight[T]:
        began = self._clock.monotonic()
        task = asyncio.get_running_loop().create_task(self._fly(began), name=self._name)
        task.add_done_callback(_looked_at)
        self._flight = _Flight(began, task)
        return self._flight

    async def _fly(self, began: float) -> T:
        answer = await self._make()
        if self._last is None or self._last[0] <= began:
            self._last = (began, answer)
        return answer


def _looked_at(task: asyncio.Task[Any]) -> None:
    """Take the error of a call that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
