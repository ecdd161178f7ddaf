"""POST /graphql: balance, ending pods, a few reads. Errors come with status 200 (fact sheet 1.3)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from tests.emulators.runpod.auth import Caller, check
from tests.emulators.runpod.catalogue import Catalogue
from tests.emulators.runpod.faults import FaultBox
from tests.emulators.runpod.graphql_query import Field, SyntaxProblem, parse
from tests.emulators.runpod.hosts import Hosts
from tests.emulators.runpod.ledger import Ledger
from tests.emulators.runpod.podlog import instant
from tests.emulators.runpod.pods import PodsApi
from tests.emulators.runpod.podstate import ACTIONS, Pod, Status
from tests.emulators.runpod.problems import Problem, document
from tests.emulators.runpod.settings import AccountSettings
from tests.emulators.runpod.wire import Request, Response

STOCK = {0: None, 1: "Low", 2: "Low"}
MEDIUM_UP_TO = 5


class QueryFault(Exception):
    """One error of a reply; ``code`` goes to its extensions."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Operation:
    """A parsed request, and the calls it makes, by name."""

    kind: str
    fields: tuple[Field, ...]

    @property
    def call(self) -> str:
        """Return the name it is counted under: that of its first field."""
        return f"graphql.{self.fields[0].name}" if self.fields else "graphql.empty"


def read(request: Request) -> Operation:
    """Return what a request asks. Raises SyntaxProblem."""
    try:
        if request.method == "GET":
            query = parse_qs(request.query)
            body: Any = {"query": query.get("query", [""])[0]}
        else:
            body = json.loads(request.body)
        kind, fields = parse(str(body["query"]), body.get("variables") or {})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SyntaxProblem("POST body missing, invalid Content-Type, or JSON object has no keys.") from error
    return Operation(kind, fields)


def faulty(message: str, code: str = "GRAPHQL_VALIDATION_FAILED") -> Response:
    """Return a reply that is nothing but an error, with status 200."""
    return document(200, {"errors": [{"message": message, "extensions": {"code": code}}], "data": None})


