"""Stores for tests of the S3 client: the emulated RunPod endpoint behind a ``Transport``, in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr

from messages.storage import ObjectInfo
from providers.interface import CloudStorageProvider, Provider, Unavailable
from providers.runpod.storage import RunPodStorage, volume_settings
from providers.s3.client import S3Client
from providers.s3.settings import S3Settings
from providers.transport import HttpReply, HttpRequest, HttpStream, NoReply
from tests.emulators.runpod.s3 import S3Key, S3Keys, VolumeS3
from tests.emulators.runpod.volume import MemoryFiles, Volume, Volumes
from tests.emulators.runpod.wire import Request, Response, Surface

T = TypeVar("T")

BEGIN = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
VOLUME = "2q9m7x4c"
PLACE = "EU-RO-1"
PIECE = 64 * 1024
MIB = 1 << 20


class LoopClock:
    """The running loop's time as a provider's clock; in virtual time when the loop is."""

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class EmulatedTransport:
    """Carries requests to a synchronous core and does to the answers what the core says."""

    def __init__(self, handle: Callable[[Request, float], Response], clock: LoopClock) -> None:
        self.handle = handle
        self._clock = clock
        self.calls: Counter[str] = Counter()
        """Method → requests."""
        self.sent_bytes = 0

    async def request(self, request: HttpRequest) -> HttpReply:
        async with self.stream(request) as answer:
            body = b"".join([piece async for piece in answer.chunks()])
            return HttpReply(answer.status, answer.headers, body)

    def stream(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpStream]:
        return self._stream(request)

    @asynccontextmanager
    async def _stream(self, request: HttpRequest) -> AsyncIterator[HttpStream]:
        self.calls[request.method] += 1
        body = await _whole(request.body)
        self.sent_bytes += len(body)
        where = urlsplit(request.url)
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Request(Surface.S3, request.method, where.path, where.query, headers, body)
        await self._clock.sleep(0.01)
        response = self.handle(asked, self._clock.now().timestamp())
        if response.lost == "reset":
            raise NoReply("reset")
        if response.lost == "hang" or response.delay_s >= request.total_s:
            await self._clock.sleep(request.total_s)
            raise NoReply("the time was over")
        await self._clock.sleep(response.delay_s)
        yield _Answer(response)

    async def close(self) -> None:
        return None


class _Answer:
    def __init__(self, response: Response) -> None:
        self._response = response

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def headers(self) -> dict[str, str]:
        return dict(self._response.headers)

    async def chunks(self) -> AsyncIterator[bytes]:
        body = self._response.body
        cut = self._response.lost == "cut"
        for start in range(0, len(body) // 2 if cut else len(body), PIECE):
            await asyncio.sleep(0)
            yield body[start : start + PIECE]
        if cut:
            raise NoReply("cut")


async def _whole(body: Any) -> bytes:
    if body is None:
        return b""
    if callable(body):
        return b"".join([piece async for piece in body()])
    return bytes(body)


class EmulatedVolume:
    """One volume, its endpoint, and a storage that speaks to it."""

    def __init__(self, **settings: Any) -> None:
        self.clock = LoopClock()
        self.files = MemoryFiles()
        self.volumes = Volumes()
        self.volumes.add(Volume(VOLUME, "account", PLACE, 10, self.files))
        self.s3 = VolumeS3(self.volumes, S3Keys([S3Key("user_a", "rps_secret", "account")]))
        self.transport = EmulatedTransport(self.s3.handle, self.clock)
        made = volume_settings(PLACE, VOLUME, "user_a", SecretStr("rps_secret"))
        self.settings = S3Settings.model_validate({**made.model_dump(), **settings})
        self.client = S3Client(self.transport, self.clock, self.settings)
        self.storage = RunPodStorage(self.client, "/workspace")

    def faulty(self, **faults: Any) -> None:
        """Set switches of the endpoint."""
        self.s3.faults.merge(faults, self.clock.now().timestamp())

    def paths(self) -> list[str]:
        """Return what lies on the volume, hidden things too."""
        return [entry.key for entry in self.files.walk()]


class LossyStorage(CloudStorageProvider):
    """Makes every call and loses the answers it was told to lose."""

    def __init__(self, inner: CloudStorageProvider) -> None:
        self.kind = inner.kind  # type: ignore[misc]
        self.places = inner.places
        self.inner = inner
        self.lost: Counter[str] = Counter()

    def _told(self, call: str, answer: T) -> T:
        if self.lost[call]:
            self.lost[call] -= 1
            raise Unavailable("the answer was lost")
        return answer

    async def put(self, key: str, chunks: AsyncIterator[bytes], *, exclusive: bool = False) -> ObjectInfo:
        return self._told("put", await self.inner.put(key, chunks, exclusive=exclusive))

    def get(self, key: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        return self.inner.get(key, offset=offset)

    async def stat(self, key: str) -> ObjectInfo:
        return await self.inner.stat(key)

    def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        return self.inner.list(prefix)

    async def copy(self, source: str, target: str) -> ObjectInfo:
        return self._told("copy", await self.inner.copy(source, target))

    async def delete(self, key: str) -> None:
        await self.inner.delete(key)
        self._told("delete", None)

    def machine_path(self, key: str) -> str:
        return self.inner.machine_path(key)


class StoreSubject:
    """What the contract suite's storage tests need of a subject: a store and lost answers."""

    def __init__(self, storage: CloudStorageProvider) -> None:
        self._lossy = LossyStorage(storage)
        self.provider = Provider(None, self._lossy, None)  # type: ignore[arg-type]

    def lose_next(self, call: str) -> None:
        self._lossy.lost[call] += 1

    async def reopen(self) -> None:
        self._lossy.lost.clear()


async def pieces(data: bytes, size: int = MIB) -> AsyncIterator[bytes]:
    """Stream ``data``."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def content(stream: AsyncIterator[bytes]) -> bytes:
    """Read a stream to its end."""
    return b"".join([piece async for piece in stream])
