"""Copies on this computer of what lies in a store elsewhere, bounded in bytes; those unused for longest go first.

What is on its way up (``ARRIVING``) lies on the same disk. It counts, and is never taken away: it is nowhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final, cast

from messages.storage import ObjectInfo
from providers.interface import CloudStorageProvider, NotFound, Unavailable
from providers.seams import ProviderClock

COPIES_BYTES_MAX: Final = 20 << 30
"""All copies together; the newest one is kept whatever its size."""
FETCHES_AT_ONCE: Final = 2
IN_USE_S: Final = 1200.0
"""A copy that was handed out stays for so long: twice what the longest program takes that reads one."""
ARRIVING: Final = "incoming"
"""Folder in which uploads arrive (``actors.storage.access.INCOMING``, held equal by a test)."""


class NearCopies:
    """Near a store elsewhere. One object is fetched once, however many ask for it at a time."""

    def __init__(
        self,
        store: CloudStorageProvider,
        disk: CloudStorageProvider,
        clock: ProviderClock,
        bytes_max: int = COPIES_BYTES_MAX,
    ) -> None:
        self._store = store
        self._disk = disk
        self._clock = clock
        self._bytes_max = bytes_max
        self._fetching: dict[str, asyncio.Task[None]] = {}
        self._coming: dict[str, int] = {}
        """Copies that are being written → bytes room was made for."""
        self._used: dict[str, float] = {}
        """Copies → when they were last handed out; of those that are gone until the next look at the disk."""
        self._room = asyncio.Semaphore(FETCHES_AT_ONCE)

    @property
    def disk(self) -> CloudStorageProvider:
        """The store on this computer's disk."""
        return self._disk

    async def fetch(self, key: str) -> str:
        """Return the path of a copy as long as the object is now. Objects are write-once, so that is the object.

        Whoever knows its digest and finds another one calls ``forget`` and fetches once more.
        """
        wanted = await self._store.stat(key)
        self._used[key] = self._clock.monotonic()
        if await self._size_here(key) != wanted.size_bytes:
            task = self._fetching.get(key)
            if task is None:
                task = asyncio.get_running_loop().create_task(self._bring(key, wanted), name=f"fetch {key}")
                self._fetching[key] = task
                task.add_done_callback(lambda _: self._fetching.pop(key, None))
            await asyncio.shield(task)
        self._used[key] = self._clock.monotonic()
        return self._disk.machine_path(key)

    async def has(self, key: str, size_bytes: int) -> bool:
        """Say whether a copy of that length is here."""
        return await self._size_here(key) == size_bytes

    async def keep(self, source: str, key: str) -> None:
        """Keep a file of this disk as the copy of ``key`` too, within the bound. Raises NotFound or Unavailable."""
        found = await self._disk.stat(source)
        await self._write(key, found.size_bytes, self._disk.get(source))

    async def forget(self, key: str) -> None:
        """Delete the copy of an object, which turned out to be damaged or is not needed. Raises Unavailable."""
        self._used.pop(key, None)
        await self._disk.delete(key)

    async def close(self) -> None:
        """End what is being fetched, and let go of the disk."""
        tasks = list(self._fetching.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._disk.close()

    async def _size_here(self, key: str) -> int | None:
        try:
            return (await self._disk.stat(key)).size_bytes
        except NotFound:
            return None

    async def _bring(self, key: str, wanted: ObjectInfo) -> None:
        async with self._room:
            stored = await self._write(key, wanted.size_bytes, self._store.get(key))
        if stored.size_bytes != wanted.size_bytes:
            await self._disk.delete(key)
            raise Unavailable("the copy is not as long as the object")

    async def _write(self, key: str, size_bytes: int, chunks: AsyncIterator[bytes]) -> ObjectInfo:
        self._coming[key] = size_bytes
        try:
            await self._make_room()
            async with aclosing(cast("AsyncGenerator[bytes, None]", chunks)) as stream:
                return await self._disk.put(key, stream)
        finally:
            self._coming.pop(key, None)

    async def _make_room(self) -> None:
        """Delete copies until what is coming fits, or all that are left are in use or still to arrive."""
        now, wall = self._clock.monotonic(), self._clock.now()
        here: list[tuple[float, str, int]] = []
        used = sum(self._coming.values())
        handed: dict[str, float] = {}
        async for found in self._disk.list(""):
            if found.key in self._coming:
                continue
            used += found.size_bytes
            if found.key in self._used:
                handed[found.key] = self._used[found.key]
            unused_s = now - handed[found.key] if found.key in handed else (wall - found.modified).total_seconds()
            if ARRIVING not in found.key.split("/") and not (found.key in handed and unused_s < IN_USE_S):
                here.append((-unused_s, found.key, found.size_bytes))
        self._used = {key: at for key, at in self._used.items() if key in handed or now - at < IN_USE_S}
        for _, key, size_bytes in sorted(here):
            if used <= self._bytes_max:
                return
            if now - self._used.get(key, now - IN_USE_S) < IN_USE_S:
                continue  # handed out while the disk was looked at
            await self._disk.delete(key)
            used -= size_bytes
