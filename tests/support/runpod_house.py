"""A real daemon on the emulated RunPod: pods are real processes, transfers go over loopback."""

from __future__ import annotations

import sysconfig
import time
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.emulators.runpod.launch import Emulator
from tests.emulators.runpod.settings import MAIN_KEY
from tests.support.house import CHECKOUT, House

VOLUME = "vol0e2e000"
PLACE = "EU-RO-1"
ACCESS = "user_main"
SECRET = "rps_MAIN00000000000000000000000000"
WHEELS = CHECKOUT / ".dev" / "wheels"
STOCK_IMAGE = "python:3.12-slim-bookworm"
OWN_IMAGE = "someone/lastcall-training:1"
"""An image that brings the training libraries, as our own image does: no environment has to be made."""


def own_image(folder: Path) -> Mapping[str, str]:
    """Make an image with the training libraries and nothing of this checkout; return its environment."""
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python3*/site-packages")
    # A folder named in a .pth file is searched, and its own .pth files are not read: the checkout stays outside.
    (site / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return {"PATH": f"{folder}/bin:/usr/local/bin:/usr/bin:/bin"}


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


class RunPodHouse(House):
    """A daemon whose provider is the emulated RunPod."""

    def __init__(self, root: Path, emulator: Emulator, image: str = OWN_IMAGE) -> None:
        super().__init__(root)
        self.emulator = emulator
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
            "QUICK_RUNPOD": "1",
        }

    def seen(self) -> dict[str, Any]:
        """Return what the platform's auditor knows."""
        return self.emulator.control()

    def pods(self) -> list[dict[str, Any]]:
        """Return the pods that exist, by the platform's own books."""
        alive: list[dict[str, Any]] = self.seen()["alive"]
        return alive

    def until_no_pod(self, within_s: float = 30.0) -> None:
        """Wait until nothing bills."""
        give_up = time.monotonic() + within_s
        while self.pods():
            if time.monotonic() > give_up:
                raise AssertionError(f"pods are left: {self.pods()}")
            time.sleep(0.2)


@contextmanager
def a_runpod_house(
    root: Path,
    image: str = OWN_IMAGE,
    faults: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Iterator[RunPodHouse]:
    """A daemon on an emulated RunPod; both are ended afterwards, and every pod with them."""
    wheels = WHEELS if image == STOCK_IMAGE else None
    chosen = platform_settings(own_image(root / "image"), **settings)
    with Emulator(root / "em", settings=chosen, faults=faults, wheels=wheels) as emulator:
        house = RunPodHouse(root, emulator, image)
        house.start()
        try:
            yield house
        finally:
            house.stop()
