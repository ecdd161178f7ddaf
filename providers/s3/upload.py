"""A stream of any size into one object, in bounded memory: whole or not at all.

Up to ``SINGLE_BYTES_MAX`` one PUT, above it a multipart upload whose parts grow, so that small objects begin early and
large ones have few parts (thousands made Complete fail, fact sheet 5.2). What was stored is looked at before it counts.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from messages.storage import ObjectInfo
from providers.interface import Conflict, NotFound, ProviderError, Refused, Unavailable
from providers.s3 import xml
from providers.s3.client import Head, S3Client
from providers.s3.endings import drop, finish
from providers.s3.errors import BadRequest, NoUpload, TooLarge, Unclear
from providers.s3.listing import listing
from providers.s3.pieces import Part, PartReader
from providers.s3.settings import PART_BYTES_MAX

SINGLE_BYTES_MAX: Final = 5 << 20
"""Largest object that is sent in one PUT."""
PARTS_MAX: Final = 10_000
"""S3's own limit."""
PARTS_OF_A_SIZE: Final = 64
"""After so many parts the next are larger, to a third of the window: one is read while two are sent."""
PARTS_MANY: Final = 1024
"""After so many they are half the window: few parts count more than speed then."""
COMPLETE_TRIES: Final = 3
LOOKS: Final = 4
"""How often a store is asked for an object that it said it made, before it counts as lost."""
COMPLETE_S_A_GB: Final = 5.0
"""The vendor's own helper allows so much (fact sheet 5.2)."""


async def upload(client: S3Client, key: str, chunks: AsyncIterator[bytes], *, exclusive: bool = False) -> ObjectInfo:
    """Store the stream and return what is stored, size looked up and digest of what was sent.

    ``exclusive`` looks before it writes: a writer between look and write is not noticed. Raises Conflict, Unavailable,
    Refused and what the stream raises; then no part of it is ever visible, and none is left where the store answers.
    After Unavailable or a cancellation the whole object may be there all the same, or may yet appear.
    """
    if exclusive and await find(client, key) is not None:
        raise Conflict("the object exists")
    reader = PartReader(chunks)
    begun = await reader.next(SINGLE_BYTES_MAX + 1)
    if begun.size_bytes <= SINGLE_BYTES_MAX:
        try:
            etag = await _put(client, key, begun, exclusive=exclusive)
        except BadRequest:
            if not await clear_folder(client, key):
                raise
            etag = await client.put(key, begun.pieces)
        found = await stored(client, key, begun.size_bytes, etag)
    else:
        found = await _Multipart(client, key, reader).run(begun, exclusive=exclusive)
    modified = found.modified or client.clock.now()
    return ObjectInfo(key=key, size_bytes=found.size_bytes, modified=modified, sha256=reader.sha256)


async def _put(client: S3Client, key: str, body: Part, *, exclusive: bool) -> str:
    """Send a small object; where the store has conditions, only if there is none still.

    What became of one whose answers were lost is settled by looking: it is there if its bytes are, or, exclusively, its
    size, as nothing was there a moment ago. A repeated conditional write conflicts with its own first try, too.
    """
    absent = exclusive and client.settings.has_conditions
    try:
        return await client.put(key, body.pieces, absent=absent)
    except (Unavailable, Conflict) as error:
        try:
            found = await find(client, key)
        except Unavailable:
            raise error from None
        same_size = found is not None and found.size_bytes == body.size_bytes
        if found is None or not same_size:
            raise
        if found.etag.strip('"') == body.md5() or (exclusive and isinstance(error, Unavailable)):
            return found.etag
        raise


async def find(client: S3Client, key: str) -> Head | None:
    """Return what is stored under a key, or None."""
    try:
        return await client.head(key)
    except NotFound:
        return None


async def clear_folder(client: S3Client, key: str) -> bool:
    """Remove an empty folder that has the key's name, left by objects deleted earlier. False where there is none.

    Nothing is removed while any listing shows something below it.
    """
    if not client.settings.has_folders or await listing(client, f"{key}/"):
        return False
    await client.delete(f"{key}/")
    return True


async def stored(client: S3Client, key: str, size_bytes: int, etag: str) -> Head:
    """Return what is stored once it has the right size. Raises Unavailable for what is absent or short (fault 36)."""
    found: Head | None = None
    for look in range(1, LOOKS + 1):
        found = await find(client, key)
        if found is not None and found.size_bytes == size_bytes:
            return found
        if look < LOOKS:
            await client.pause(look)
    if found is None:
        raise Unavailable("put: the store said it was stored, and does not have it")
    if etag and found.etag == etag:  # what we sent, cut: not an older object
        with suppress(ProviderError):
            await client.delete(key)
    raise Unavailable(f"put: the store has {found.size_bytes} of {size_bytes} bytes")


