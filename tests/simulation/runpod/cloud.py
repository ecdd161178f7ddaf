"""Seeds on RunPod."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from tests.emulators.runpod.settings import Settings
from tests.simulation.clouds import scenario
from tests.simulation.clouds.cloud import Cloud
from tests.simulation.clouds.script import Script, Stage
from tests.simulation.runpod.house import RunPodHouse
from tests.simulation.runpod.nemesis import NEMESIS

GPU: Final = "NVIDIA RTX A5000"
SMALL_PAGE: Final = 10
WIDE: Final = {"minute": 600, "hour": 30_000, "day": 500_000}
"""Calls where pages are small: with the usual quota so many pages would hold launches back for ever, rightly."""


def _kit(script: Script) -> Mapping[str, Any]:
    return {"emulated": Settings() if script.page_items > SMALL_PAGE else Settings(quotas=WIDE)}


def _populate(house: RunPodHouse, count: int) -> None:
    house.faults.arm_json({"foreign_pods": [f"stranger-{n}" for n in range(count)]}, house.now())
    house.tick()
    house.faults.arm_json({"foreign_pods": None}, house.now())


RUNPOD: Final = Cloud(
    "runpod",
    Stage(
        "",
        (*range(1, 18), *range(20, 34)),  # 18 and 19 are EC2's
        NEMESIS,
        (None, GPU),
        ((1000, 0), (1000, 0), (1000, 2), (2, 2), (1, 2)),
    ),
    RunPodHouse,
    "providers.runpod.listing.PAGE_ITEMS",
    _kit,
    _populate,
    bill_s=26 * 3600.0,
    log_bytes_max=9 << 20,  # a snapshot and its last piece
)
run = partial(scenario.run, RUNPOD)
