"""AWS over HTTP on loopback: one address for every service, one below it for each instance's metadata."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from tests.emulators.aws import control, problems
from tests.emulators.aws.core import Ec2Core
from tests.emulators.aws.problems import Problem
from tests.emulators.aws.processes import ProcessRunner
from tests.emulators.aws.signature import signed
from tests.emulators.aws.wire import Request, Response
from tests.emulators.common.deliver import deliver

if TYPE_CHECKING:
    from tests.emulators.aws.moto_side import MotoSide

HOST = "127.0.0.1"
TICK_S = 0.05
REQUEST_BYTES_MAX = 600 << 20
SHUTDOWN_S = 1.0
METADATA = "/_metadata"
"""Below it an instance's id: what is 169.254.169.254 inside a real one."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Serves one core, and moto behind it, until it is closed."""

    def __init__(self, core: Ec2Core, moto: MotoSide | None) -> None:
        self._core = core
        self._moto = moto
        self._runner: web.AppRunner | None = None
        self._ticking: asyncio.Task[None] | None = None
        self.urls: dict[str, str] = {}
        """``aws``: every service; ``control``; ``metadata``: an instance's id comes after it."""
        if moto is not None:
            moto.serve(core)

    async def open(self, port: int = 0) -> dict[str, str]:
        """Listen; return the URLs."""
        app = web.Application(client_max_size=REQUEST_BYTES_MAX)
        app.add_routes(
            [
                web.get("/_control", self._show),
                web.post("/_control", self._change),
                web.route("*", f"{METADATA}/{{id}}/{{rest:.*}}", self._metadata),
                web.route("*", "/{rest:.*}", self._serve),
            ]
        )
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=SHUTDOWN_S, handler_cancellation=True, auto_decompress=False
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, port).start()
        main = f"http://{HOST}:{self._runner.addresses[0][1]}"
        self.urls = {"aws": main, "control": f"{main}/_control", "metadata": f"{main}{METADATA}"}
        self._core.functions.endpoint_url = main
        if isinstance(self._core.runner, ProcessRunner):
            self._core.runner.endpoint_url = main
            self._core.runner.metadata_url = lambda instance_id: f"{main}{METADATA}/{instance_id}/"
        self._ticking = asyncio.create_task(self._tick())
        return self.urls

    async def close(self) -> None:
        """Stop listening, then end every machine."""
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
        if self._runner is not None:
            await self._runner.cleanup()
        self._core.close()

    async def _tick(self) -> None:
        while True:
            self._core.tick(time.time())
            await asyncio.sleep(TICK_S)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        asked = await _read(request, request.rel_url.raw_path)
        if self._core.name(asked).startswith("lambda."):
            return await deliver(request, await self._function(asked))
        if self._moto is None or self._core.answers(asked):
            return await deliver(request, self._core.handle(asked, time.time()))
        return await deliver(request, await self._behind(self._moto, asked))

    async def _behind(self, moto: MotoSide, asked: Request) -> Response:
        """Let moto answer what the front lets through: keys, signatures, rights switched off, faults."""
        now, who = time.time(), signed(asked)
        call = self._core.name(asked)
        service = call.partition(".")[0]
        blocked = self._core.front(asked, call, service, who, now)
        if blocked is not None:
            return blocked
        answer = await asyncio.to_thread(moto.handle, asked)
        return self._core.leaving(call, "", answer, "", time.time())

    async def _function(self, asked: Request) -> Response:
        """Let a function run for what the front lets through; it blocks until it has run."""
        core, now, who = self._core, time.time(), signed(asked)
        call = core.name(asked)
        blocked = core.front(asked, call, "lambda", who, now)
        if blocked is not None or who is None:
            return blocked or problems.response(Problem("MissingAuthenticationTokenException", "", 403), "lambda", "")
        account, code = core.keys.caller(asked, call, who, now).account, ""
        try:
            answer = await asyncio.to_thread(core.functions.answer, asked, account, who.region, now)
        except Problem as problem:
            answer, code = problems.response(problem, "lambda", ""), problem.code
        return core.leaving(call, "", answer, code, time.time())

    async def _metadata(self, request: web.Request) -> web.StreamResponse:
        path = "/" + request.rel_url.raw_path.removeprefix(f"{METADATA}/{request.match_info['id']}").lstrip("/")
        asked = await _read(request, path)
        return await deliver(request, self._core.imds(request.match_info["id"], asked, time.time()))

    async def _show(self, request: web.Request) -> web.Response:
        return web.json_response(control.show(self._core, time.time()))

    async def _change(self, request: web.Request) -> web.Response:
        try:
            control.change(self._core, json.loads(await request.read()), time.time())
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        return await self._show(request)


async def _read(request: web.Request, path: str) -> Request:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Request(request.method, path, request.rel_url.raw_query_string, headers, await request.read())
