"""Pods as replies show them, with everything that faults make of that (fact sheet 1.1)."""

from __future__ import annotations

from typing import Any

from tests.emulators.runpod.faults import FaultBox
from tests.emulators.runpod.podenv import PUBLIC_IP
from tests.emulators.runpod.podlog import instant
from tests.emulators.runpod.podstate import ACTIONS, Pod, Status
from tests.emulators.runpod.settings import Dialect

CGNAT = "100.65.0.1"
"""Address shown for ports behind the HTTP proxy."""
FREE = (Status.EXITED, Status.TERMINATED)


class PodView:
    """Shows pods of one platform."""

    def __init__(self, spec: Dialect, faults: FaultBox) -> None:
        self._spec = spec
        self._faults = faults

    def show(self, pod: Pod, call: str, now: float) -> dict[str, Any]:
        """Return a pod's document."""
        name = pod.config.name
        skew = self._faults.standing("clock.skew", call, now, name) or 0.0
        status = self._status(pod, call, now)
        actions = ACTIONS.get(pod.status, ())
        cost: float | str = 0.0 if pod.status in FREE else float(pod.price)
        if self._faults.hit("cost.string", call, now, name):
            cost = f"{cost:.2f}"
        shown: dict[str, Any] = {
            "id": pod.id,
            "name": name,
            "status": status,
            "actions": list(actions),
            **self._container(pod),
            "mounts": _mounts(pod),
            **_hardware(pod, self._spec),
            "cloud": pod.hardware.cloud,
            "dataCenterId": pod.hardware.data_center,
            "cudaVersion": pod.hardware.cuda,
            "ssh": self._ssh(pod),
            "template": None,
            "cost": cost,
            "locked": pod.config.locked,
            "globalNetworking": {"enabled": pod.config.global_networking},
            "runtime": self._runtime(pod, call, now),
            "createdAt": instant((pod.life.created_at or now) + skew),
            "startedAt": None if pod.started_at is None else instant(pod.started_at + skew),
        }
        if self._faults.hit("fields.new", call, now, name):
            shown |= {"carbon": {"grams": 12.5}, "priority": "NEW_WORD"}
        return shown

    def _container(self, pod: Pod) -> dict[str, Any]:
        config = pod.config
        shown: dict[str, Any] = {
            "image": config.image,
            "args": config.args,
            "disk": config.disk_gb,
            "ports": list(config.ports),
            "env": dict(config.env),
            "registry": config.registry,
        }
        if self._spec != "2026-08":
            shown |= {
                name: list(value)
                for name, value in (("cmd", config.cmd), ("entrypoint", config.entrypoint))
                if value is not None
            }
        return shown

    def _status(self, pod: Pod, call: str, now: float) -> str:
        name = pod.config.name
        word = self._faults.hit("status.word", call, now, name)
        if word:
            return str(word)
        words = self._faults.hit("status.flap", call, now, name)
        if words:
            return str(words[self._faults.hits["status.flap"] % len(words)])
        age = self._faults.hit("status.stale", call, now, name)
        return (pod.status if age is None else pod.status_at(now - age)).value

    def _runtime(self, pod: Pod, call: str, now: float) -> dict[str, Any] | None:
        name = pod.config.name
        if self._faults.hit("runtime.null", call, now, name):
            return None
        if pod.status is Status.PROVISIONING:
            return {}
        if pod.status is not Status.RUNNING:
            return None
        age = self._faults.hit("runtime.stale", call, now, name) or 0.0
        up = 0 if pod.up_since is None else max(0, int(now - age - pod.up_since))
        gpus = pod.hardware.count if pod.hardware.kind == "gpu" else 0
        return {
            "uptime": up,
            "gpus": [{"util": 90 if up else 0, "memoryUtil": 40 if up else 0} for _ in range(gpus)],
            "cpu": {"util": 25 if up else 0},
            "memory": {"util": 30 if up else 0},
            "ports": [] if pod.fate.zombie else _ports(pod),
        }

    def _ssh(self, pod: Pod) -> dict[str, Any]:
        user = f"{pod.id}-64411eb2"
        host = "ssh.runpod.invalid"
        proxy = {"host": host, "port": 22, "username": user, "command": f"ssh {user}@{host}"}
        return {"proxy": proxy, "direct": None}


def _ports(pod: Pod) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = []
    for port in pod.config.ports:
        private, _, kind = port.partition("/")
        public = pod.ports.get(int(private)) if kind == "tcp" else 60_000 + int(private) % 5000
        ip = PUBLIC_IP if kind == "tcp" else CGNAT
        shown.append({"private": int(private), "public": public, "type": kind, "ip": ip})
    return shown


def _mounts(pod: Pod) -> dict[str, Any]:
    config = pod.config
    if config.volume_id:
        return {"network": [{"volumeId": config.volume_id, "path": config.mount_path}]}
    if config.own_disk_gb:
        return {"persistent": {"size": config.own_disk_gb, "path": config.mount_path}}
    return {}


def _hardware(pod: Pod, spec: Dialect) -> dict[str, Any]:
    hardware = pod.hardware
    if hardware.kind == "cpu":
        return {"cpu": {"id": hardware.id, "vcpuCount": hardware.vcpu, "memory": hardware.memory_gb}}
    shown = {"id": hardware.id, "count": hardware.count}
    if spec != "2026-08":
        shown |= {"vcpuCount": hardware.vcpu, "memory": hardware.memory_gb}
    return {"gpu": shown}
