"""Which call a REST request is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import unquote

from tests.emulators.runpod.problems import Problem, not_found
from tests.emulators.runpod.wire import Request

_TABLE = {
    "pods": {"GET": "pods.list", "POST": "pods.create"},
    "pods/{}": {"GET": "pods.get", "PATCH": "pods.patch", "DELETE": "pods.delete"},
    "pods/{}/action": {"POST": "pods.action"},
    "pods/{}/logs": {"GET": "pods.logs"},
    "catalog/gpus": {"GET": "catalog.gpus"},
    "catalog/gpus/{}": {"GET": "catalog.gpu"},
    "catalog/cpus": {"GET": "catalog.cpus"},
    "catalog/cpus/{}": {"GET": "catalog.cpu"},
    "catalog/datacenters": {"GET": "catalog.datacenters"},
    "catalog/datacenters/{}": {"GET": "catalog.datacenter"},
    "network-volumes": {"GET": "volumes.list", "POST": "volumes.create"},
    "network-volumes/{}": {"GET": "volumes.get", "PATCH": "volumes.patch", "DELETE": "volumes.delete"},
    "templates": {"GET": "templates.list", "POST": "templates.create"},
    "templates/{}": {"GET": "templates.get", "PATCH": "templates.patch", "DELETE": "templates.delete"},
    "registries": {"GET": "registries.list", "POST": "registries.create"},
    "registries/{}": {"GET": "registries.get", "DELETE": "registries.delete"},
    "billing": {"GET": "billing.all"},
    "billing/pods": {"GET": "billing.pods"},
    "billing/network-volumes": {"GET": "billing.network-volumes"},
    "billing/serverless": {"GET": "billing.serverless"},
    "billing/endpoints": {"GET": "billing.endpoints"},
    "billing/clusters": {"GET": "billing.clusters"},
    "serverless": {"GET": "serverless.list", "POST": "serverless.create"},
    "serverless/{}": {"GET": "serverless.get", "PATCH": "serverless.patch", "DELETE": "serverless.delete"},
    "serverless/{}/workers": {"GET": "serverless.workers"},
    "serverless/{}/releases": {"GET": "serverless.releases"},
}
UNKNOWN = "unknown"
_WORDS = ("start", "stop", "restart", "terminate")


@dataclass(frozen=True)
class Route:
    """One request, understood."""

    call: str
    """Its name, under which it is counted and faults are set."""
    id: str = ""
    problem: Problem | None = None
    """404 or 405: told after the key is checked."""


def find(request: Request) -> Route:
    """Return which call a request is."""
    parts = [unquote(part) for part in request.path.strip("/").split("/")]
    if not parts or parts[0] != "v2":
        return Route(UNKNOWN, problem=not_found())
    plain = "/".join(parts[1:])
    where, one_id = (plain, "") if plain in _TABLE else _with_id(parts[1:])
    methods = _TABLE.get(where)
    if methods is None:
        return Route(UNKNOWN, problem=not_found())
    call = methods.get(request.method)
    if call is None:
        allow = ", ".join(methods)
        return Route(UNKNOWN, one_id, Problem(405, "method not allowed", headers={"allow": allow}))
    return Route(f"{call}.{_word(request.body)}" if call == "pods.action" else call, one_id)


def _with_id(parts: list[str]) -> tuple[str, str]:
    """Return the pattern and the id: the second part, or what follows the catalogue's kind."""
    at = 2 if parts[:1] == ["catalog"] else 1
    if len(parts) <= at:
        return "", ""
    return "/".join([*parts[:at], "{}", *parts[at + 1 :]]), parts[at]


def _word(body: bytes) -> str:
    try:
        word = json.loads(body)["action"]
    except (ValueError, TypeError, KeyError):
        return "unknown"
    return word if word in _WORDS else "unknown"
