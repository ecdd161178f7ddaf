"""Sending a core's answer over aiohttp the way it is meant to arrive."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace

from aiohttp import web

from tests.emulators.common.wire import Response

FOLLOW_S = 0.05
HANG_S = 3600.0


async def waited(answer: Response) -> Response:
    """Ask a long poll again until it has something, or its time is over."""
    ends = time.monotonic() + answer.wait_s
    while answer.wait is not None and time.monotonic() < ends:
        found = answer.wait(time.time())
        if found is not None:
            return replace(found, headers={**answer.headers, **found.headers})
        await asyncio.sleep(FOLLOW_S)
    return answer


async def deliver(request: web.Request, answer: Response) -> web.StreamResponse:
    """Send an answer the way it is meant to arrive."""
    if answer.delay_s:
        await asyncio.sleep(answer.delay_s)
    if answer.lost == "hang":
        await asyncio.sleep(HANG_S)
    if answer.lost in ("reset", "hang"):
        return _abort(request)
    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    if answer.lost is None and answer.follow is None and not answer.drip_s:
        if request.method == "HEAD" and "content-length" in answer.headers:
            headers["content-length"] = answer.headers["content-length"]
        return web.Response(status=answer.status, headers=headers, body=answer.body)
    response = web.StreamResponse(status=answer.status, headers=headers)
    if answer.follow is None:
        response.content_length = len(answer.body)
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        await _stream(response, answer)
    return _abort(request) if answer.lost == "cut" else response


async def _stream(response: web.StreamResponse, answer: Response) -> None:
    if answer.lost == "cut":
        await response.write(answer.body[: len(answer.body) // 2])
        return
    if answer.drip_s:
        for place in range(len(answer.body)):
            await response.write(answer.body[place : place + 1])
            await asyncio.sleep(answer.drip_s)
    else:
        await response.write(answer.body)
    while answer.follow is not None:
        fresh = answer.follow()
        if fresh:
            await response.write(fresh)
        await asyncio.sleep(0 if fresh else FOLLOW_S)


def _abort(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
