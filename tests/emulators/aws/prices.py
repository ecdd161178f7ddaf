"""What machines cost: on demand by list, spot by zone and time, moved by a fault."""

from __future__ import annotations

import hashlib
from decimal import ROUND_HALF_UP, Decimal

from tests.emulators.aws.catalogue import FACTORS, SPOT_FACTOR, MachineType
from tests.emulators.aws.settings import Settings
from tests.emulators.common.switches import SwitchBox

STEP_S = 6 * 3600
"""Spot prices change every six hours here."""
_SPOT = Decimal("0.000001")


class Prices:
    """Prices of one emulated AWS."""

    def __init__(self, settings: Settings, faults: SwitchBox) -> None:
        self._settings = settings
        self._faults = faults

    def on_demand(self, kind: MachineType, region: str) -> Decimal:
        """Return USD per hour."""
        return self._settings.types.get(kind.name, kind.price) * FACTORS[region]

    def spot(self, kind: MachineType, region: str, zone: str, at: float, now: float) -> Decimal:
        """Return USD per hour at a time that is not after ``now``."""
        step = int(at // STEP_S)
        wiggle = hashlib.sha256(f"{kind.name} {zone} {step}".encode()).digest()[0]
        price = self.on_demand(kind, region) * SPOT_FACTOR * (Decimal(1) + Decimal(wiggle) / 1000)
        if step == int(now // STEP_S):
            price *= Decimal(str(self._faults.standing("price.spot", "ec2.DescribeSpotPriceHistory", now) or 1))
        return price.quantize(_SPOT, ROUND_HALF_UP)
