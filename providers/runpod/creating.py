"""The body of the one create call, written strictly: an unknown key would be refused (fact sheet 1.1). Pure."""

from __future__ import annotations

from typing import Final

from messages.machines import LaunchRequest
from providers.interface import Refused
from providers.runpod.boot import BOOT_SOURCE, start_args
from providers.runpod.client import BODY_BYTES_MAX, encode
from providers.runpod.codec import split_cpu_type
from providers.runpod.settings import RunPodSettings

VARIABLES_MAX: Final = 50
"""User variables of a pod (fact sheet 2.3)."""


def create_body(request: LaunchRequest, settings: RunPodSettings) -> dict[str, object]:
    """Return what to post for ``request``. Raises Refused for what RunPod would refuse or read differently."""
    offer = request.offer
    if offer.provider != "runpod":
        raise Refused(f"offer {offer.id!r} is not an offer of RunPod")
    if not offer.place:
        raise Refused(f"offer {offer.id!r} names no data centre")
    body: dict[str, object] = {
        "name": request.name,
        "image": settings.image_reference,
        **_hardware(request),
        "cloud": settings.cloud_type,
        "dataCenterIds": [offer.place],
        "mounts": {"network": [{"volumeId": settings.volume_id, "path": settings.mount_path}]},
        "disk": settings.container_disk_gb,
        "env": environment(request, settings),
        "args": start_args(),
    }
    size = len(encode(body))
    if size > BODY_BYTES_MAX:
        raise Refused(f"the create would have {size} bytes, RunPod takes {BODY_BYTES_MAX}")
    return body


def environment(request: LaunchRequest, settings: RunPodSettings) -> dict[str, str]:
    """Return the pod's variables. No secret may be among them: listings show them (fact sheet 7.9). Raises Refused."""
    mount = settings.mount_path
    variables = {
        **request.environment,
        "LASTCALL_PROVIDER": "runpod",
        "LASTCALL_JOB_FOLDER": f"{mount}/{request.folder}",
        "LASTCALL_STORAGE_ROOT": mount,
        "LASTCALL_RUNPOD_API_URL": settings.api_url,
        "LASTCALL_RUNPOD_GRAPHQL_URL": settings.graphql_url,
        "LASTCALL_BOOT": BOOT_SOURCE,
    }
    if request.bundle is not None:
        variables["LASTCALL_BUNDLE"] = f"{mount}/{request.bundle}"
    if settings.package_index is not None:
        variables["PIP_INDEX_URL"] = settings.package_index
    if len(variables) > VARIABLES_MAX:
        raise Refused(f"the pod would have {len(variables)} variables, RunPod takes {VARIABLES_MAX}")
    wrong = sorted(name for name, value in variables.items() if "\0" in value or not name.isidentifier())
    if wrong:
        raise Refused(f"these variables cannot be given to a pod: {', '.join(wrong)[:200]}")
    return variables


def _hardware(request: LaunchRequest) -> dict[str, object]:
    """Counts are always said: leaving one out once read as "no capacity" (fact sheet 1.1)."""
    offer = request.offer
    cpu = split_cpu_type(offer.machine_type)
    if cpu is not None:
        return {"cpu": {"id": cpu[0], "vcpuCount": cpu[1]}}
    if offer.gpu_count < 1:
        raise Refused(f"offer {offer.id!r} has neither a GPU nor a CPU of RunPod's")
    return {"gpu": {"id": offer.machine_type, "count": offer.gpu_count}}
