"""Bytes in: streamed piece by piece into storage under a grant, with a total deadline, hashed on the way.

Memory is bounded by one piece and aiohttp's read buffer: while storage is slow nothing more is read, and the
sender waits. A stream that breaks off, stalls or grows past its grant leaves nothing: storage keeps objects whole
or not at all, and the grant is given back.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

from aiohttp import web

from actors.admin.asking import Desk, ask, asked
from actors.admin.deadline import Deadline
from actors.admin.limits import CHUNK_BYTES_MAX
from messages.admin import AbandonUpload, UploadGrant
from messages.errors import Refusal
from messages.storage import ObjectInfo
from providers.interface import Conflict, Refused, StorageFull

_log = logging.getLogger("lastcall.admin")
T = TypeVar("T")


class OtherBytes(Exception):
    """The place of this upload already holds something else."""


class Incoming:
    """The body of one request as an iterator of pieces, counted and hashed."""

    def __init__(self, desk: Desk, request: web.Request, bytes_max: int) -> None:
        self._desk = desk
        self._request = request
        self._bytes_max = bytes_max
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        """Digest of what was read so far."""
        return self._digest.hexdigest()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield what arrives, at most 1 MiB at a time. Raises ``E-TOOLARGE``, or ``E-BADREQUEST`` after a stall."""
        while piece := await self._next():
            self.size += len(piece)
            if self.size > self._bytes_max:
                raise Refusal("E-TOOLARGE", f"at most {self._bytes_max} bytes may be sent here")
            self._digest.update(piece)
            yield piece

    async def drain(self) -> None:
        """Read to the end without keeping anything, for the digest's sake."""
        async for _ in self.pieces():
            pass

    async def _next(self) -> bytes:
        content = self._request.content
        if content.at_eof():
            return b""
        try:
            async with Deadline(self._desk.clock, self._desk.limits.upload_stall_s):
                return await content.read(CHUNK_BYTES_MAX)
        except TimeoutError as late:
            raise Refusal("E-BADREQUEST", "the stream stalled and was given up") from late


def declared_size(desk: Desk, request: web.Request) -> int | None:
    """Return what Content-Length promises, or ``None``; refused before a byte is read when it is too much."""
    size = request.content_length
    if size is not None and size > desk.limits.upload_bytes:
        raise Refusal("E-TOOLARGE", f"at most {desk.limits.upload_bytes} bytes may be sent here")
    return size


async def receive(
    desk: Desk, request: web.Request, grant: UploadGrant, then: Callable[[ObjectInfo], Awaitable[T]]
) -> T:
    """Stream the body to where ``grant`` says, then do ``then`` with what is stored.

    Until ``then`` was asked, any failure, a vanished client or a stopping gateway gives the grant back.
    """
    try:
        async with Deadline(desk.clock, desk.limits.upload_s):
            stored = await _store(desk, request, grant)
    except OtherBytes as error:
        # What is stored belongs to the earlier request, which may be about to commit it: it is not ours to give back.
        raise Refusal("E-IDEMPOTENCY", "this Idempotency-Key came with another file before") from error
    except BaseException as error:
        await asyncio.shield(_abandon(desk, request, grant))
        if isinstance(error, TimeoutError):
            raise Refusal("E-BADREQUEST", "the upload took too long and was given up") from error
        raise
    return await then(stored)


async def _store(desk: Desk, request: web.Request, grant: UploadGrant) -> ObjectInfo:
    incoming = Incoming(desk, request, min(grant.bytes_max, desk.limits.upload_bytes))
    pieces = incoming.pieces()
    try:
        return await desk.services.incoming.put(grant.key, pieces, exclusive=True)
    except Conflict:
        return await _same_again(desk, incoming, grant)
    except Refused as error:  # of a store that no actor asked, so nobody has audited it
        raise Refusal("E-STORAGEFULL" if isinstance(error, StorageFull) else "E-STORAGE", str(error)) from error
    finally:
        await pieces.aclose()


async def _same_again(desk: Desk, incoming: Incoming, grant: UploadGrant) -> ObjectInfo:
    """The same command stored this object before: the same bytes are that object, others are another request."""
    await incoming.drain()
    stored = await desk.services.incoming.stat(grant.key)
    digest = hashlib.sha256()
    async for piece in desk.services.incoming.get(grant.key):
        digest.update(piece)
    if digest.hexdigest() != incoming.sha256:
        raise OtherBytes
    return stored.model_copy(update={"sha256": digest.hexdigest()})


async def _abandon(desk: Desk, request: web.Request, grant: UploadGrant) -> None:
    """Give the grant back. What goes wrong here must not hide why the upload failed; storage sweeps old grants."""
    try:
        await ask(desk, desk.services.storage, AbandonUpload(requester=asked(request).requester, grant=grant))
    except Exception:
        _log.exception("upload_not_abandoned", extra={"key": grant.key})
