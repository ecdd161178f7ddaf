"""A deadline on the clock given: like ``asyncio.timeout``, but its time comes from the world and can be moved."""

from __future__ import annotations

import asyncio
from types import TracebackType

from actors.runtime.world import Clock


class Deadline:
    """``async with Deadline(clock, seconds) as d`` raises ``TimeoutError`` in its body after ``seconds``.

    ``d.renew()`` starts the span anew. Cancelling is left to ``asyncio.timeout``, which knows how to tell its own
    cancellation from somebody else's; only the moment it fires is decided here.
    """

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._until = clock.monotonic() + seconds
        self._timeout = asyncio.timeout(None)
        self._timer: asyncio.Task[None] | None = None

    def renew(self) -> None:
        """Start the span anew from now."""
        self._until = self._clock.monotonic() + self._seconds

    async def __aenter__(self) -> Deadline:
        await self._timeout.__aenter__()
        self._timer = asyncio.create_task(self._fire(), name="admin-deadline")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        await self._timeout.__aexit__(kind, error, trace)

    async def _fire(self) -> None:
        while (left := self._until - self._clock.monotonic()) > 0:
            await self._clock.sleep(left)
        self._timeout.reschedule(asyncio.get_running_loop().time())
