"""The gateway: HTTP on a Unix socket, for people and programs of this computer (design.md 3, experience.md 4.4).

It validates where bytes come in, asks actors and views, and turns their answers into documents. It decides nothing
and owns nothing but its connections. Every request is from a known uid, has an id, a bound on each size and time,
and ends in a document or a problem.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import web

from actors.admin.address import Bound, bind, unbind
from actors.admin.asking import ASKED, Asked, Desk
from actors.admin.audit import RefusalAudit
from actors.admin.connections import Door
from actors.admin.health import HealthRoutes, Numbers
from actors.admin.limits import Limits
from actors.admin.peer import peer_uid, requester_of
from actors.admin.problems import Fault, fault_of, problem_response
from actors.admin.routes_bill import BillRoutes
from actors.admin.routes_compare import CompareRoutes
from actors.admin.routes_data import DataRoutes
from actors.admin.routes_events import EventRoutes
from actors.admin.routes_jobs import JobRoutes
from actors.admin.routes_models import ModelRoutes
from actors.admin.routes_upkeep import UpkeepRoutes
from actors.admin.services import Services
from actors.runtime.world import Clock, Entropy
from messages.errors import Refusal
from messages.ids import base32

_log = logging.getLogger("lastcall.admin")
_CHANGING = frozenset({"POST", "DELETE", "PUT", "PATCH"})
_METHODS = _CHANGING | {"GET", "HEAD", "OPTIONS"}
_ALWAYS = frozenset({"/v1/stop", "/v1/jobs/{ref}/stop"})
"""What acts also while the daemon drains: ending machines is never refused."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class AdminGateway:
    """Serves one Unix socket. ``start`` → (``drain``) → ``stop``; each once."""

    def __init__(
        self,
        services: Services,
        clock: Clock,
        entropy: Entropy,
        *,
        limits: Limits | None = None,
        allowed_uids: frozenset[int] | None = None,
    ) -> None:
        """Prepare a gateway. ``allowed_uids`` defaults to the daemon's own uid and root."""
        self._limits = limits or Limits()
        self._clock = clock
        self._entropy = entropy
        self._allowed = frozenset({os.geteuid(), 0}) if allowed_uids is None else allowed_uids
        self._desk = Desk(services, clock, entropy, self._limits, set())
        self._audit = RefusalAudit(
            services.audit, clock, per_s=self._limits.audits_per_s, burst=self._limits.audits_burst
        )
        self._door = Door(self._limits, clock, self._unparsed)
        self._numbers = Numbers()
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._bound: Bound | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._draining = False

    @property
    def draining(self) -> bool:
        """Whether new work is refused."""
        return self._draining

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._door)

    async def start(self, path: Path, *, lock_held: bool, private_directory: bool = True) -> None:
        """Bind and serve ``path``. ``lock_held`` says that this process holds the state directory's lock.

        Raises Refusal (``E-LOCKED``, ``E-SOCKETPATH``, ``E-CONFIG``) when the address can not be used.
        """
        self._bound = bind(path, lock_held=lock_held, backlog=self._limits.backlog, private_directory=private_directory)
        runner = web.AppRunner(
            self._application(),
            handle_signals=False,
            handler_cancellation=True,
            shutdown_timeout=self._limits.stop_s,
        )
        await runner.setup()
        self._runner = runner
        http = runner.server
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: self._door.protocol(http), sock=self._bound.listener)
        self._spawn(self._sweep(), "admin-sweep")

    def drain(self) -> None:
        """Take no new work from now on; reads and stops go on."""
        self._draining = True

    async def stop(self) -> None:
        """End streams, let short answers finish, close everything, and remove the socket file if it is still ours."""
        self._draining = True
        if self._server is not None:
            self._server.close()
        for stream in list(self._desk.streams):
            stream.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
        for task in list(self._tasks):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if self._bound is not None and not unbind(self._bound):
            _log.warning("socket_not_removed", extra={"path": str(self._bound.path), "why": "it is not ours any more"})
        self._server = self._runner = self._bound = None

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=self._limits.json_body_bytes)
        for routes in (
            HealthRoutes(self._desk, self._numbers, self),
            JobRoutes(self._desk),
            DataRoutes(self._desk),
            ModelRoutes(self._desk),
            CompareRoutes(self._desk),
            EventRoutes(self._desk),
            BillRoutes(self._desk),
            UpkeepRoutes(self._desk),
        ):
            app.add_routes(routes.table())
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Around every request: who, an id, whether it may now, and every failure as a problem."""
        transport = request.transport
        uid = peer_uid(transport.get_extra_info("socket") if transport is not None else None)
        request_id = self._request_id()
        with self._door.busy(request.protocol):
            try:
                request[ASKED] = Asked(requester_of(uid, self._allowed), -1 if uid is None else uid, request_id)
                self._admit(request)
                response = await handler(request)
            except ConnectionError:
                raise
            except Exception as error:
                response = await self._refuse(request, uid, request_id, error)
        method = request.method if request.method in _METHODS else "other"
        self._numbers.requests.labels(method, str(response.status)).inc()
        return response

    def _admit(self, request: web.Request) -> None:
        encoding = request.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise Refusal("E-BADREQUEST", "send the bytes as they are, without Content-Encoding")
        resource = request.match_info.route.resource
        stops = resource is not None and resource.canonical in _ALWAYS
        if self._draining and request.method in _CHANGING and not stops:
            raise Refusal("E-DRAINING")

    async def _refuse(
        self, request: web.Request, uid: int | None, request_id: str, error: Exception
    ) -> web.StreamResponse:
        fault = fault_of(error)
        self._numbers.refusals.labels(fault.entry.code).inc()
        if fault.entry.code == "E-INTERNAL":
            _log.error("request_failed", exc_info=error, extra={"request_id": request_id, "path": request.path[:200]})
        if not fault.audited:
            await self._audit.refused(
                f"uid:{uid}", f"api {request.method[:20]}", request.path[:200], fault.entry.code, fault.detail
            )
        response = problem_response(fault, request_id)
        if isinstance(error, web.HTTPMethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        return response

    def _unparsed(self, transport: asyncio.BaseTransport | None, fault: Fault) -> str:
        """Audit bytes that were no request; there is no handler around them that could wait for it."""
        uid = peer_uid(transport.get_extra_info("socket") if transport is not None else None)
        self._numbers.refusals.labels(fault.entry.code).inc()
        self._spawn(self._audit.refused(f"uid:{uid}", "api", "", fault.entry.code, fault.detail), "admin-audit")
        return self._request_id()

    def _request_id(self) -> str:
        return f"req_{base32(self._entropy.bytes(7), 10)}"

    async def _sweep(self) -> None:
        while True:
            await self._clock.sleep(self._limits.sweep_s)
            self._door.sweep()

    def _spawn(self, work: Any, name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
