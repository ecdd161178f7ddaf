"""The platform over HTTP on loopback: one listener per host that the platform has."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.emulators.common.deliver import deliver, waited
from tests.emulators.runpod import control
from tests.emulators.runpod.platform import Platform
from tests.emulators.runpod.wheels import Wheels
from tests.emulators.runpod.wire import Request, Surface

HOST = "127.0.0.1"
TICK_S = 0.05
REQUEST_BYTES_MAX = 600 << 20
SHUTDOWN_S = 1.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Ports:
    """Where to listen; 0: any free port."""

    main: int = 0
    serverless: int = 0
    s3: int = 0


class Server:
    """Serves one platform until it is closed."""

    def __init__(self, platform: Platform, wheels: Wheels | None = None) -> None:
        self._platform = platform
        self._wheels = wheels
        self._runners: list[web.AppRunner] = []
        self._ticking: asyncio.Task[None] | None = None
        self.urls: dict[str, str] = {}
        """``rest``, ``graphql``, ``serverless``, ``s3``, ``index``, ``control``."""

    async def open(self, ports: Ports = Ports()) -> dict[str, str]:
        """Listen; return the URLs."""
        routes: list[web.RouteDef] = [
            web.get("/_control", self._show),
            web.post("/_control", self._change),
            web.route("*", "/graphql", self._serve(Surface.GRAPHQL)),
            *(self._wheels.routes() if self._wheels else []),
            web.route("*", "/{rest:.*}", self._serve(Surface.REST)),
        ]
        main = await self._listen(ports.main, routes)
        serverless = await self._listen(ports.serverless, [_all(self._serve(Surface.SERVERLESS))])
        s3 = await self._listen(ports.s3, [_all(self._serve(Surface.S3))])
        self.urls = {
            "rest": f"{main}/v2",
            "graphql": f"{main}/graphql",
            "serverless": f"{serverless}/v2",
            "s3": s3,
            "index": f"{main}/simple/",
            "control": f"{main}/_control",
        }
        self._platform.endpoints.url = self.urls["serverless"]
        self._ticking = asyncio.create_task(self._tick())
        return self.urls

    async def close(self) -> None:
        """Stop listening, then end every pod."""
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
        for runner in self._runners:
            await runner.cleanup()
        self._platform.close()

    async def _listen(self, port: int, routes: list[web.RouteDef]) -> str:
        app = web.Application(client_max_size=REQUEST_BYTES_MAX)
        app.add_routes(routes)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S, handler_cancellation=True)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, HOST, port).start()
        return f"http://{HOST}:{runner.addresses[0][1]}"

    async def _tick(self) -> None:
        while True:
            self._platform.tick(time.time())
            await asyncio.sleep(TICK_S)

    def _serve(self, surface: Surface) -> Handler:
        async def serve(request: web.Request) -> web.StreamResponse:
            headers = {name.lower(): value for name, value in request.headers.items()}
            url = request.rel_url
            body = await request.read()
            asked = Request(surface, request.method, url.raw_path, url.raw_query_string, headers, body)
            answer = self._platform.handle(asked, time.time())
            return await deliver(request, await waited(answer) if answer.wait else answer)

        return serve

    async def _show(self, request: web.Request) -> web.Response:
        shown: dict[str, Any] = control.show(self._platform, time.time())
        shown["index"] = dict(self._wheels.calls) if self._wheels else {}
        return web.json_response(shown)

    async def _change(self, request: web.Request) -> web.Response:
        try:
            control.change(self._platform, json.loads(await request.read()), time.time())
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        return await self._show(request)


def _all(handler: Handler) -> web.RouteDef:
    return web.route("*", "/{rest:.*}", handler)
