"""What the first process of a container finds in its environment (fact sheet 2.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

from tests.emulators.runpod.commands import split
from tests.emulators.runpod.podstate import Pod
from tests.emulators.runpod.runner import PodSpec
from tests.emulators.runpod.settings import Image

USER_VARIABLES_MAX = 50
_SECRET = re.compile(r"\{\{\s*RUNPOD_SECRET_(\w+)\s*\}\}")
PUBLIC_IP = "127.0.0.1"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEMULATED emulated"


def find_image(images: Mapping[str, Image] | None, name: str) -> Image | None:
    """Return what an image holds, or ``None`` if no host can pull it."""
    if images is None:
        return Image()
    return images.get(name) or next((one for key, one in images.items() if fnmatchcase(name, key)), None)


def make_spec(pod: Pod, image: Image, api_key: str, secrets: Mapping[str, str]) -> PodSpec:
    """Return everything a host needs to start the pod's container."""
    config = pod.config
    user = {name: _SECRET.sub(lambda m: secrets.get(m[1], m[0]), value) for name, value in config.env.items()}
    return PodSpec(
        id=pod.id,
        name=config.name,
        account=pod.account,
        image=config.image,
        command=_command(pod, image),
        env={**image.env, **user, **injected(pod, api_key)},
        api_key=api_key,
        data_center=pod.hardware.data_center,
        start=len(pod.life.starts),
        volume_id=config.volume_id,
        mount_path=config.mount_path,
        own_disk=bool(config.own_disk_gb),
    )


def injected(pod: Pod, api_key: str) -> dict[str, str]:
    """Return the platform's own variables; they win over the user's."""
    gpus = pod.hardware.count if pod.hardware.kind == "gpu" else 0
    found = {
        "RUNPOD_POD_ID": pod.id,
        "RUNPOD_DC_ID": pod.hardware.data_center,
        "RUNPOD_POD_HOSTNAME": f"{pod.id}-64411eb2",
        "RUNPOD_GPU_COUNT": str(gpus),
        "RUNPOD_CPU_COUNT": str(pod.hardware.vcpu),
        "RUNPOD_PUBLIC_IP": PUBLIC_IP,
        "RUNPOD_API_KEY": api_key,
        "CUDA_VERSION": "12.8.1",
        "PYTORCH_VERSION": "2.8.0",
    }
    found |= {f"RUNPOD_TCP_PORT_{private}": str(public) for private, public in pod.ports.items()}
    if pod.config.volume_id:
        found["RUNPOD_VOLUME_ID"] = pod.config.volume_id
    if pod.config.start_ssh:
        found["PUBLIC_KEY"] = PUBLIC_KEY
    if pod.config.start_jupyter:
        found["JUPYTER_PASSWORD"] = "emulated"
    return found


def _command(pod: Pod, image: Image) -> tuple[str, ...]:
    config = pod.config
    if config.cmd is not None or config.entrypoint is not None:
        entry, cmd = config.entrypoint, config.cmd or ()
    else:
        entry, cmd = split(config.args)
    return (*(entry or ()), *cmd) or image.command
