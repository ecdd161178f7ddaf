"""A real daemon on the emulated RunPod: pods are real processes, transfers go over loopback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.emulators.runpod.launch import Emulator
from tests.emulators.runpod.settings import MAIN_KEY
from tests.support.cloud_house import OWN_IMAGE, WHEELS, CloudHouse, own_image

VOLUME = "vol0e2e000"
PLACE = "EU-RO-1"
ACCESS = "user_main"
SECRET = "rps_MAIN00000000000000000000000000"
STOCK_IMAGE = "python:3.12-slim-bookworm"


def platform_settings(own: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """Return how the emulated platform is: quick, with one volume and two images."""
    return {
        "place_s": 0.1,
        "pull_s": 0.3,
        "restart_s": 1.0,
        "quotas": {},
        "volumes": {VOLUME: {"data_center": PLACE}},
        "images": {STOCK_IMAGE: {}, OWN_IMAGE: {"env": own}},
        **more,
    }


class RunPodHouse(CloudHouse):
    """A daemon whose provider is the emulated RunPod."""

    def __init__(self, root: Path, emulator: Emulator, image: str = OWN_IMAGE) -> None:
        super().__init__(root, emulator)
        self.image = image

    @property
    def environment(self) -> dict[str, str]:
        urls = self.emulator.urls
        return super().environment | {
            "CLOUD_PROVIDER": "runpod",
            "RUNPOD_API_KEY": MAIN_KEY,
            "RUNPOD_NETWORK_VOLUME_ID": VOLUME,
            "RUNPOD_STORAGE_ACCESS_KEY": ACCESS,
            "RUNPOD_STORAGE_SECRET_KEY": SECRET,
            "RUNPOD_STORAGE_ENDPOINT": urls["s3"],
            "LASTCALL_RUNPOD_API_URL": urls["rest"],
            "LASTCALL_RUNPOD_GRAPHQL_URL": urls["graphql"],
            "LASTCALL_RUNPOD_SERVERLESS_URL": urls["serverless"],
            "LASTCALL_RUNPOD_PACKAGE_INDEX": urls["index"].rstrip("/"),
            "LASTCALL_RUNPOD_MOUNT_PATH": str(self.emulator.root / "workspace"),
            "LASTCALL_RUNPOD_IMAGE": self.image,
        }

    def pods(self) -> list[dict[str, Any]]:
        """Return the pods that exist, by the platform's own books."""
        return self.alive()


@contextmanager
def a_runpod(
    root: Path,
    faults: Mapping[str, Any] | None = None,
    wheels: Path | None = None,
    slow_s: float = 0.0,
    *,
    quick: bool = False,
    **settings: Any,
) -> Iterator[Emulator]:
    """An emulated RunPod; it is ended afterwards, and every pod with it."""
    chosen = platform_settings(own_image(root / "image", slow_s, empty=quick), **settings)
    with Emulator(root / "em", settings=chosen, faults=faults, wheels=wheels) as emulator:
        yield emulator


@contextmanager
def a_runpod_house(
    root: Path,
    image: str = OWN_IMAGE,
    faults: Mapping[str, Any] | None = None,
    *,
    quick: bool = False,
    **settings: Any,
) -> Iterator[RunPodHouse]:
    """A daemon on an emulated RunPod; both are ended afterwards."""
    wheels = WHEELS if image == STOCK_IMAGE else None
    with a_runpod(root, faults, wheels, quick=quick, **settings) as emulator:
        house = RunPodHouse(root, emulator, image)
        house.quick = quick
        house.start()
        try:
            yield house
        finally:
            house.stop()
