"""What the fake cloud is like."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from messages.base import Record
from messages.machines import Timings
from messages.money import UsdPerHour
from providers.fake.timings import QUICK


class FakeSettings(Record):
    """Settings of one fake cloud."""

    account: str = "fake:account-1"
    machine_prefix: str = "fake"
    """Ids of machines begin with it: those of two clouds differ."""
    rate_usd_per_hour: UsdPerHour = Decimal("3.60")
    places: tuple[str, ...] = ("here", "there")
    """One offer each, in this order."""
    timings: Timings = QUICK
    answer_after_s: float = Field(default=1.0, ge=0)
    """How long a prediction takes."""
    prediction_workers_max: int = Field(default=1, ge=0)
