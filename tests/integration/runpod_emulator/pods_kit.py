"""A client for an emulator that runs as a process of its own."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.emulators.runpod.launch import Emulator
from tests.emulators.runpod.settings import MAIN_KEY
from tests.support.patience import wait_until

FAST: dict[str, Any] = {
    "place_s": 0.05,
    "pull_s": 0.05,
    "restart_s": 0.2,
    "terminate_grace_s": 0.3,
    "stop_grace_s": 0.3,
    "quotas": {},
    "volumes": {"vol1": {"data_center": "EU-RO-1", "size_gb": 10}},
}


class Pods:
    """Creates and reads pods of one emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.workspace = emulator.root / "workspace"
        self.volume = emulator.root / "volumes" / "vol1"

    def call(
        self, method: str, path: str, body: Any = None, key: str = MAIN_KEY, timeout: float = 10
    ) -> tuple[int, Any]:
        request = urllib.request.Request(
            self.emulator.urls["rest"] + path,
            None if body is None else json.dumps(body).encode(),
            {"authorization": f"Bearer {key}", "user-agent": "test/1"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                raw = answer.read()
                return answer.status, json.loads(raw) if raw else None
        except urllib.error.HTTPError as error:
            with error:
                raw = error.read()
                return error.code, json.loads(raw) if raw.startswith(b"{") else raw

    def start(self, script: str, name: str = "pod", **more: Any) -> str:
        """Create a pod that runs a shell script with the volume mounted."""
        body = {
            "name": name,
            "image": "ubuntu:24.04",
            "gpu": {"id": "NVIDIA RTX A5000", "count": 1},
            "entrypoint": ["sh", "-c"],
            "cmd": [script],
            "env": {"WORK": str(self.workspace)},
            "mounts": {"network": [{"volumeId": "vol1", "path": str(self.workspace)}]},
            **more,
        }
        status, pod = self.call("POST", "/pods", body)
        assert status == 201, pod
        return str(pod["id"])

    def get(self, pod_id: str) -> Any:
        return self.call("GET", f"/pods/{pod_id}")[1]

    def file(self, name: str) -> str:
        """Return a file of the volume as soon as it is there and not empty."""
        path: Path = self.volume / name
        return str(wait_until(lambda: path.read_text() if path.exists() else "", f"{name} on the volume"))
