"""An object as an ordered stream, read in several ranges at once within a bounded window.

A break continues where it broke; an object that is replaced meanwhile is noticed by its entity tag and ends the stream
with Unavailable rather than with a mixture of two.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Final

from providers.interface import NotFound, ProviderError, Unavailable
from providers.s3.client import S3Client, may_repeat
from providers.s3.endings import drop
from providers.s3.errors import Replaced
from providers.s3.opening import Download, unanswered
from providers.transport import TransportError

RANGES_FAST: Final = 4
"""Ranges in flight while each comes quickly: more would only cost memory and its caches."""
SLOW_S: Final = 1.0
"""A range that takes longer shows a slow or distant store, which more ranges at once make up for."""


async def download(client: S3Client, key: str, offset: int = 0) -> AsyncGenerator[bytes, None]:
    """Yield the object from ``offset`` on, in pieces of at most 1 MiB. Raises NotFound, Refused or Unavailable."""
    size = client.settings.part_bytes
    most = max(1, min(client.settings.concurrency, client.settings.window_bytes // size))
    ahead = min(most, RANGES_FAST)
    version = _Version()
    ranges = deque([_Range(client, key, version, offset, offset + size)])
    try:
        total = await ranges[0].total()
        begun = ranges[0].end
        while ranges or begun < total:
            while len(ranges) < ahead and begun < total:
                ranges.append(_Range(client, key, version, begun, min(begun + size, total)))
                begun += size
                await asyncio.sleep(0)  # it asks now, not when all that is ready has been taken: a server never waits
            while piece := await ranges[0].next():
                yield piece
            if ranges[0].seconds > SLOW_S:
                ahead = most
            ranges.popleft()
    finally:
        await drop([one.task for one in ranges])


class _Version:
    """Which version of the object is being read: the first range tells, the others must agree."""

    def __init__(self) -> None:
        self._seen: tuple[str, int] | None = None

    @property
    def known(self) -> bool:
        """Whether any of it was read."""
        return self._seen is not None

    def check(self, found: Download) -> None:
        """Raises Replaced when the object is not the one it was."""
        seen = (found.etag, found.total)
        self._seen = self._seen or seen
        if seen != self._seen:
            raise Replaced("get: the object was replaced while it was read")


class _Range:
    """One range on its way: a task fills it, the reader empties it. Holds at most its own size."""

    def __init__(self, client: S3Client, key: str, version: _Version, first: int, end: int) -> None:
        self.first = first
        """Where the next byte goes that comes in."""
        self.end = end
        """One past the last byte; the object may end before."""
        self.seconds = 0.0
        """How long it took, once it is over."""
        self._client = client
        self._key = key
        self._version = version
        self._ready: deque[bytes] = deque()
        self._total: int | None = None
        self._over = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.task = asyncio.create_task(self._fill(), name=f"range {first}")

    async def total(self) -> int:
        """Return the size of the whole object, once the first answer tells it."""
        while self._total is None and not self._over:
            await self._wait()
        if self._total is None:
            raise self._error or Unavailable("get: the store gave no size")
        return self._total

    async def next(self) -> bytes:
        """Return the next piece in order, or nothing at the end."""
        while not self._ready and not self._over:
            await self._wait()
        if self._ready:
            return self._ready.popleft()
        if self._error is not None:
            raise self._error
        return b""

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _fill(self) -> None:
        began = self._client.clock.monotonic()
        try:
            await self._read()
        except asyncio.CancelledError:
            self._error = Unavailable("get: cancelled")
            raise
        except Exception as error:
            self._error = error
        finally:
            self.seconds = self._client.clock.monotonic() - began
            self._over = True
            self._wake()

    async def _read(self) -> None:
        """Read the range, again from where it broke while the tries last."""
        for tried in range(1, self._client.settings.tries + 1):
            try:
                await self._read_once()
            except TransportError as error:
                fault: ProviderError = unanswered("get", error)
            except Replaced:
                raise
            except NotFound as error:
                if self._version.known:
                    raise Replaced("get: the object was deleted while it was read") from error
                raise
            except ProviderError as error:
                fault = error
            else:
                return
            if not may_repeat(fault, tried, self._client.settings.tries):
                raise fault
            await self._client.pause(tried)

    async def _read_once(self) -> None:
        """Read on from ``first`` until ``end`` or the end of the object. A store may ignore ranges and send all."""
        async with self._client.get(self._key, self.first, self.end - 1) as found:
            self._version.check(found)
            self._total = found.total
            self._wake()
            end = min(self.end, found.total)
            skip = self.first - found.first
            if skip < 0:
                raise Unavailable("get: the store sent what lies behind the bytes that were asked for")
            async for piece in found.chunks:
                size = len(piece)
                if skip > 0 or self.first + size > end:
                    piece = piece[skip:][: end - self.first] if skip < size else b""
                    skip = max(skip - size, 0)
                if piece:
                    self.first += len(piece)
                    self._ready.append(piece)
                    self._wake()
                if self.first >= end and size != len(piece):
                    break  # more would come
        if self.first < end:
            raise Unavailable("get: the store sent less than it said")
