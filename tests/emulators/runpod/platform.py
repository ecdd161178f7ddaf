"""The whole platform as one synchronous, deterministic core: a request and a time in, an answer out.

Time comes only from the caller, ids from one seeded source. The aiohttp server and simulators call the same object.
"""

from __future__ import annotations

import json
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from email.utils import formatdate
from functools import partial
from typing import Any, Protocol

from tests.emulators.common.core import Coming, Core
from tests.emulators.runpod import edge, logs
from tests.emulators.runpod.auth import Caller, Keys, check
from tests.emulators.runpod.billing import BillingApi
from tests.emulators.runpod.catalogue import Catalogue
from tests.emulators.runpod.endpoints import Endpoints
from tests.emulators.runpod.faults import FaultBox, Faults, switched_on
from tests.emulators.runpod.graphql import GraphQl, faulty, read
from tests.emulators.runpod.graphql_query import SyntaxProblem
from tests.emulators.runpod.hosts import Hosts
from tests.emulators.runpod.ledger import Ledger, Line
from tests.emulators.runpod.limits import WINDOWS, Quotas
from tests.emulators.runpod.placement import Placement
from tests.emulators.runpod.podbody import ACTION, require
from tests.emulators.runpod.pods import PodsApi
from tests.emulators.runpod.podstate import Life
from tests.emulators.runpod.problems import Problem
from tests.emulators.runpod.routes import Route, find
from tests.emulators.runpod.runner import NoProgram, PodRunner
from tests.emulators.runpod.scripts import ScriptRunner
from tests.emulators.runpod.serverless import Serverless, target
from tests.emulators.runpod.settings import Settings
from tests.emulators.runpod.surprises import happen
from tests.emulators.runpod.templates import Templates
from tests.emulators.runpod.volume import Volume, Volumes
from tests.emulators.runpod.volumes_api import FilesOf, VolumesApi, in_memory
from tests.emulators.runpod.wire import Request, Response, Surface

BODY_BYTES_MAX = 102_400
NO_HEADERS: Mapping[str, str] = {}
ASKED_MAX = 100_000
"""Calls the auditor remembers one by one."""


class Part(Protocol):
    """Another surface's own core."""

    def handle(self, request: Request, now: float) -> Response:
        """Answer one request."""
        ...


@dataclass(slots=True)
class Asked:
    """One call, as the auditor wrote it down."""

    at: float
    call: str
    caller: str
    """``<account>/account``, ``<account>/pod``, or empty where no valid key came."""
    id: str
    status: int


@dataclass(frozen=True)
class Alive:
    """One pod that exists and may bill."""

    pod_id: str
    name: str
    account: str
    status: str
    rate: Decimal
    """USD per hour, disks included."""
    since: float
    foreign: bool


