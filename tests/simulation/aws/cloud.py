"""Seeds on AWS."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from tests.simulation.aws.house import AwsHouse
from tests.simulation.aws.nemesis import NEMESIS
from tests.simulation.clouds import scenario
from tests.simulation.clouds.cloud import Cloud
from tests.simulation.clouds.script import Script, Stage

ROWS: Final = (*range(1, 4), *range(5, 12), *range(13, 22), *range(23, 28), *range(29, 33))
"""4, 22, 28 and 33 are RunPod's (its ends, volume, pods and consoles), 12 is prepaid money."""


ON_DEMAND_EVERY: Final = 4
"""In every fourth seed people want no spot instances."""


def _kit(script: Script) -> Mapping[str, Any]:
    return {"spot": script.seed % ON_DEMAND_EVERY != 0}


def _populate(house: AwsHouse, count: int) -> None:
    house.faults.arm_json({"foreign_instances": count}, house.now())
    house.tick()
    house.faults.arm_json({"foreign_instances": None}, house.now())


AWS: Final = Cloud(
    "aws",
    Stage("aws ", ROWS, NEMESIS, (None, "m5.large"), ((1000, 0), (1000, 0), (1000, 2), (6, 7))),
    AwsHouse,
    "providers.aws.listing.PAGE_ITEMS",
    _kit,
    _populate,
    bill_s=900.0,
    log_bytes_max=1 << 20,
)
run = partial(scenario.run, AWS)
