"""A range of an object while it is being opened and read."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import NamedTuple

from providers.interface import Unavailable
from providers.s3.errors import Unclear
from providers.s3.faults import fault_of
from providers.transport import HttpStream, NotSent, TransportError

ERROR_BYTES_MAX = 64 * 1024
"""Most that is read of an error's body."""
_RANGE = re.compile(r"bytes (?:(?P<first>\d{1,18})-\d{1,18}|\*)/(?P<total>\d{1,18})", re.ASCII)


class Download(NamedTuple):
    """A range of an object as it comes in."""

    first: int
    """Where it begins in the object."""
    total: int
    """Size of the whole object, bytes."""
    etag: str
    chunks: AsyncIterator[bytes]


class Opening:
    """A range that is asked for when this is entered. It is no generator: small files are read all the time."""

    def __init__(
        self,
        send: Callable[[], Awaitable[AbstractAsyncContextManager[HttpStream]]],
        read: Callable[[HttpStream], Awaitable[Download]],
    ) -> None:
        """``send`` makes the call, ``read`` takes its answer."""
        self._send = send
        self._read = read
        self._stream: AbstractAsyncContextManager[HttpStream]

    async def __aenter__(self) -> Download:
        self._stream = await self._send()
        try:
            stream = await self._stream.__aenter__()
        except TransportError as error:
            raise unanswered("get", error) from error
        try:
            return await self._read(stream)
        except BaseException as error:
            await self._stream.__aexit__(type(error), error, error.__traceback__)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._stream.__aexit__(kind, error, where)


def unanswered(what: str, error: TransportError) -> Unavailable:
    """Return what a missing answer means for a call that may be repeated."""
    if isinstance(error, NotSent):
        return Unavailable(f"{what}: no connection could be made")
    return Unclear(f"{what}: no complete answer came")


async def range_of(what: str, stream: HttpStream, first: int) -> Download | None:
    """Read where the range lies: ``bytes 0-9/10``, or ``bytes */10`` behind the end, which not every store says."""
    length = stream.headers.get("content-length", "")
    etag = stream.headers.get("etag", "")
    found = _RANGE.fullmatch(stream.headers.get("content-range", ""))
    if stream.status == 206 and found and found["first"]:
        return Download(int(found["first"]), int(found["total"]), etag, stream.chunks())
    if stream.status == 416:
        return Download(first, int(found["total"]), etag, nothing()) if found else None
    if stream.status == 200 and length.isascii() and length.isdigit():
        return Download(0, int(length), etag, stream.chunks())
    raise fault_of(what, stream.status, stream.headers, await _head_of(stream))


async def _head_of(stream: HttpStream) -> bytes:
    """Read an error's body, as far as it is of use."""
    body = b""
    try:
        async for chunk in stream.chunks():
            body += chunk
            if len(body) > ERROR_BYTES_MAX:
                break
    except TransportError:
        return b""
    return body


async def nothing() -> AsyncIterator[bytes]:
    """Stream no bytes."""
    none: tuple[bytes, ...] = ()
    for piece in none:
        yield piece
