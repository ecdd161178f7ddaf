"""The fake ``CloudStorageProvider``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar

from messages.machines import ProviderKind
from messages.storage import ObjectInfo
from providers.fake.cloud import FakeCloud, FakeObject
from providers.interface import CloudStorageProvider, Conflict, NotFound
from providers.keys import split_key

CHUNK_BYTES = 1 << 20


class FakeStorage(CloudStorageProvider):
    """Keeps objects in memory; machines' scripts write here too."""

    kind: ClassVar[ProviderKind] = "fake"

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud

    async def put(self, key: str, chunks: AsyncIterator[bytes], *, exclusive: bool = False) -> ObjectInfo:
        """Collect the stream, then store it in one step."""
        split_key(key)
        with self.cloud.faults.around("put"):
            data = b"".join([chunk async for chunk in chunks])
            self.cloud.settle()
            if exclusive and key in self.cloud.objects:
                raise Conflict(f"{key} exists")
            self.cloud.objects[key] = FakeObject(data, self.cloud.clock.now())
            return self.cloud.objects[key].info(key, digest=True)

    async def get(self, key: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """Stream an object as it was when the stream began."""
        with self.cloud.faults.around("get"):
            data = self._object(key).data
        for start in range(offset, len(data), CHUNK_BYTES):
            yield data[start : start + CHUNK_BYTES]

    async def stat(self, key: str) -> ObjectInfo:
        """Return size and time of one object."""
        with self.cloud.faults.around("stat"):
            return self._object(key).info(key)

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """Stream what is under ``prefix`` now."""
        if prefix:
            split_key(prefix.removesuffix("/"))
        with self.cloud.faults.around("list"):
            self.cloud.settle()
            found = [(k, o) for k, o in sorted(self.cloud.objects.items()) if k.startswith(prefix)]
        for key, stored in found:
            yield stored.info(key)

    async def copy(self, source: str, target: str) -> ObjectInfo:
        """Copy one object."""
        split_key(target)
        with self.cloud.faults.around("copy"):
            self.cloud.objects[target] = FakeObject(self._object(source).data, self.cloud.clock.now())
            return self.cloud.objects[target].info(target, digest=True)

    async def delete(self, key: str) -> None:
        """Remove one object."""
        split_key(key)
        with self.cloud.faults.around("delete"):
            self.cloud.settle()
            self.cloud.objects.pop(key, None)

    def machine_path(self, key: str) -> str:
        """Return how a fake machine would name it."""
        return "/".join(("fake:/", *(split_key(key) if key else ())))

    def _object(self, key: str) -> FakeObject:
        split_key(key)
        self.cloud.settle()
        try:
            return self.cloud.objects[key]
        except KeyError:
            raise NotFound(f"{key} is not there") from None
