"""A platform in virtual time with a small client, for tests of the core."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.emulators.runpod.platform import Platform
from tests.emulators.runpod.runner import PodRunner
from tests.emulators.runpod.settings import MAIN_KEY, Settings
from tests.emulators.runpod.wire import Request, Response, Surface

T0 = 1_780_000_000.0
GPU = "NVIDIA RTX A5000"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    response: Response

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Talks to a platform; ``now`` moves only when told."""

    def __init__(self, settings: Settings | None = None, runner: PodRunner | None = None, seed: int = 7) -> None:
        self.now = T0
        self.platform = Platform(settings or Settings(quotas={}), runner, random.Random(seed), now=self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.platform.tick(self.now)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = MAIN_KEY,
        query: str = "",
        surface: Surface = Surface.REST,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = {"user-agent": "test/1", **(headers or {})}
        if key is not None:
            sent["authorization"] = f"Bearer {key}"
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        found = self.platform.handle(Request(surface, method, path, query, sent, raw), self.now)
        return Answer(found.status, found.headers, found.body, found)

    def fault(self, **faults: Any) -> None:
        """``create__bad400=True`` switches ``create.bad400`` on."""
        self.platform.faults.arm_json({name.replace("__", "."): value for name, value in faults.items()}, self.now)
        self.platform.tick(self.now)

    def body(self, name: str = "pod-1", **more: Any) -> dict[str, Any]:
        return {"name": name, "image": "ubuntu:24.04", "gpu": {"id": GPU, "count": 1}, **more}

    def create(self, name: str = "pod-1", **more: Any) -> str:
        made = self.call("POST", "/v2/pods", self.body(name, **more))
        assert made.status == 201, made.body
        return str(made.json["id"])

    def running(self, name: str = "pod-1", **more: Any) -> str:
        pod_id = self.create(name, **more)
        self.wait(30)
        return pod_id

    def pod(self, pod_id: str) -> Any:
        return self.call("GET", f"/v2/pods/{pod_id}").json

    def names(self) -> list[str]:
        return [pod["name"] for pod in self.call("GET", "/v2/pods").json["pods"]]

    def graphql(self, query: str, *, key: str | None = MAIN_KEY, **variables: Any) -> Answer:
        body = {"query": query, "variables": variables}
        return self.call("POST", "/graphql", body, key=key, surface=Surface.GRAPHQL)
