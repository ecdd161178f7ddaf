"""Is it alive, is it ready, and its numbers: ``/healthz``, ``/readyz``, ``/metrics``.

The numbers come from the status document alone, into a registry of their own: no process-wide default collectors.
Like it, they tell of the jobs, machines and money of whoever asks.
"""

from __future__ import annotations

from collections import Counter as Tally
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest

from actors.admin.asking import Desk, answer, asked, view_deadline
from messages.documents import StatusDocument, VersionDocument

LISTING_AGE_S_MAX = 60.0
"""An older complete listing means that nobody can say what exists."""
JOURNAL_ALARMS = frozenset({"journal", "E-JOURNAL"})


def readiness(status: StatusDocument, now: datetime) -> dict[str, Any]:
    """Return whether new work can be taken, and each check with what it rests on and its age in seconds."""
    listed = status.last_complete_listing
    age = None if listed is None else max(0.0, (now - listed).total_seconds())
    journal = [a for a in status.alarms if a.alarm in JOURNAL_ALARMS]
    checks: dict[str, dict[str, Any]] = {
        "safe_mode": {"ok": status.safe_mode is None, "detail": status.safe_mode or ""},
        "journal": {
            "ok": not journal,
            "detail": journal[-1].detail if journal else "",
            "age_s": max(0.0, (now - journal[-1].at).total_seconds()) if journal else None,
        },
        "listing": {"ok": age is not None and age <= LISTING_AGE_S_MAX, "age_s": age},
        "actors": {"ok": not any(a.parked for a in status.actors), "oldest_s": _oldest(status)},
    }
    ready = all(bool(checks[name]["ok"]) for name in ("safe_mode", "journal", "listing"))
    return {"ready": ready, "checks": checks}


def _oldest(status: StatusDocument) -> float:
    return max((a.oldest_s for a in status.actors), default=0.0)


class GatewayState(Protocol):
    """What the gateway itself knows and status does not."""

    @property
    def draining(self) -> bool:
        """Whether new work is refused."""
        ...

    @property
    def connections(self) -> int:
        """Open connections."""
        ...


class Numbers:
    """The Prometheus registry of one gateway."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        gauge = partial(Gauge, namespace="lastcall", registry=self.registry)
        counter = partial(Counter, namespace="lastcall", registry=self.registry)
        self._jobs = gauge("jobs", "Jobs by state.", ["state"])
        self._machines = gauge("machines_running", "Machines that are not proven gone.")
        self._rate = gauge("rate_usd_per_hour", "What the machines cost per hour now.")
        self._spent = gauge("spent_usd", "Money spent, by UTC day and month.", ["window"])
        self._reserved = gauge("reserved_usd", "Money held for open jobs.")
        self._listing = gauge("last_complete_listing_timestamp_seconds", "When all machines were last seen.")
        self._safe = gauge("safe_mode", "1 while nothing is launched.")
        self._alarms = gauge("alarms", "Things that need a person.")
        self._dead = gauge("dead_letters", "Messages that reached nobody since the start.")
        self._depth = gauge("mailbox_depth", "Waiting messages by kind of actor.", ["actor"])
        self._oldest = gauge("mailbox_oldest_seconds", "Age of the oldest waiting message.", ["actor"])
        self._restarts = gauge("actor_restarts", "Restarts by kind of actor since the start.", ["actor"])
        self._parked = gauge("actors_parked", "Kinds of actor of which one failed too often.")
        self._connections = gauge("admin_connections", "Open connections to the admin socket.")
        self.requests = counter("admin_requests", "Requests by method and status.", ["method", "status"])
        self.refusals = counter("admin_refusals", "Requests answered with a problem, by code.", ["code"])

    def text(self, status: StatusDocument, connections: int) -> bytes:
        """Return the numbers as Prometheus reads them."""
        self._jobs.clear()
        for state, count in status.jobs.items():
            self._jobs.labels(state).set(count)
        self._machines.set(status.machines_running)
        self._rate.set(float(status.rate_usd_per_hour))
        self._spent.labels("day").set(float(status.spent_today_usd))
        self._spent.labels("month").set(float(status.spent_month_usd))
        self._reserved.set(float(status.reserved_usd))
        if status.last_complete_listing is not None:
            self._listing.set(status.last_complete_listing.timestamp())
        self._safe.set(status.safe_mode is not None)
        self._alarms.set(len(status.alarms))
        self._dead.set(status.dead_letters)
        self._connections.set(connections)
        self._actors(status)
        return generate_latest(self.registry)

    def _actors(self, status: StatusDocument) -> None:
        """One row per kind, not per actor: ten thousand supervisors are one label."""
        depth, restarts, oldest = Tally[str](), Tally[str](), dict[str, float]()
        for actor in status.actors:
            kind = actor.name.partition("/")[0].partition(":")[0]
            depth[kind] += actor.depth
            restarts[kind] += actor.restarts
            oldest[kind] = max(oldest.get(kind, 0.0), actor.oldest_s)
        for gauge, values in ((self._depth, depth), (self._restarts, restarts), (self._oldest, oldest)):
            gauge.clear()
            for kind, value in values.items():
                gauge.labels(kind).set(value)
        self._parked.set(sum(actor.parked for actor in status.actors))


class HealthRoutes:
    """Handlers of ``/healthz``, ``/readyz``, ``/metrics``, ``/v1/version``, ``/v1/status`` and ``/v1/config``."""

    def __init__(self, desk: Desk, numbers: Numbers, state: GatewayState) -> None:
        self._desk = desk
        self._views = desk.services.views
        self._numbers = numbers
        self._state = state

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/healthz", self.healthz, allow_head=False),
            web.get("/readyz", self.readyz, allow_head=False),
            web.get("/metrics", self.metrics, allow_head=False),
            web.get("/v1/version", self.version, allow_head=False),
            web.get("/v1/status", self.status, allow_head=False),
            web.get("/v1/config", self.config, allow_head=False),
        ]

    async def healthz(self, request: web.Request) -> web.StreamResponse:
        """The loop turns: that this is answered says it."""
        return answer({"status": "ok"}, request=request)

    async def readyz(self, request: web.Request) -> web.StreamResponse:
        """Whether new work can be taken; 503 when not."""
        found = readiness(await self._status(request), self._desk.clock.now())
        found["checks"]["draining"] = {"ok": not self._state.draining}
        found["ready"] = found["ready"] and not self._state.draining
        return answer(found, request=request, status=200 if found["ready"] else 503)

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """The numbers in Prometheus text."""
        body = self._numbers.text(await self._status(request), self._state.connections)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def version(self, request: web.Request) -> web.StreamResponse:
        """Which daemon this is, and which API it speaks."""
        return answer(VersionDocument(version=self._desk.services.version), request=request)

    async def status(self, request: web.Request) -> web.StreamResponse:
        """Everything on one screen."""
        return answer(await self._status(request), request=request)

    async def config(self, request: web.Request) -> web.StreamResponse:
        """The effective configuration, secrets left out."""
        async with view_deadline(self._desk):
            return answer(await self._views.config(asked(request).requester), request=request)

    async def _status(self, request: web.Request) -> StatusDocument:
        async with view_deadline(self._desk):
            return await self._views.status(asked(request).requester)
