"""Spot prices as EC2 tells them: a history, of which the newest counts."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from providers.aws.client import Call
from providers.aws.market import Market
from tests.support.aws_cloud import Cloud

BEGAN = datetime(2026, 11, 25, 10, tzinfo=UTC)


async def test_of_several_spot_prices_of_a_zone_the_newest_counts() -> None:
    def row(price: str, hour: int) -> dict[str, object]:
        return {
            "InstanceType": "t3.medium",
            "AvailabilityZone": "a",
            "SpotPrice": price,
            "Timestamp": BEGAN.replace(hour=hour),
        }

    asked: dict[str, object] = {}

    class Client:
        clock = Cloud().clock

        async def read(self, call: Call, _what: str) -> dict[str, object]:
            asked.update(call.parameters)
            return {"SpotPriceHistory": [row("0.2", 9), row("0.1", 8), row("0.3", 7)]}

    client: Any = Client()
    [found] = await Market(client).spot(("t3.medium",), "a")
    assert found.usd_per_hour == Decimal("0.2")
    assert asked["AvailabilityZone"] == "a"