class Platform(Core):
    """An emulated RunPod."""

    def __init__(
        self,
        settings: Settings | None = None,
        runner: PodRunner | None = None,
        rng: random.Random | None = None,
        *,
        now: float,
        files_of: FilesOf = in_memory,
        s3: Callable[[Platform], Part] | None = None,
    ) -> None:
        super().__init__(now)
        self.settings = settings or Settings()
        rng = rng or random.Random(0)
        self.faults = FaultBox()
        self.volumes = Volumes()
        self.calls: Counter[str] = Counter()
        """Call name → how often it came in."""
        self.answers: Counter[str] = Counter()
        """``<call> <status>`` → how often."""
        self.asked: deque[Asked] = deque(maxlen=ASKED_MAX)
        self._broke: set[str] = set()
        self._request_ids = random.Random(rng.getrandbits(64))
        self.runner = runner or NoProgram()
        accounts = self.settings.accounts
        self._keys = Keys(accounts, random.Random(rng.getrandbits(64)))
        self._quotas = Quotas(self.settings.quotas)
        self.ledger = Ledger({name: one.balance for name, one in accounts.items()}, now)
        self.hosts = Hosts(self.settings, self.runner, self.ledger, self._keys, rng)
        self.catalogue = Catalogue(self.settings, self.hosts)
        self._templates = Templates(self.settings.spec, self.hosts.new_id)
        self._volumes_api = VolumesApi(self.volumes, self.catalogue, self.ledger, self.hosts.new_id, files_of)
        placement = Placement(accounts, self.catalogue, self.ledger, self.faults)
        self._pods = PodsApi(self.settings, self.hosts, placement, self.volumes, self._templates, self.faults)
        self._billing = BillingApi(self.ledger, self.faults, self.settings.billing_lag_s)
        self._graphql = GraphQl(accounts, self.hosts, self._pods, self.catalogue, self.ledger, self.faults)
        for volume_id, one in self.settings.volumes.items():
            self.add_volume(one.account, one.name, one.size_gb, one.data_center, now, volume_id)
        self.s3 = s3(self) if s3 else None
        self.endpoints = Endpoints(self.settings, self._templates, self.volumes, self.ledger, self.hosts.new_id)
        self._serverless = Serverless(self.endpoints, random.Random(rng.getrandbits(64)))
        self._rest = self._works()
        if isinstance(self.runner, ScriptRunner) and not self.runner.attached:
            self.runner.attach(self.handle, self.volumes)

    def close(self) -> None:
        """End every pod's program."""
        self.runner.close()

    # The auditor's view, and its hands.

    def bills(self) -> tuple[Line, ...]:
        """Return every line of the account book; ``Line.amount(until)`` is exact."""
        return self.ledger.lines

    def alive(self, now: float) -> tuple[Alive, ...]:
        """Return every pod that exists, shown to anybody or not."""
        self.tick(now)
        return tuple(
            Alive(
                pod.id,
                pod.config.name,
                pod.account,
                pod.status.value,
                self.ledger.rate(pod.id),
                pod.life.created_at or now,
                pod.fate.foreign,
            )
            for pod in self.hosts.pods()
        )

    def history(self) -> tuple[Life, ...]:
        """Return the life of every pod that was ever asked for and accepted."""
        return tuple(self.hosts.lives.values())

    def arm(self, faults: Faults, now: float) -> None:
        """Switch faults on."""
        for name, switch in switched_on(faults):
            self.faults.arm(name, switch, now)
        self.tick(now)

    def add_volume(
        self, account: str, name: str, size_gb: int, data_center: str, now: float, volume_id: str | None = None
    ) -> Volume:
        """Make a network volume without a call."""
        body = {"name": name, "size": size_gb, "dataCenter": data_center}
        return self._volumes_api.add(account, body, now, volume_id)

    def set_balance(self, account: str, balance: Decimal, now: float) -> None:
        """Put an account at a balance, as a payment does."""
        self.tick(now)
        self.ledger.set_balance(account, balance, now)
        self._broke.discard(account)

    # Requests.

    def handle(self, request: Request, now: float) -> Response:
        """Answer one request at ``now``, seconds since 1970."""
        now = max(now, self._now)
        self.tick(now)
        if request.surface is Surface.S3:
            self.calls[f"s3.{request.method}"] += 1
            return self._other(self.s3, request, now)
        if request.surface is Surface.GRAPHQL:
            return self._handle_graphql(request, now)
        if request.surface is Surface.SERVERLESS:
            return self._handle_serverless(request, now)
        route = find(request)
        blocked = edge.before(request, route.call, self.faults, now)
        if blocked is not None:
            return self._leaving(route, "", blocked, now)
        caller, headers = None, {}
        try:
            caller = self._keys.caller(request, route.call, self.faults, now)
            headers = self._limited(caller, route.call, now)
            if route.problem:
                raise route.problem
            check(caller, route.call, request.method, route.id, self.faults, now)
            answer = self._rest[route.call](request, route, caller, now)
        except Problem as problem:
            answer = problem.response()
        who = f"{caller.account}/{caller.who}" if caller else ""
        return self._leaving(route, who, answer, now, headers)

    def _handle_graphql(self, request: Request, now: float) -> Response:
        try:
            operation = read(request)
        except SyntaxProblem as problem:
            return self._leaving(Route("graphql.unreadable"), "", faulty(str(problem), "GRAPHQL_PARSE_FAILED"), now)
        route = Route(operation.call)
        blocked = edge.before(request, route.call, self.faults, now)
        if blocked is not None:
            return self._leaving(route, "", blocked, now)
        caller = None
        try:
            caller = self._keys.caller(request, route.call, self.faults, now)
            if self._exhausted(route.call, now):
                raise Problem(429, "too many requests", headers={"retry-after": "30"})
            answer = self._graphql.answer(operation, caller, now)
        except Problem as problem:
            answer = problem.response()
        return self._leaving(route, f"{caller.account}/{caller.who}" if caller else "", answer, now)

    def _handle_serverless(self, request: Request, now: float) -> Response:
        asked = target(request)
        route = Route(asked.call, asked.ids[-1] if asked.ids else "")
        blocked = edge.before(request, route.call, self.faults, now)
        if blocked is not None:
            return self._leaving(route, "", blocked, now)
        caller = None
        try:
            caller = self._keys.caller(request, route.call, self.faults, now)
            check(caller, route.call, request.method, None, self.faults, now)
            answer = self._serverless.answer(asked, request, caller, now)
        except Problem as problem:
            answer = problem.response()
        return self._leaving(route, f"{caller.account}/{caller.who}" if caller else "", answer, now)

    def _leaving(
        self, route: Route, caller: str, answer: Response, now: float, more: Mapping[str, str] = NO_HEADERS
    ) -> Response:
        self.calls[route.call] += 1
        self.answers[f"{route.call} {answer.status}"] += 1
        self.asked.append(Asked(now, route.call, caller, route.id, answer.status))
        skew = self.faults.standing("clock.skew", route.call, now) or 0.0
        headers = {
            "x-request-id": f"{self._request_ids.getrandbits(128):032x}",
            "date": formatdate(now + skew, usegmt=True),
            **more,
            **answer.headers,
        }
        return edge.after(answer.having(headers), route.call, self.faults, now)

    def _limited(self, caller: Caller, call: str, now: float) -> dict[str, str]:
        return self._quotas.take(caller.account, now, self._exhausted(call, now))

    def _exhausted(self, call: str, now: float) -> list[str]:
        return [name for name in WINDOWS if self.faults.hit(f"ratelimit.{name}", call, now)]

    @staticmethod
    def _other(part: Part | None, request: Request, now: float) -> Response:
        return Problem(404, "not found").response() if part is None else part.handle(request, now)

    def _works(self) -> Mapping[str, Callable[[Request, Route, Caller, float], Response]]:
        pods, volumes, catalogue = self._pods, self._volumes_api, self.catalogue
        templates, billing, endpoints = self._templates, self._billing, self.endpoints
        actions = {
            f"pods.action.{word}": lambda q, r, c, now: pods.action(r.id, _action(q), c, now)
            for word in ("start", "stop", "restart", "terminate", "unknown")
        }
        return {
            **actions,
            "pods.list": lambda q, r, c, now: pods.list_pods(q, c, now),
            "pods.create": lambda q, r, c, now: pods.create(_body(q), c, now),
            "pods.get": lambda q, r, c, now: pods.get(r.id, c, now),
            "pods.patch": lambda q, r, c, now: pods.patch(r.id, _body(q), c, now),
            "pods.delete": lambda q, r, c, now: pods.end(r.id, "pods.delete", c, now),
            "pods.logs": self._logs,
            "catalog.gpus": lambda q, r, c, now: catalogue.list_gpus(q),
            "catalog.gpu": lambda q, r, c, now: catalogue.get_gpu(q, r.id),
            "catalog.cpus": lambda q, r, c, now: catalogue.list_cpus(q),
            "catalog.cpu": lambda q, r, c, now: catalogue.get_cpu(q, r.id),
            "catalog.datacenters": lambda q, r, c, now: catalogue.list_places(q),
            "catalog.datacenter": lambda q, r, c, now: catalogue.get_place(q, r.id),
            "volumes.list": lambda q, r, c, now: volumes.list_volumes(c),
            "volumes.create": lambda q, r, c, now: volumes.create(_body(q), c, now),
            "volumes.get": lambda q, r, c, now: volumes.get(r.id, c),
            "volumes.patch": lambda q, r, c, now: volumes.patch(r.id, _body(q), c, now),
            "volumes.delete": lambda q, r, c, now: volumes.delete(r.id, c, now),
            "templates.list": lambda q, r, c, now: templates.list(c),
            "templates.create": lambda q, r, c, now: templates.create(_body(q), c),
            "templates.get": lambda q, r, c, now: templates.get(r.id, c),
            "templates.patch": lambda q, r, c, now: templates.patch(r.id, _body(q), c),
            "templates.delete": lambda q, r, c, now: templates.delete(r.id, c),
            "registries.list": lambda q, r, c, now: templates.list_registries(c),
            "registries.create": lambda q, r, c, now: templates.create_registry(_body(q), c),
            "registries.get": lambda q, r, c, now: templates.get_registry(r.id, c),
            "registries.delete": lambda q, r, c, now: templates.delete_registry(r.id, c),
            "serverless.list": lambda q, r, c, now: endpoints.list_endpoints(c),
            "serverless.create": lambda q, r, c, now: endpoints.create(_body(q), c, now),
            "serverless.get": lambda q, r, c, now: endpoints.get(r.id, c),
            "serverless.patch": lambda q, r, c, now: endpoints.patch(r.id, _body(q), c, now),
            "serverless.delete": lambda q, r, c, now: endpoints.delete(r.id, c, now),
            "serverless.workers": lambda q, r, c, now: endpoints.workers(r.id, c, now),
            "serverless.releases": lambda q, r, c, now: endpoints.releases(r.id, c),
            "billing.all": lambda q, r, c, now: billing.whole(q, c, now),
            "billing.pods": lambda q, r, c, now: billing.pods(q, c, now),
            "billing.network-volumes": lambda q, r, c, now: billing.volumes(q, c, now),
            "billing.endpoints": lambda q, r, c, now: billing.nothing(q, c, now),
            "billing.clusters": lambda q, r, c, now: billing.nothing(q, c, now),
            "billing.serverless": lambda q, r, c, now: billing.serverless(q, c, now),
        }

    def _logs(self, request: Request, route: Route, caller: Caller, now: float) -> Response:
        pod = self._pods.own(route.id, caller, now)
        return logs.answer(request, pod, lambda: self.hosts.collect(pod, self._now), self.faults, now)

    # What happens by itself.

    def _coming(self) -> Iterator[Coming]:
        yield self.faults.next_moment(), "fault", self._strike
        yield self.hosts.next_due(), "pod", self.hosts.step
        yield self.runner.next_due(), "program", self._run_programs
        yield self._serverless.next_due(), "job", self._serverless.step
        for account in self.settings.accounts:
            if account not in self._broke:
                yield self.ledger.runs_out(account), f"balance {account}", partial(self._ran_out, account)

    def _run_programs(self, now: float) -> None:
        for pod_id in self.runner.advance(now):
            self.hosts.look(pod_id, now)

    def _strike(self, now: float) -> None:
        for name, switch in self.faults.happens(now):
            happen(name, switch, self.hosts, self.ledger, next(iter(self.settings.accounts)), now)

    def _ran_out(self, account: str, now: float) -> None:
        self._broke.add(account)
        self.hosts.balance_gone(account, now)


def _body(request: Request) -> Any:
    """Return the JSON body. Raises Problem 413 past the platform's bound, 400 where it is none."""
    if len(request.body) > BODY_BYTES_MAX:
        raise Problem(413, f"request body exceeds {BODY_BYTES_MAX} bytes")
    try:
        return json.loads(request.body)
    except ValueError:
        raise Problem(400, "request body is not JSON") from None


def _action(request: Request) -> Any:
    body = _body(request)
    require(ACTION, body)
    return body