class GraphQl:
    """Resolves operations."""

    def __init__(
        self,
        accounts: Mapping[str, AccountSettings],
        hosts: Hosts,
        pods: PodsApi,
        catalogue: Catalogue,
        ledger: Ledger,
        faults: FaultBox,
    ) -> None:
        self._accounts = accounts
        self._hosts = hosts
        self._pods = pods
        self._catalogue = catalogue
        self._ledger = ledger
        self._faults = faults
        self._queries: dict[str, Callable[[Field, Caller, float], Any]] = {
            "myself": self._myself,
            "pod": self._pod,
            "gpuTypes": self._gpu_types,
        }
        self._mutations: dict[str, Callable[[Field, Caller, float], Any]] = {
            "podTerminate": self._terminate,
            "podStop": self._stop,
        }

    def answer(self, operation: Operation, caller: Caller, now: float) -> Response:
        """Resolve an operation. Raises Problem 403 for a key without the right."""
        data: dict[str, Any] = {}
        errors = []
        resolvers = self._mutations if operation.kind == "mutation" else self._queries
        for field in operation.fields:
            if field.name in ("__schema", "__type"):
                return faulty("GraphQL introspection is not allowed", "INTROSPECTION_DISABLED")
            if field.name not in resolvers:
                return faulty(f'Cannot query field "{field.name}" on type "{operation.kind.title()}".')
            method = "POST" if operation.kind == "mutation" else "GET"
            check(caller, f"graphql.{field.name}", method, _pod_id(field), self._faults, now)
            data[field.alias] = None
            try:
                data[field.alias] = resolvers[field.name](field, caller, now)
            except QueryFault as fault:
                errors.append({"message": str(fault), "path": [field.alias], "extensions": {"code": fault.code}})
            except Problem as problem:
                if problem.status >= 500:
                    raise
                errors.append({"message": problem.detail, "path": [field.alias], "extensions": {"code": "RUNPOD"}})
        return document(200, {"errors": errors, "data": data} if errors else {"data": data})

    def _myself(self, field: Field, caller: Caller, now: float) -> Any:
        account = caller.account
        known = {
            "id": account,
            "authId": f"auth|{account}",
            "email": f"{account}@example.invalid",
            "clientBalance": float(round(self._ledger.balance(account, now), 6)),
            "currentSpendPerHr": float(round(self._ledger.burn(account), 6)),
            "spendLimit": float(self._accounts[account].spend_limit),
        }
        if any(one.name == "pods" for one in field.fields):
            known["pods"] = [self._shown(pod, now) for pod in self._hosts.pods(account)]
        return _select(known, field)

    def _pod(self, field: Field, caller: Caller, now: float) -> Any:
        try:
            pod = self._pods.own(_pod_id(field) or "", caller, now)
        except Problem:
            return None
        return _select(self._shown(pod, now), field)

    def _terminate(self, field: Field, caller: Caller, now: float) -> Any:
        try:
            self._pods.end(_pod_id(field) or "", "graphql.podTerminate", caller, now)
        except Problem as problem:
            if problem.status == 404:
                raise QueryFault("pod not found to terminate", "RUNPOD") from problem
            raise

    def _stop(self, field: Field, caller: Caller, now: float) -> Any:
        try:
            pod = self._pods.own(_pod_id(field) or "", caller, now)
        except Problem as problem:
            raise QueryFault("pod not found", "RUNPOD") from problem
        if "stop" in ACTIONS[pod.status]:
            self._hosts.stop(pod, caller.who, "graphql.podStop", now)
        return _select(self._shown(pod, now), field)

    def _gpu_types(self, field: Field, caller: Caller, now: float) -> Any:
        wanted = field.arguments.get("input") or {}
        ids = wanted.get("ids") or ([wanted["id"]] if wanted.get("id") else [])
        return [
            _select(self._gpu_type(gpu_id, field), field)
            for gpu_id in self._catalogue.gpu_ids()
            if not ids or gpu_id in ids
        ]

    def _gpu_type(self, gpu_id: str, field: Field) -> dict[str, Any]:
        gpu = self._catalogue.gpu(gpu_id)
        if gpu is None:
            return {}
        secure, community = self._catalogue.price(gpu, "SECURE"), gpu.price("COMMUNITY")
        lowest = next((one for one in field.fields if one.name == "lowestPrice"), None)
        wish = (lowest.arguments.get("input") or {}) if lowest else {}
        stock = self._catalogue.free()
        place = wish.get("dataCenterId")
        places = [place.upper()] if place else self._catalogue.places()
        free = max((stock.of(gpu_id, one) for one in places), default=0)
        word = STOCK.get(free, "Medium" if free <= MEDIUM_UP_TO else "High")
        return {
            "id": gpu.id,
            "displayName": gpu.name,
            "memoryInGb": gpu.memory_gb,
            "securePrice": float(secure),
            "communityPrice": float(community) or None,
            "secureSpotPrice": None,
            "communitySpotPrice": None,
            "oneMonthPrice": None,
            "maxGpuCount": gpu.max_count,
            "secureCloud": secure > 0,
            "communityCloud": community > 0,
            "lowestPrice": {
                "minimumBidPrice": None,
                "uninterruptablePrice": float(secure) if word else None,
                "stockStatus": word,
                "availableGpuCounts": list(range(1, free + 1)),
                "minVcpu": gpu.vcpu,
                "minMemory": gpu.ram_gb,
            },
        }

    def _shown(self, pod: Pod, now: float) -> dict[str, Any]:
        up = None if pod.up_since is None else int(now - pod.up_since)
        desired = "EXITED" if pod.status is Status.EXITED else "RUNNING"
        when = pod.statuses[-1][0]
        return {
            "id": pod.id,
            "name": pod.config.name,
            "desiredStatus": desired,
            "lastStatusChange": f"{'Exited' if desired == 'EXITED' else 'Rented'} by User: {instant(when)}",
            "lastStartedAt": None if pod.started_at is None else instant(pod.started_at),
            "costPerHr": 0.0 if desired == "EXITED" else float(pod.price),
            "imageName": pod.config.image,
            "env": [f"{name}={value}" for name, value in pod.config.env.items()],
            "ports": ",".join(pod.config.ports),
            "podType": "RESERVED",
            "networkVolumeId": pod.config.volume_id,
            "gpuCount": pod.hardware.count if pod.hardware.kind == "gpu" else 0,
            "uptimeSeconds": up or 0,
            "runtime": None if up is None else {"uptimeInSeconds": up, "ports": [], "gpus": [], "container": None},
        }


def _pod_id(field: Field) -> str | None:
    found = (field.arguments.get("input") or {}) if isinstance(field.arguments.get("input"), dict) else {}
    pod_id = found.get("podId")
    return str(pod_id) if pod_id is not None else None


def _select(known: Mapping[str, Any], field: Field) -> dict[str, Any]:
    """Return the chosen fields. Raises QueryFault on one there is not."""
    shown: dict[str, Any] = {}
    for one in field.fields:
        if one.name not in known:
            raise QueryFault(f'Cannot query field "{one.name}".', "GRAPHQL_VALIDATION_FAILED")
        value = known[one.name]
        if one.fields and isinstance(value, Mapping):
            value = _select(value, one)
        elif one.fields and isinstance(value, list):
            value = [_select(item, one) for item in value if isinstance(item, Mapping)]
        shown[one.alias] = value
    return shown
