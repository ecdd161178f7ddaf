"""Who may go on now: one lock per name, and rooms for a few at once with a bounded queue before the door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from messages.errors import Refusal


class NamedLocks:
    """Serialises what concerns the same thing; different names do not wait for each other."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def held(self, name: str) -> AsyncIterator[None]:
        """Hold the lock called ``name``."""
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = asyncio.Lock()
        async with lock:
            yield


class Room:
    """Lets ``inside_max`` work at once and ``waiting_max`` wait; more are refused with ``E-BUSY``."""

    def __init__(self, inside_max: int, waiting_max: int) -> None:
        self._door = asyncio.Semaphore(inside_max)
        self._waiting_max = waiting_max
        self._waiting = 0

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[None]:
        """Be inside. Raises Refusal ``E-BUSY`` when too many wait already."""
        if self._door.locked() and self._waiting >= self._waiting_max:
            raise Refusal("E-BUSY")
        self._waiting += 1
        try:
            await self._door.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._door.release()
