"""Opens a provider from the configuration, and closes it again."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from pydantic import BaseModel

from actors.runtime.world import World
from containers.job.build import build as build_wrapper
from lastcall import __version__
from lastcall.config.settings import OWN_IMAGE, Settings
from providers.aws.settings import SERVICES, AwsProviderSettings, AwsSettings, Keys
from providers.factory import CloudProviderFactory
from providers.interface import Provider, Refused
from providers.local.settings import LocalSettings
from providers.runpod.provider import RunPodProviderSettings, place_of
from providers.runpod.settings import RunPodSettings
from providers.seams import Outside
from providers.transport import Transport

WRAPPER_FOLDER = "wrapper"
NEAR_FOLDER = "near"
"""In the state directory: uploads on their way to a store elsewhere, and copies of what lies there."""
PREDICTION_BYTES_MIN = 4 << 30
"""The numeric libraries reserve address space for every core before they use any."""


async def open_provider(kind: str, settings: Settings, state_dir: Path, world: World, transport: Transport) -> Provider:
    """Open a provider: the configured one, or another whose settings are there too.

    Raises Refused when it never will work so (this computer, keys, a volume of another account), Unavailable while the
    provider does not answer, OSError.
    """
    outside = Outside(world.clock, world.entropy, world.spawner, transport)
    found = await _SETTINGS[kind](settings, state_dir, outside)
    return CloudProviderFactory().build(kind, found, outside)


async def close_provider(provider: Provider) -> None:
    """Let go of everything of a provider; machines keep running."""
    await provider.training.close()
    await provider.storage.close()
    await provider.prediction.close()


async def _local(settings: Settings, state_dir: Path, _: Outside) -> BaseModel:
    return LocalSettings(
        root=state_dir,
        wrapper=wrapper_file(state_dir),
        price_usd_per_second=settings.local.price_usd_per_second,
        prediction_memory_bytes=prediction_memory_bytes(),
    )


def _here(settings: Settings, state_dir: Path, kind: str) -> dict[str, object]:
    """Return what a cloud's provider is told of this computer (``providers.here``)."""
    return {
        "near": state_dir / NEAR_FOLDER / kind,
        "prediction_memory_bytes": prediction_memory_bytes(),
        "prediction_usd_per_second": settings.local.price_usd_per_second,
    }


async def _runpod(settings: Settings, state_dir: Path, outside: Outside) -> BaseModel:
    found = RunPodProviderSettings.model_validate(
        {**runpod_settings(settings).model_dump(), **_here(settings, state_dir, "runpod")}
    )
    if found.data_center is not None:
        return found
    place = await place_of(found, outside.clock, outside.transport)
    return found.model_copy(update={"data_center": place})


def runpod_settings(settings: Settings) -> RunPodSettings:
    """Return what the configuration says of RunPod, as the provider takes it. Raises Refused without key or volume."""
    told = settings.runpod
    if told.api_key is None or told.network_volume_id is None:
        raise Refused("RunPod needs runpod.api_key and runpod.network_volume_id")
    return RunPodSettings(
        api_key=told.api_key,
        volume_id=told.network_volume_id,
        data_center=told.data_center,
        api_url=told.api_url,
        graphql_url=told.graphql_url,
        serverless_url=told.serverless_url,
        s3_endpoint=told.s3_endpoint,
        s3_access_key=told.storage_access_key,
        s3_secret_key=told.storage_secret_key,
        default_gpu_type=told.default_gpu_type,
        cloud_type=told.cloud_type,
        image=_image(told.image, told.docker_registry),
        image_digest=told.image_digest or "",
        mount_path=told.mount_path,
        container_disk_gb=told.container_disk_gb,
        package_index=told.package_index,
        self_ending_proven_for=told.self_ending_proven_for or "",
    )


async def _aws(settings: Settings, state_dir: Path, _: Outside) -> BaseModel:
    return AwsProviderSettings.model_validate(
        {**aws_settings(settings).model_dump(), **_here(settings, state_dir, "aws")}
    )


def aws_settings(settings: Settings) -> AwsSettings:
    """Return what the configuration says of AWS, as the provider takes it. Raises Refused without region or bucket."""
    told = settings.aws
    if told.region is None or told.bucket is None:
        raise Refused("AWS needs aws.region and aws.bucket")
    fixed = None
    if told.access_key_id is not None and told.secret_access_key is not None:
        fixed = Keys(
            access_key=told.access_key_id.get_secret_value(),
            secret_key=told.secret_access_key,
            session_token=told.session_token,
        )
    named = {service: getattr(told, f"{service.replace('-', '_')}_endpoint") for service in SERVICES}
    named["*"] = told.endpoint_url
    return AwsSettings(
        region=told.region,
        bucket=told.bucket,
        keys=fixed,
        profile=told.profile,
        endpoints={service: address for service, address in named.items() if address is not None},
        kms_key=told.kms_key,
        instance_type=told.instance_type,
        spot=told.spot,
        spot_max_price_factor=told.spot_max_price_factor,
        spot_max_usd_per_hour=told.spot_max_usd_per_hour,
        disk_gb=told.disk_gb,
        ami=told.ami,
        image=told.image,
        instance_profile=told.instance_profile,
        security_group=told.security_group,
        subnet=told.subnet,
        key_name=told.key_name,
        log_group=told.log_group,
        package_index=told.package_index,
    )


def _image(name: str, registry: str | None) -> str:
    return f"{registry}/lastcall-training:{__version__}" if name == OWN_IMAGE else name


_SETTINGS: Mapping[str, Callable[[Settings, Path, Outside], Awaitable[BaseModel]]] = {
    "local": _local,
    "runpod": _runpod,
    "aws": _aws,
}
"""How the configuration tells each provider what it needs."""


def prediction_memory_bytes() -> int:
    """Return the address space one prediction may use: half the memory, and what numpy needs."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(PREDICTION_BYTES_MIN, memory // 2)


def wrapper_file(state_dir: Path) -> Path:
    """Build the job wrapper under a name that holds its digest, so that a running one is never replaced."""
    folder = state_dir / WRAPPER_FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    fresh = folder / "new.pyz"
    digest = build_wrapper(fresh)
    target = folder / f"job-{digest[:16]}.pyz"
    fresh.replace(target)
    return target
