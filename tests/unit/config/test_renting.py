"""How the configuration reaches the provider."""

from __future__ import annotations

import pytest

from lastcall import __version__
from lastcall.config.settings import Settings
from lastcall.renting import runpod_settings
from providers.interface import Refused

KEYS = {"api_key": "k", "network_volume_id": "vol1", "storage_access_key": "a", "storage_secret_key": "s"}


def told(**more: object) -> Settings:
    return Settings.model_validate({"runpod": {**KEYS, **more}})


def test_what_is_configured_of_runpod_is_what_its_provider_gets() -> None:
    found = runpod_settings(
        told(
            data_center="eu-ro-1",
            image="python:3.13",
            image_digest="sha256:" + "1" * 64,
            mount_path="/data",
            container_disk_gb=33,
            package_index="https://mirror.example.com/simple",
            self_ending_proven_for="runpod:vol1",
            default_gpu_type="NVIDIA L4",
        )
    )
    assert (found.volume_id, found.data_center, found.mount_path) == ("vol1", "EU-RO-1", "/data")
    assert found.image_reference == "python:3.13@sha256:" + "1" * 64
    assert (found.container_disk_gb, found.package_index) == (33, "https://mirror.example.com/simple")
    assert (found.self_ending, found.default_gpu_type) == ("proven", "NVIDIA L4")


def test_a_verdict_of_another_account_proves_nothing_here() -> None:
    assert runpod_settings(told(self_ending_proven_for="runpod:vol2")).self_ending == "unproven"


def test_our_own_image_is_named_by_its_registry_and_this_version() -> None:
    found = runpod_settings(told(image="own", docker_registry="ana"))
    assert found.image == f"ana/lastcall-training:{__version__}"


@pytest.mark.parametrize("missing", ["api_key", "network_volume_id"])
def test_without_key_or_volume_nothing_is_opened(missing: str) -> None:
    with pytest.raises(Refused, match=r"runpod\.api_key and runpod\.network_volume_id"):
        runpod_settings(told(**{missing: None}))
