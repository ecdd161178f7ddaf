"""The local ``CloudStorageProvider``: a directory. Objects appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from itertools import islice
from pathlib import Path
from typing import ClassVar, ParamSpec, TypeVar

from messages.machines import ProviderKind
from messages.storage import ObjectInfo
from providers.interface import CloudStorageProvider, NotFound, Unavailable
from providers.keys import split_key
from providers.local import files
from providers.worker import Worker

P = ParamSpec("P")
R = TypeVar("R")

LIST_BATCH = 256
"""Objects fetched from the disk at once while a listing streams."""


class LocalStorage(CloudStorageProvider):
    """Keeps objects as files below one directory, each reached without following a link."""

    kind: ClassVar[ProviderKind] = "local"

    def __init__(self, path: Path, names: Callable[[], str], worker: Worker) -> None:
        """``names`` gives a fresh random name for each unfinished upload. Sweeps what a crash left."""
        self._path = path.absolute()
        self._names = names
        self._worker = worker
        self._root: int | None = files.open_store(self._path)

    async def put(self, key: str, chunks: AsyncIterator[bytes], *, exclusive: bool = False) -> ObjectInfo:
        """Write to a hidden file, sync, and move it into place (or link it, which the first one wins)."""
        split_key(key)
        upload = files.Upload(self._descriptor, self._names())
        try:
            async for chunk in chunks:
                await self._call(upload.write, chunk)
            found, digest = await self._call(upload.finish, key, exclusive=exclusive)
        finally:
            await self._call(upload.abandon)
        return _info(found, digest)

    async def get(self, key: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """Stream one object, as it was when the stream began."""
        download = files.Download(self._descriptor, key, offset)
        try:
            while chunk := await self._call(download.read):
                yield chunk
        finally:
            await self._call(download.close)

    async def stat(self, key: str) -> ObjectInfo:
        """Return size and time of one object."""
        return _info(await self._call(files.stat_object, self._descriptor, key))

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """Stream what is under ``prefix``; an object that vanishes meanwhile may or may not be there."""
        found = files.walk(self._descriptor, prefix)
        while batch := await self._call(lambda: list(islice(found, LIST_BATCH))):
            for stat in batch:
                yield _info(stat)

    async def copy(self, source: str, target: str) -> ObjectInfo:
        """Copy one object; the target is written like any other."""
        return await self.put(target, self.get(source))

    async def delete(self, key: str) -> None:
        """Remove one object."""
        await self._call(files.delete_object, self._descriptor, key)

    def machine_path(self, key: str) -> str:
        """Return the absolute path; the empty key is the root of the store."""
        return str(self._path.joinpath(*split_key(key)) if key else self._path)

    async def close(self) -> None:
        """Finish what was begun and end the thread."""
        await self._worker.close()
        if self._root is not None:
            os.close(self._root)
            self._root = None

    @property
    def _descriptor(self) -> int:
        if self._root is None:
            raise Unavailable("the store is closed")
        return self._root

    async def _call(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await self._worker.call(work, *args, **kwargs)
        except FileNotFoundError as error:
            raise NotFound(str(error)) from error
        except OSError as error:
            raise Unavailable(f"the disk did not do it: {error.strerror or error}") from error


def _info(found: files.Stat, digest: str | None = None) -> ObjectInfo:
    return ObjectInfo(key=found.key, size_bytes=found.size_bytes, modified=found.modified, sha256=digest)