class _Multipart:
    """One multipart upload on its way."""

    def __init__(self, client: S3Client, key: str, reader: PartReader) -> None:
        self._client = client
        self._key = key
        self._reader = reader
        self._id = ""
        self._sent: dict[int, xml.Part] = {}
        self._tasks: dict[asyncio.Task[xml.Part], int] = {}
        """In flight → bytes held for it."""
        self._number = 0
        self._size = client.settings.part_bytes
        self._size_max = PART_BYTES_MAX
        self._proven = 0
        """Largest part the store has taken."""

    async def run(self, begun: Part, *, exclusive: bool) -> Head:
        """Send what was read, then the rest of the stream, and make the object of it."""
        self._id = await self._client.create_upload(self._key)
        try:
            await self._send_all(begun)
            before = await find(self._client, self._key)
            if exclusive and before is not None:
                raise Conflict("the object exists")
            return await self._complete(before, absent=exclusive and self._client.settings.has_conditions)
        except BaseException:
            await finish(self._give_up())
            raise

    async def _send_all(self, begun: Part) -> None:
        more = await self._reader.next(max(self._size - begun.size_bytes, 0))
        part = Part([*begun.pieces, *more.pieces])
        del begun, more
        while part.size_bytes:
            await self._room_for(part.size_bytes)
            await self._send(part)
            del part
            self._grow()
            await self._room_for(self._size)
            part = await self._reader.next(self._size)
        await self._room_for(self._client.settings.window_bytes + 1)

    async def _room_for(self, size_bytes: int) -> None:
        """Wait until so much more may be held; the oldest part in flight is waited for. Raises what a part raises."""
        settings = self._client.settings
        while self._tasks and (
            sum(self._tasks.values()) + size_bytes > settings.window_bytes or len(self._tasks) >= settings.concurrency
        ):
            await asyncio.wait(list(self._tasks), return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in self._tasks if task.done()]:
                del self._tasks[task]
                self._took(task.result())

    async def _send(self, part: Part) -> None:
        """Put a part on its way. The first of a size goes alone: should it be too large, nothing follows it yet."""
        if part.size_bytes <= self._proven:
            self._begin(part)
            return
        await self._room_for(self._client.settings.window_bytes + 1)
        try:
            self._took(await self._client.upload_part(self._key, self._id, self._next_number(), part.pieces))
        except TooLarge:
            halves = part.halves()
            if halves is None:
                raise
            self._size = self._size_max = max(halves[0].size_bytes, 1)
            self._number -= 1
            for half in halves:
                self._took(await self._client.upload_part(self._key, self._id, self._next_number(), half.pieces))

    def _begin(self, part: Part) -> None:
        number = self._next_number()
        work = self._client.upload_part(self._key, self._id, number, part.pieces)
        self._tasks[asyncio.create_task(work, name=f"part {number}")] = part.size_bytes

    def _took(self, part: xml.Part) -> None:
        self._sent[part.number] = part
        self._proven = max(self._proven, part.size_bytes)

    def _next_number(self) -> int:
        self._number += 1
        if self._number > PARTS_MAX:
            raise Refused(f"the object needs more than {PARTS_MAX} parts")
        return self._number

    def _grow(self) -> None:
        settings = self._client.settings
        share = settings.window_bytes // (3 if self._number < PARTS_MANY else 2)
        if self._number % PARTS_OF_A_SIZE == 0 and self._size < share:
            self._size = min(self._size + settings.part_bytes, share, self._size_max)

    async def _complete(self, before: Head | None, *, absent: bool) -> Head:
        """Have the object made. An unclear answer is settled by looking at the key, never by sending all again."""
        parts = [self._sent[number] for number in sorted(self._sent)]
        size = self._reader.size_bytes
        total_s = max(self._client.settings.complete_s, COMPLETE_S_A_GB * size / 1e9)
        for tried in range(1, COMPLETE_TRIES + 1):
            try:
                await self._client.complete(self._key, self._id, parts, total_s * 2 ** (tried - 1), absent=absent)
            except BadRequest:
                if tried > 1 or not await clear_folder(self._client, self._key):
                    raise
            except (Unavailable, NoUpload) as error:
                patience_s = total_s if isinstance(error, (Unclear, NoUpload)) else 0.0
                found = await self._made(parts, before, patience_s)
                if found is not None:
                    return found
                if isinstance(error, NoUpload) or tried == COMPLETE_TRIES:
                    raise Unavailable(f"{error}, and the object is not there") from error
            else:
                return await stored(self._client, self._key, size, entity_tag(parts))
        raise Unavailable("complete: not answered")

    async def _made(self, parts: list[xml.Part], before: Head | None, patience_s: float) -> Head | None:
        """Return the object if it is the one that was sent: of the right size, and not what was there before."""
        clock = self._client.clock
        until = clock.monotonic() + patience_s
        look = 0
        while True:
            look += 1
            with suppress(Unavailable):
                found = await find(self._client, self._key)
                if (
                    found is not None
                    and found.size_bytes == self._reader.size_bytes
                    and (found.etag == entity_tag(parts) or found != before)
                ):
                    return found
            if clock.monotonic() >= until:
                return None
            await self._client.pause(look)

    async def _give_up(self) -> None:
        """End what is in flight and drop the parts; what the store does not hear, the sweep finds later."""
        await drop(list(self._tasks))
        self._tasks.clear()
        with suppress(ProviderError):
            await self._client.abort(self._key, self._id)


def entity_tag(parts: list[xml.Part]) -> str:
    """Return the tag that S3 gives an object of these parts, or nothing where their own tags are no digests."""
    try:
        digests = b"".join(bytes.fromhex(part.etag.strip('"')) for part in parts)
    except ValueError:
        return ""
    return f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"'
