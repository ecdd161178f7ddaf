"""Copies on this computer of what lies in a store elsewhere, bounded in bytes; the oldest go first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

from messages.storage import ObjectInfo
from providers.interface import CloudStorageProvider, NotFound, Unavailable

COPIES_BYTES_MAX = 20 << 30
"""All copies together; the newest one is kept whatever its size."""
FETCHES_AT_ONCE = 2


class NearCopies:
    """Near a store elsewhere. One object is fetched once, however many ask for it at a time."""

    def __init__(
        self, store: CloudStorageProvider, disk: CloudStorageProvider, bytes_max: int = COPIES_BYTES_MAX
    ) -> None:
        self._store = store
        self._disk = disk
        self._bytes_max = bytes_max
        self._fetching: dict[str, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(FETCHES_AT_ONCE)

    @property
    def disk(self) -> CloudStorageProvider:
        """The store on this computer's disk."""
        return self._disk

    async def fetch(self, key: str) -> str:
        """Return the path of a copy as long as the object is now. Objects are write-once, so that is the object."""
        wanted = await self._store.stat(key)
        if await self._size_here(key) != wanted.size_bytes:
            task = self._fetching.get(key)
            if task is None:
                task = asyncio.get_running_loop().create_task(self._bring(key, wanted), name=f"fetch {key}")
                self._fetching[key] = task
                task.add_done_callback(lambda _: self._fetching.pop(key, None))
            await asyncio.shield(task)
        return self._disk.machine_path(key)

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
            await self._make_room(wanted.size_bytes)
            async with aclosing(cast("AsyncGenerator[bytes, None]", self._store.get(key))) as chunks:
                stored = await self._disk.put(key, chunks)
            if stored.size_bytes != wanted.size_bytes:
                await self._disk.delete(key)
                raise Unavailable("the copy is not as long as the object")

    async def _make_room(self, size_bytes: int) -> None:
        here = [found async for found in self._disk.list("")]
        here.sort(key=lambda found: (found.modified, found.key))
        used = sum(found.size_bytes for found in here)
        for found in here:
            if used + size_bytes <= self._bytes_max:
                return
            await self._disk.delete(found.key)
            used -= found.size_bytes
