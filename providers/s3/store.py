"""Objects in one bucket: the whole of ``CloudStorageProvider`` over the S3 client, for every cloud with an S3 API.

What a store does not promise is made up for here and in the modules beside: sizes are looked up after every upload, the
digest is made while the bytes pass, unclear answers are settled by looking. Digests are kept beside objects by whoever
needs them later.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from messages.storage import ObjectInfo
from providers.interface import CloudStorageProvider, NotFound, ProviderError, Refused, StorageFull, Unavailable
from providers.keys import split_key
from providers.s3.client import S3Client
from providers.s3.download import download
from providers.s3.endings import finish
from providers.s3.listing import folders, listing
from providers.s3.upload import find, upload

PROBE: Final = b"lastcall looks whether this store takes a file"
PROBES: Final = ".lastcall-probe-"
"""How keys of such files begin; a bucket with versions keeps them for a while."""
LIST_BATCH: Final = 256
"""Entries of a listing after which others get their turn."""
SWEEP_PAGES_MAX: Final = 50
"""Pages of unfinished uploads looked at in one sweep."""


class S3Store(CloudStorageProvider):
    """Keeps objects in one bucket, which machines see as files below ``mount_path``."""

    def __init__(self, client: S3Client, mount_path: str) -> None:
        """The client's transport is closed by whoever opened it."""
        self.client = client
        self._mount = "/" + mount_path.strip("/")

    def clock_off_s(self) -> float | None:
        """Return by how many seconds the store's clock is ahead of ours, as of its last answer."""
        return self.client.dated.off_s(self.client.clock)

    async def put(self, key: str, chunks: AsyncIterator[bytes], *, exclusive: bool = False) -> ObjectInfo:
        """Store a stream; at most one window of it is in memory, whatever its size.

        ``exclusive`` is a condition of the write where the store knows such conditions. Where it does not, it is a
        look, then a write, and for large objects a second look before they appear: another writer between look and
        write is not noticed and the later one wins. That is enough for keys which only this daemon writes; what a
        machine and the daemon may both write is decided by files on the volume itself (design 7).
        """
        split_key(key)
        return await upload(self.client, key, chunks, exclusive=exclusive)

    def get(self, key: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """Stream one object; one that is replaced meanwhile ends in Unavailable."""
        split_key(key)
        return download(self.client, key, offset)

    async def stat(self, key: str) -> ObjectInfo:
        """Return size and time of one object."""
        split_key(key)
        found = await self.client.head(key)
        return ObjectInfo(key=key, size_bytes=found.size_bytes, modified=found.modified or self._now())

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """Stream what is under ``prefix``. The store may not know of what was written just now: prefer known keys."""
        if prefix:
            split_key(prefix.removesuffix("/"))
        for number, entry in enumerate(await listing(self.client, prefix), 1):
            if number % LIST_BATCH == 0:
                await self.client.clock.sleep(0)
            yield ObjectInfo(key=entry.key, size_bytes=entry.size_bytes, modified=entry.modified or self._now())

    async def folders(self, prefix: str) -> Sequence[str]:
        """Return the names of the folders right below ``prefix``, which ends in a slash. Raises Unavailable."""
        split_key(prefix.removesuffix("/"))
        return await folders(self.client, prefix)

    async def copy(self, source: str, target: str) -> ObjectInfo:
        """Copy in the store and read the copy, for its digest; through this computer where the store does not do it.

        Not every refusal or silence of this one call is the store's last word (fact sheet 5.2): what can be read and
        written is not lost for want of a copy.
        """
        split_key(source)
        split_key(target)
        found = await self.client.head(source)
        try:
            await self.client.copy(source, target, found.size_bytes)
        except (NotFound, StorageFull):
            raise
        except (Refused, Unavailable):
            return await self.put(target, self.get(source))
        digest, size = hashlib.sha256(), 0
        with suppress(NotFound):
            async for piece in self.get(target):
                digest.update(piece)
                size += len(piece)
        if size != found.size_bytes:  # said to be made, and is not there whole
            return await self.put(target, self.get(source))
        stat = await self.stat(target)
        return stat.model_copy(update={"sha256": digest.hexdigest()})

    async def delete(self, key: str) -> None:
        """Delete one object. A call that was not answered counts as done once the object is gone (fault 41)."""
        split_key(key)
        try:
            await self.client.delete(key)
        except NotFound:
            return
        except Unavailable:
            if await find(self.client, key) is not None:
                raise

    def machine_path(self, key: str) -> str:
        """Return the path in the machine; the empty key is the root of the store."""
        return "/".join((self._mount, *split_key(key))) if key else self._mount

    async def sweep_uploads(self, older_than: timedelta, prefixes: Sequence[str]) -> int:
        """Drop uploads that began so long ago and return how many: a crash leaves them (fault 34). Raises Unavailable.

        Others may use the store too: only keys below ``prefixes`` are ours. One whose age the store does not tell
        stays.
        """
        before = self._now() - older_than
        dropped, marks = 0, ("", "")
        for _ in range(SWEEP_PAGES_MAX):
            page = await self.client.list_uploads(*marks)
            for one in page.uploads:
                ours = one.key.startswith(tuple(prefixes))
                if ours and one.began is not None and one.began <= before and one.upload_id:
                    await self.client.abort(one.key, one.upload_id)
                    dropped += 1
            last, marks = marks, (page.key_marker, page.id_marker)
            if not page.truncated or marks == last:
                break
        return dropped

    async def probe(self) -> None:
        """Write, read and delete a small hidden file: only a write tells a full store from one that has room.

        Raises StorageFull, ClockWrong, RegionWrong, KeyWrong (``providers.s3.errors``), Refused or Unavailable.
        """
        key = f"{PROBES}{self._now():%Y%m%dT%H%M%S%f}"
        await self.client.put(key, [PROBE])
        try:
            found = b"".join([piece async for piece in download(self.client, key)])
        finally:
            await finish(self._forget(key))
        if found != PROBE:
            raise Unavailable("probe: the store gave back something else than was written")

    async def _forget(self, key: str) -> None:
        with suppress(ProviderError):
            await self.client.delete(key)

    def _now(self) -> datetime:
        return self.client.clock.now()
