"""A real daemon on an emulated cloud: its machines are real processes, transfers go over loopback."""

from __future__ import annotations

import json
import re
import sysconfig
import venv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from containers.training.progress import STAGES
from tests.emulators.common.launch import Launched
from tests.support.house import CHECKOUT, House
from tests.support.patience import wait_until
from tests.support.quick_work import empty_libraries

TRAINED_S = 90.0
ROWS = b"age,plan,usage,churn\n" + b"".join(
    b"%d,%s,%d,%d\n" % (20 + i % 50, (b"a", b"b", b"c")[i % 3], i * 37 % 100, (i * 37 % 100 < 40) ^ (i % 11 == 0))
    for i in range(240)
)
"""What the real training program takes a few seconds for."""
WHEELS = CHECKOUT / ".dev" / "wheels"
OWN_IMAGE = "someone/lastcall-training:1"
"""An image that brings the training libraries, as our own image does: no environment has to be made."""


SLOW_ROUNDS = """
import sys, time
clock = time.monotonic
def slow():
    if "containers.training.fitting" in sys.modules:
        time.sleep({})
    return clock()
time.monotonic = slow
"""
"""Whoever looks at the clock in a fit waits: every round does."""


def own_image(folder: Path, slow_s: float = 0.0, *, empty: bool = False) -> Mapping[str, str]:
    """Make an image with the training libraries and nothing of this checkout; return its environment.

    With ``slow_s`` a round of a fit there takes a few times so long, and no more of this computer than elsewhere. In an
    ``empty`` one the libraries are names only, enough for work that uses none.
    """
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python3*/site-packages")
    if empty:
        empty_libraries(site)
        return {"PATH": f"{folder}/bin:/usr/local/bin:/usr/bin:/bin"}
    # A folder named in a .pth file is searched, and its own .pth files are not read: the checkout stays outside.
    (site / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    if slow_s:
        (site / "slow_rounds.py").write_text(SLOW_ROUNDS.format(slow_s))
        (site / "slow_rounds.pth").write_text("import slow_rounds\n")
    return {"PATH": f"{folder}/bin:/usr/local/bin:/usr/bin:/bin"}


def train(house: House, **order: Any) -> str:
    """Order a training on ``ROWS``."""
    return house.train("churn", dataset=house.upload(ROWS), **order)


def fitting(house: House, job_id: str) -> None:
    """Wait until rounds of a job's fit are told of."""
    house.until(lambda: (house.job(job_id)["job"]["percent"] or 0) > STAGES["fit"], "rounds", TRAINED_S)


def rounds_in(lines: Iterable[str], word: str) -> list[int]:
    """Return the rounds that lines of a log tell of after ``word``."""
    found = (re.search(rf"{word} round ([\d,]+)", line) for line in lines)
    return [int(one[1].replace(",", "")) for one in found if one]


def metrics(house: House, job: dict[str, Any]) -> Any:
    """Return what a closed job's model can do."""
    status, raw = house.ask("GET", f"/v1/models/{job['model']['id']}/files/metrics.json")
    if status != 200:
        raise AssertionError(raw)
    return json.loads(raw)


class CloudHouse(House):
    """A daemon beside the emulator of a cloud, which knows what was really rented."""

    quick = False
    """Whether its machines run the test programs, in images whose libraries are empty."""

    def __init__(self, root: Path, emulator: Launched) -> None:
        super().__init__(root)
        self.emulator = emulator

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"QUICK_CLOUDS": "1"} | ({"QUICK_WORK": "1"} if self.quick else {})

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
