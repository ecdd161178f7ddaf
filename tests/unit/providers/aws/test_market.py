"""Spot prices as EC2 tells them: a history, of which the newest counts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from providers.aws.client import Call
from providers.aws.market import SPOT_FRESH_S, SPOT_KEPT_MAX, Market
from providers.interface import NoCapacity
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


class Answers:
    """A client with answers prepared."""

    def __init__(self, *answers: dict[str, object]) -> None:
        cloud = Cloud()
        self.clock, self.settings = cloud.clock, cloud.training.client.settings
        self.asked: list[Call] = []
        self._answers = list(answers)

    async def read(self, call: Call, _what: str) -> dict[str, object]:
        self.asked.append(call)
        return self._answers.pop(0)


async def test_spot_prices_of_all_pages_count_and_none_is_asked_for_behind_the_last() -> None:
    def page(zone: str, **more: object) -> dict[str, object]:
        one = {"InstanceType": "t3.medium", "AvailabilityZone": zone, "SpotPrice": "0.1", "Timestamp": BEGAN}
        return {"SpotPriceHistory": [one], **more}

    client: Any = Answers(page("a", NextToken="more"), page("b", NextToken=""))
    found = await Market(client).spot(("t3.medium",), None)
    assert [one.place for one in found] == ["a", "b"]
    assert [call.parameters.get("NextToken") for call in client.asked] == [None, "more"]


async def test_a_plan_and_its_order_share_spot_prices_until_they_are_old_or_no_room_is_found() -> None:
    cloud = Cloud()
    request = await cloud.request()
    await cloud.offer()
    assert cloud.calls("DescribeSpotPriceHistory") == 1
    await cloud.clock.advance(SPOT_FRESH_S + 1)
    await cloud.offer()
    assert cloud.calls("DescribeSpotPriceHistory") == 2
    cloud.arm("capacity.spot")
    with pytest.raises(NoCapacity):
        await cloud.training.launch(request)
    await cloud.offer()
    assert cloud.calls("DescribeSpotPriceHistory") == 3


async def test_spot_prices_of_other_types_or_another_zone_are_asked_for_and_few_are_kept() -> None:
    answers: list[dict[str, object]] = [{"SpotPriceHistory": []} for _ in range(SPOT_KEPT_MAX + 3)]
    client: Any = Answers(*answers)
    market = Market(client)
    await market.spot(("t3.medium",), None)
    await market.spot(("t3.medium",), "a")
    for number in range(SPOT_KEPT_MAX):
        await market.spot((f"m{number}.large",), None)
    assert len(client.asked) == SPOT_KEPT_MAX + 2
    await market.spot(("t3.medium",), None)
    assert len(client.asked) == SPOT_KEPT_MAX + 3


async def test_of_several_entries_of_the_price_list_the_dearest_counts() -> None:
    def entry(usd: str) -> str:
        dimension = {"unit": "Hrs", "pricePerUnit": {"USD": usd}}
        return json.dumps({"terms": {"OnDemand": {"x": {"priceDimensions": {"y": dimension}}}}})

    client: Any = Answers({"PriceList": [entry("0.05"), entry("0.07"), entry("0.06")]})
    price = await Market(client).on_demand("t3.medium")
    assert price is not None
    assert (price.usd_per_hour, price.source) == (Decimal("0.07"), "")
