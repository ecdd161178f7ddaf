"""A real daemon on an emulated cloud: its machines are real processes, transfers go over loopback."""

from __future__ import annotations

import json
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.emulators.common.launch import Launched
from tests.support.house import CHECKOUT, House
from tests.support.patience import wait_until

TRAINED_S = 90.0
ROWS = b"age,plan,usage,churn\n" + b"".join(
    b"%d,%s,%d,%d\n" % (20 + i % 50, (b"a", b"b", b"c")[i % 3], i * 37 % 100, (i * 37 % 100 < 40) ^ (i % 11 == 0))
    for i in range(240)
)
"""What the real training program takes a few seconds for."""
WHEELS = CHECKOUT / ".dev" / "wheels"
OWN_IMAGE = "someone/lastcall-training:1"
"""An image that brings the training libraries, as our own image does: no environment has to be made."""


def own_image(folder: Path) -> Mapping[str, str]:
    """Make an image with the training libraries and nothing of this checkout; return its environment."""
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python3*/site-packages")
    # A folder named in a .pth file is searched, and its own .pth files are not read: the checkout stays outside.
    (site / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return {"PATH": f"{folder}/bin:/usr/local/bin:/usr/bin:/bin"}


def train(house: House, **order: Any) -> str:
    """Order a training on ``ROWS``."""
    return house.train("churn", dataset=house.upload(ROWS), **order)


def metrics(house: House, job: dict[str, Any]) -> Any:
    """Return what a closed job's model can do."""
    status, raw = house.ask("GET", f"/v1/models/{job['model']['id']}/files/metrics.json")
    if status != 200:
        raise AssertionError(raw)
    return json.loads(raw)


class CloudHouse(House):
    """A daemon beside the emulator of a cloud, which knows what was really rented."""

    def __init__(self, root: Path, emulator: Launched) -> None:
        super().__init__(root)
        self.emulator = emulator

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"QUICK_CLOUDS": "1"}

    def seen(self) -> dict[str, Any]:
        """Return what the cloud's auditor knows."""
        return self.emulator.control()

    def alive(self) -> list[dict[str, Any]]:
        """Return what exists and bills, by the cloud's own books."""
        found: list[dict[str, Any]] = self.seen()["alive"]
        return found

    def until_nothing_bills(self) -> None:
        """Wait until nothing exists."""
        wait_until(lambda: not self.alive(), lambda: f"the end of {self.alive()}", step_s=0.2)
