"""Bytes and lines out. What is sent is only ever pulled at the reader's speed; a reader that stops is cut (fault 75).

Nothing is queued for a reader: the next piece is fetched when the one before it has left. Where lines can be resumed
(log, events) each carries its position.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import TypeVar
from urllib.parse import quote

from aiohttp import web
from pydantic import BaseModel

from actors.admin.asking import Desk, asked
from actors.admin.deadline import Deadline
from messages.admin import DownloadGrant

_log = logging.getLogger("lastcall.admin")
T = TypeVar("T")


class SlowReader(Exception):
    """The other side left more unread than it may, for longer than it may."""


async def send_lines(
    desk: Desk, request: web.Request, source: AsyncIterator[BaseModel], *, first_s: float | None = None
) -> web.StreamResponse:
    """Answer with one JSON document a line, until ``source`` ends, the reader leaves, or it is too slow.

    ``first_s`` is how long headers wait for the first line, where a refusal may need longer than the limits say.
    """
    response = web.StreamResponse(headers=_headers(request, "application/x-ndjson"))
    return await _send(desk, request, response, source, _line, first_s)


async def send_bytes(desk: Desk, request: web.Request, grant: DownloadGrant) -> web.StreamResponse:
    """Answer with a stored object's bytes. Storage that fails half-way cuts the connection: never a short success."""
    response = web.StreamResponse(headers=_headers(request, "application/octet-stream"))
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(grant.name, safe='')}"
    response.content_length = grant.size_bytes
    store = desk.services.store_of(grant.provider)
    return await _send(desk, request, response, store.get(grant.key), bytes)


async def _send(
    desk: Desk,
    request: web.Request,
    response: web.StreamResponse,
    source: AsyncIterator[T],
    encode: Callable[[T], bytes],
    first_s: float | None = None,
) -> web.StreamResponse:
    """Wait a moment for the first item before any header goes out, so that a refusal is still a proper problem."""
    task = asyncio.current_task()
    if task is not None:
        desk.streams.add(task)
        task.add_done_callback(desk.streams.discard)
    first = asyncio.ensure_future(anext(source, None))
    try:
        await _settle(desk, first, desk.limits.first_item_s if first_s is None else first_s)
        _bound_buffer(desk, request)
        await response.prepare(request)
        await _pump(desk, response, first, source, encode)
        await response.write_eof()
    except Exception as error:
        if not response.prepared:
            raise
        _log.info("stream_cut", extra={"path": request.path, "why": repr(error), "id": asked(request).request_id})
        _cut(request)
    finally:
        first.cancel()
        await asyncio.wait({first})
        await close_source(source)
    return response


async def _settle(desk: Desk, first: asyncio.Future[T | None], seconds: float) -> None:
    """Wait a moment for the first item: a refusal comes at once, a quiet stream may never have one."""
    with suppress(TimeoutError):
        async with Deadline(desk.clock, seconds):
            await asyncio.shield(first)


async def _pump(
    desk: Desk,
    response: web.StreamResponse,
    first: asyncio.Future[T | None],
    source: AsyncIterator[T],
    encode: Callable[[T], bytes],
) -> None:
    sent = 0
    item = await first
    while item is not None:
        data = encode(item)
        await _write(desk, response, data)
        sent += len(data)
        item = await anext(source, None)
    if response.content_length not in (None, sent):
        raise ConnectionError(f"{sent} of {response.content_length} bytes were there")


def _headers(request: web.Request, kind: str) -> dict[str, str]:
    return {"Content-Type": kind, "Cache-Control": "no-store", "X-Request-Id": asked(request).request_id}


def _line(item: BaseModel) -> bytes:
    return item.model_dump_json(by_alias=True).encode() + b"\n"


def _bound_buffer(desk: Desk, request: web.Request) -> None:
    if request.transport is not None:
        request.transport.set_write_buffer_limits(high=desk.limits.stream_buffer_bytes)


async def _write(desk: Desk, response: web.StreamResponse, data: bytes) -> None:
    """Send ``data``; waits while the reader is behind by the buffer limit, at most the stall limit."""
    try:
        async with Deadline(desk.clock, desk.limits.stream_stall_s):
            await response.write(data)
    except TimeoutError as late:
        raise SlowReader("the reader is too slow") from late


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


async def close_source(source: AsyncIterator[T]) -> None:
    """Let a generator go now, not when it is collected."""
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()
