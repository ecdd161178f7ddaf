"""Serverless endpoints: the calls under /v2/serverless (fact sheet 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.emulators.runpod import podbody
from tests.emulators.runpod.auth import Caller
from tests.emulators.runpod.catalogue_data import GPUS
from tests.emulators.runpod.jobs import JobStatus, Queue
from tests.emulators.runpod.ledger import Kind, Ledger
from tests.emulators.runpod.podlog import instant
from tests.emulators.runpod.problems import Problem, document, empty, invalid, not_found
from tests.emulators.runpod.settings import Settings
from tests.emulators.runpod.templates import Templates
from tests.emulators.runpod.validate import Check, array, integer, number, record, string
from tests.emulators.runpod.volume import Volumes
from tests.emulators.runpod.wire import Response

URL = "https://api.runpod.ai/v2"
GPU_DEFAULTS = {"count": 1, "excludedTypes": [], "allowedCudaVersions": [], "minCudaVersion": None}
WORKERS = {"min": 0, "max": 3, "idleTimeout": 10}
_QUEUE_URLS = {
    "run": "run",
    "runSync": "runsync",
    "status": "status/:id",
    "stream": "stream/:id",
    "cancel": "cancel/:id",
    "retry": "retry/:id",
    "purgeQueue": "purge-queue",
    "health": "health",
}


@dataclass
class Endpoint:
    """One endpoint with its queue."""

    id: str
    account: str
    document: dict[str, Any]
    queue: Queue
    version: int = 1


class Endpoints:
    """All endpoints of one platform."""

    def __init__(
        self,
        settings: Settings,
        templates: Templates,
        volumes: Volumes,
        ledger: Ledger,
        new_id: Callable[[int], str],
    ) -> None:
        self._settings = settings
        self._templates = templates
        self._volumes = volumes
        self._ledger = ledger
        self._new_id = new_id
        self._held: dict[str, Endpoint] = {}
        self.url = URL
        """Base of the data plane, as replies name it."""
        fields = _fields(settings)
        self._create = record(
            {**fields, "type": string(one_of=("QUEUE", "LOAD_BALANCER"))}, ("name", "type", "scaling")
        )
        self._change = record(fields)

    def all(self) -> tuple[Endpoint, ...]:
        """Return every endpoint."""
        return tuple(self._held.values())

    def own(self, endpoint_id: str, caller: Caller) -> Endpoint:
        """Return an endpoint of this account. Raises Problem 404."""
        found = self._held.get(endpoint_id)
        if found is None or found.account != caller.account:
            raise not_found("endpoint")
        return found

    def list_endpoints(self, caller: Caller) -> Response:
        """Answer GET /v2/serverless."""
        held = [one.document for one in self._held.values() if one.account == caller.account]
        return document(200, {"endpoints": held})

    def create(self, body: Any, caller: Caller, now: float) -> Response:
        """Answer POST /v2/serverless."""
        podbody.require(self._create, body)
        whole = self._templates.expand(body, caller.account, serverless=True)
        if "image" not in whole:
            raise invalid(["$: missing property 'image'"])
        self._check(whole, caller)
        endpoint_id = self._new_id(14)
        made = {
            "id": endpoint_id,
            "requestUrls": self._urls(endpoint_id, whole["type"]),
            "args": "",
            "disk": 20,
            "env": {},
            "ports": [],
            "registry": None,
            "dataCenterIds": [],
            "networkVolumes": [],
            "timeout": 300_000,
            "flashboot": "OFF",
            **whole,
            "workers": {**WORKERS, **whole.get("workers", {})},
            "createdAt": instant(now),
        }
        if "gpu" in whole:
            made["gpu"] = {
                "count": 1,
                "excludedTypes": [],
                "allowedCudaVersions": [],
                "minCudaVersion": None,
                **whole["gpu"],
            }
        endpoint = Endpoint(endpoint_id, caller.account, made, Queue(self._settings.worker_lost_s))
        self._held[endpoint_id] = endpoint
        self._charge(endpoint, now)
        return document(201, made)

    def get(self, endpoint_id: str, caller: Caller) -> Response:
        """Answer GET /v2/serverless/{id}."""
        return document(200, self.own(endpoint_id, caller).document)

    def patch(self, endpoint_id: str, body: Any, caller: Caller, now: float) -> Response:
        """Answer PATCH /v2/serverless/{id}; ``pools`` clears ``excludedTypes``."""
        endpoint = self.own(endpoint_id, caller)
        podbody.require(self._change, body)
        gpu = body.get("gpu", {})
        if "excludedTypes" in gpu and "pools" not in gpu:
            raise invalid(["$.gpu: property 'pools' is required when 'excludedTypes' is there"])
        merged = {**endpoint.document, **self._templates.expand(body, caller.account, serverless=True)}
        if gpu:
            cleared: dict[str, Any] = {"excludedTypes": []} if "pools" in gpu else {}
            merged["gpu"] = {**endpoint.document.get("gpu", {}), **cleared, **gpu}
        merged["workers"] = {**endpoint.document["workers"], **body.get("workers", {})}
        self._check(merged, caller, changed=body)
        endpoint.document = merged
        endpoint.version += 1
        self._charge(endpoint, now)
        return document(200, merged)

    def delete(self, endpoint_id: str, caller: Caller, now: float) -> Response:
        """Answer DELETE /v2/serverless/{id}."""
        self.own(endpoint_id, caller)
        del self._held[endpoint_id]
        self._ledger.charge(caller.account, endpoint_id, {}, now)
        return empty()

    def workers(self, endpoint_id: str, caller: Caller, now: float) -> Response:
        """Answer GET /v2/serverless/{id}/workers."""
        endpoint = self.own(endpoint_id, caller)
        busy = [job.worker_id for job in endpoint.queue.jobs.values() if job.status is JobStatus.IN_PROGRESS]
        shown = [
            {
                "id": worker.id,
                "status": "UNHEALTHY" if worker.unhealthy else "RUNNING" if worker.id in busy else "IDLE",
                "isStale": False,
                "version": endpoint.version,
                "gpuCount": endpoint.document.get("gpu", {}).get("count", 0),
                "image": endpoint.document["image"],
                "uptimeSeconds": int(now - worker.began),
                "startedAt": instant(worker.began),
            }
            for worker in endpoint.queue.workers.values()
        ]
        words = ("running", "idle", "initializing", "throttled", "unhealthy")
        summary = {word: sum(1 for one in shown if one["status"] == word.upper()) for word in words}
        return document(
            200, {"workers": shown, "summary": {**summary, "total": len(shown)}, "endpointVersion": endpoint.version}
        )

    def releases(self, endpoint_id: str, caller: Caller) -> Response:
        """Answer GET /v2/serverless/{id}/releases."""
        endpoint = self.own(endpoint_id, caller)
        total = len(endpoint.queue.workers)
        rollout = {"inProgress": False, "workersOnLatest": total, "workersTotal": total, "percentOnLatest": 100}
        return document(200, {"endpointVersion": endpoint.version, "rollout": rollout, "releases": []})

    def _urls(self, endpoint_id: str, kind: str) -> dict[str, str]:
        if kind == "QUEUE":
            return {name: f"{self.url}/{endpoint_id}/{path}" for name, path in _QUEUE_URLS.items()}
        base = f"https://{endpoint_id}.api.runpod.ai"
        return {"base": base, "health": f"{base}/ping"}

    def _check(self, body: Mapping[str, Any], caller: Caller, changed: Mapping[str, Any] | None = None) -> None:
        """Check the rules between fields. Raises Problem 400, 404 or 422."""
        scaling, given = body["scaling"]["type"], body if changed is None else changed
        if body["type"] == "LOAD_BALANCER" and scaling != "REQUEST_COUNT":
            raise invalid(["$.scaling.type: value must be 'REQUEST_COUNT'"])
        if body["type"] == "QUEUE" and scaling == "REQUEST_COUNT" and "idleTimeout" in given.get("workers", {}):
            raise invalid(["$.workers.idleTimeout: not allowed with scaling by request count"])
        if ("gpu" in body) == ("cpu" in body):
            raise Problem(400, "exactly one of gpu and cpu is required")
        pools = [pool for pool in body.get("gpu", {}).get("pools", []) if pool not in {gpu.pool for gpu in GPUS}]
        if pools:
            raise Problem(400, f"unknown gpu pool '{pools[0]}'")
        workers = {**WORKERS, **body.get("workers", {})}
        if workers["min"] > workers["max"]:
            raise Problem(400, "workers.min exceeds workers.max")
        places = []
        for volume_id in body.get("networkVolumes", []):
            volume = self._volumes.get(volume_id)
            if volume is None or volume.account != caller.account:
                raise not_found("network volume")
            places.append(volume.data_center)
        if len(set(places)) < len(places):
            raise Problem(400, "at most one network volume per data center")

    def _charge(self, endpoint: Endpoint, now: float) -> None:
        """Workers that are always there bill all the time."""
        gpu = endpoint.document.get("gpu", {})
        prices = [Decimal(one.serverless_per_s or "0") * 3600 for one in GPUS if one.pool in gpu.get("pools", [])]
        rate = max(prices, default=Decimal(0)) * gpu.get("count", 1) * endpoint.document["workers"]["min"]
        self._ledger.charge(endpoint.account, endpoint.id, {Kind.SERVERLESS: rate}, now)


def _fields(settings: Settings) -> dict[str, Check]:
    cuda = podbody.CUDA
    gpu = {
        "pools": array(string(), min_items=1),
        "excludedTypes": array(string(pattern=r"^\s*[^-\s]"), unique=True),
        "count": integer(minimum=1),
        "allowedCudaVersions": array(cuda),
        "minCudaVersion": string(pattern=r"^$|^\d+\.\d+$"),
    }
    cpu = record({"id": string(min_length=1), "vcpuCount": integer(minimum=2)}, ("id", "vcpuCount"))
    return {
        **podbody.container(settings.spec),
        "name": string(min_length=1),
        "gpu": record(gpu),
        "cpu": array(cpu, min_items=1, unique=True),
        "scaling": _scaling,
        "dataCenterIds": array(string()),
        "flashboot": string(one_of=("OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT")),
        "networkVolumes": array(string()),
        "templateId": string(),
        "timeout": integer(),
        "workers": record(
            {"min": integer(minimum=0), "max": integer(minimum=0), "idleTimeout": integer(minimum=1, maximum=3600)}
        ),
    }


_DELAY = record({"type": string(one_of=("QUEUE_DELAY",)), "queueDelay": number(minimum=0.5)}, ("type", "queueDelay"))
_COUNT = record(
    {"type": string(one_of=("REQUEST_COUNT",)), "requestCount": integer(minimum=1)}, ("type", "requestCount")
)


def _scaling(value: Any, path: str) -> Any:
    counted = isinstance(value, dict) and value.get("type") == "REQUEST_COUNT"
    return (_COUNT if counted else _DELAY)(value, path)
