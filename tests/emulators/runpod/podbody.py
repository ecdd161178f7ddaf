"""What the bodies of pod calls may hold, by dialect, and what they mean (fact sheet 1.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.emulators.runpod import commands
from tests.emulators.runpod.podenv import USER_VARIABLES_MAX
from tests.emulators.runpod.podstate import Config
from tests.emulators.runpod.problems import Problem, invalid
from tests.emulators.runpod.settings import Dialect
from tests.emulators.runpod.validate import Check, array, boolean, integer, mapping, record, string

CUDA = string(pattern=r"^\d+\.\d+$")
VCPU_COUNTS = (2, 4, 8, 16, 32)
_PORT = re.compile(r"\d{1,5}/(http|tcp)")
NETWORK_MOUNT = record({"volumeId": string(), "path": string()}, ("volumeId", "path"))
PERSISTENT_MOUNT = record({"size": integer(minimum=10), "path": string()}, ("size", "path"))
MOUNTS = record({"persistent": PERSISTENT_MOUNT, "network": array(NETWORK_MOUNT, max_items=1)})
ACTION = record({"action": string(one_of=("start", "stop", "restart", "terminate"))}, ("action",))
RESETS = ("image", "args", "cmd", "entrypoint", "env", "ports", "disk", "registry")
"""A change to one of these begins a running container anew."""


def container(spec: Dialect) -> dict[str, Check]:
    """Return the fields of everything that holds a container."""
    fields: dict[str, Check] = {
        "args": string(),
        "disk": integer(minimum=1),
        "env": mapping,
        "image": string(),
        "ports": array(string()),
        "registry": string(nullable=True),
    }
    if spec != "2026-08":
        fields |= {"cmd": array(string()), "entrypoint": array(string())}
    return fields


def create(spec: Dialect) -> Check:
    """Return the check of a create body."""
    gpu: dict[str, Check] = {
        "id": string(),
        "count": integer(minimum=1),
        "allowedCudaVersions": array(CUDA),
        "minCudaVersion": CUDA,
    }
    if spec != "2026-08":
        gpu |= {"minRamPerGpu": integer(minimum=1), "minVcpuCountPerGpu": integer(minimum=1)}
    cpu: dict[str, Check] = {"id": string(min_length=1), "vcpuCount": integer(minimum=2)}
    return record(
        {
            **container(spec),
            "name": string(min_length=1),
            "cloud": string(one_of=("SECURE", "COMMUNITY")),
            "cpu": record(cpu, ("id", "vcpuCount")),
            "gpu": record(gpu, ("id",)),
            "dataCenterIds": array(string()),
            "globalNetworking": boolean,
            "mounts": MOUNTS,
            "startJupyter": boolean,
            "startSsh": boolean,
            "templateId": string(min_length=1),
        },
        ("name",),
    )


def change(spec: Dialect) -> Check:
    """Return the check of a change body."""
    return record(
        {
            **container(spec),
            "globalNetworking": boolean,
            "locked": boolean,
            "mounts": MOUNTS,
            "name": string(min_length=1),
            "templateId": string(),
        }
    )


def require(check: Check, body: Any) -> None:
    """Raise Problem 422 with everything that is wrong."""
    wrong = list(check(body, "$"))
    if wrong:
        raise invalid(wrong)


def check_crosswise(body: Mapping[str, Any], *, has_template: bool) -> None:
    """Check the rules between fields of a create body. Raises Problem 400, or 422 without an image."""
    if "image" not in body and not has_template:
        raise invalid(["$: missing property 'image'"])
    if ("gpu" in body) == ("cpu" in body):
        raise Problem(400, "exactly one of gpu and cpu is required")
    gpu = body.get("gpu", {})
    if gpu.get("allowedCudaVersions") and gpu.get("minCudaVersion"):
        raise Problem(400, "allowedCudaVersions and minCudaVersion are mutually exclusive")
    mounts = body.get("mounts", {})
    if mounts.get("network") and "persistent" in mounts:
        raise Problem(400, "mounts: network and persistent are mutually exclusive")
    if "persistent" in mounts and "cpu" in body:
        raise Problem(400, "mounts.persistent is for GPU pods only")
    if mounts.get("network") and body.get("cloud") == "COMMUNITY":
        raise Problem(400, "network volumes are available in secure cloud only")
    if "cpu" in body and body["cpu"]["vcpuCount"] not in VCPU_COUNTS:
        raise Problem(400, "cpu.vcpuCount must be a power of two")
    if len(body.get("env", {})) > USER_VARIABLES_MAX:
        raise Problem(400, f"env: at most {USER_VARIABLES_MAX} variables")
    check_container(body)


def check_container(body: Mapping[str, Any]) -> None:
    """Raise Problem 400 on a port or a command that is none, or a command in two forms that differ."""
    commands.split(body.get("args", ""))
    commands.agree(body.get("args"), body.get("cmd"), body.get("entrypoint"))
    for port in body.get("ports", []):
        if not _PORT.fullmatch(port):
            raise Problem(400, f"ports: '{port}' is not of the form 8888/http or 22/tcp")


def config(body: Mapping[str, Any]) -> Config:
    """Return the configuration a checked create body asks for."""
    mounts = body.get("mounts", {})
    network = (mounts.get("network") or [{}])[0]
    persistent = mounts.get("persistent", {})
    return replace(
        _container(Config(body["name"], body.get("image", "")), body),
        global_networking=body.get("globalNetworking", False),
        start_ssh=body.get("startSsh", False),
        start_jupyter=body.get("startJupyter", False),
        volume_id=network.get("volumeId"),
        mount_path=network.get("path", persistent.get("path")),
        own_disk_gb=persistent.get("size", 0),
    )


def changed(old: Config, body: Mapping[str, Any]) -> Config:
    """Return the configuration after a checked change body. Raises Problem 400."""
    check_container(body)
    new = replace(
        _container(old, body),
        name=body.get("name", old.name),
        locked=body.get("locked", old.locked),
        global_networking=body.get("globalNetworking", old.global_networking),
    )
    if "mounts" not in body:
        return new
    network, persistent = body["mounts"].get("network"), body["mounts"].get("persistent")
    if network is not None:
        if not network or network[0]["volumeId"] != old.volume_id or persistent is not None:
            raise Problem(400, "the kind of mount is fixed at creation")
        return replace(new, mount_path=network[0]["path"])
    if persistent is not None:
        if not old.own_disk_gb or persistent["size"] < old.own_disk_gb:
            raise Problem(400, "the kind of mount is fixed at creation, and its size only grows")
        return replace(new, mount_path=persistent["path"], own_disk_gb=persistent["size"])
    return new


def _container(old: Config, body: Mapping[str, Any]) -> Config:
    cmd, entrypoint, args = body.get("cmd"), body.get("entrypoint"), body.get("args")
    new = replace(
        old,
        image=body.get("image", old.image),
        env=dict(body.get("env", old.env)),
        ports=tuple(body.get("ports", old.ports)),
        disk_gb=body.get("disk", old.disk_gb),
        registry=body.get("registry", old.registry),
    )
    if cmd is not None or entrypoint is not None:
        arrays = (tuple(cmd) if cmd is not None else None, tuple(entrypoint) if entrypoint is not None else None)
        return replace(new, cmd=arrays[0], entrypoint=arrays[1], args=args or commands.text(*arrays))
    return new if args is None else replace(new, args=args, cmd=None, entrypoint=None)
