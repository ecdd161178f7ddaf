"""Which machine for which job, at which prices (requirements R6.1, R6.2)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from providers.aws.market import read_product
from providers.aws.offers import OFFERS_MAX, Known, max_spot_price, rank
from providers.aws.prices import AS_OF, usual_rate
from providers.aws.types import TYPES, select_type
from providers.interface import Need, Refused, Unavailable
from tests.emulators.aws.settings import Settings
from tests.support.aws_cloud import Cloud
from tests.support.aws_sim import settings


@pytest.mark.parametrize(
    ("size_mb", "model", "chosen"),
    [
        (10, "auto", "t3.medium"),
        (100, "ridge", "t3.medium"),
        (101, "auto", "m5.large"),
        (600, "xgboost", "m5.xlarge"),
        (3000, "auto", "m5.2xlarge"),
        (50_000, "auto", "m5.8xlarge"),
        (10, "neural_network", "g4dn.xlarge"),
        (2000, "neural_network", "g5.xlarge"),
        (10, "mlp_classification", "t3.medium"),
    ],
)
def test_size_and_family_choose_the_type(size_mb: float, model: str, chosen: str) -> None:
    assert select_type(size_mb, model) == chosen


async def test_spot_comes_first_and_the_same_on_demand_is_the_way_out() -> None:
    cloud = Cloud()
    offers = [
        o for o in await cloud.training.offers(Need(size_mb=10, model_type="auto")) if o.machine_type == "t3.medium"
    ]
    assert [o.spot for o in offers] == [True, True, False]
    assert offers[0].rate_usd_per_hour <= offers[1].rate_usd_per_hour < offers[2].rate_usd_per_hour
    assert len({o.id for o in offers}) == 3
    assert all(o.disk_usd_per_hour > 0 for o in offers)


async def test_without_spot_there_are_on_demand_offers_only() -> None:
    cloud = Cloud(spot=False)
    offers = await cloud.training.offers(Need(size_mb=10, model_type="auto"))
    assert offers
    assert not any(o.spot for o in offers)


async def test_spot_above_the_limit_is_no_offer() -> None:
    cloud = Cloud(spot_max_usd_per_hour="0.001")
    assert not any(o.spot for o in await cloud.training.offers(Need(size_mb=10, model_type="auto")))


async def test_spot_that_costs_more_than_on_demand_is_no_offer() -> None:
    cloud = Cloud()
    cloud.arm("price.spot", 4)
    assert not any(o.spot for o in await cloud.training.offers(Need(size_mb=10, model_type="auto")))


@pytest.mark.parametrize(
    ("switch", "value", "why"),
    [
        ("auth.denied", ["pricing:*"], "prices may not be asked for"),
        ("outage", "503", "the price list did not answer"),
    ],
)
async def test_a_price_that_is_an_estimate_says_so_and_of_when_it_is(switch: str, value: object, why: str) -> None:
    cloud = Cloud()
    cloud.arm(switch, value, **({"on": ("pricing.*",)} if switch == "outage" else {}))
    offers = await cloud.training.offers(Need(size_mb=10, model_type="auto"))
    (usual,) = [o for o in offers if o.id == "t3.medium@us-east-1/on-demand"]
    assert usual.rate_usd_per_hour == Decimal("0.0416")
    assert f"estimate, price of {AS_OF:%Y-%m-%d}: {why}" in usual.reason


async def test_the_live_list_wins_over_the_table_and_calls_nothing_an_estimate() -> None:
    cloud = Cloud(Settings(types={"t3.medium": Decimal("0.05")}))
    offers = await cloud.training.offers(Need(size_mb=10, model_type="auto"))
    (usual,) = [o for o in offers if o.id == "t3.medium@us-east-1/on-demand"]
    assert usual.rate_usd_per_hour == Decimal("0.05") != usual_rate("us-east-1", "t3.medium")
    assert not any("estimate" in o.reason for o in offers)


def test_every_type_that_is_chosen_by_itself_has_a_price_in_the_table() -> None:
    for region in ("us-east-1", "us-east-2", "us-west-2"):
        assert all(usual_rate(region, name) for name in TYPES)
    assert usual_rate("us-east-1", "x9.huge") is None
    assert usual_rate("ap-south-1", "t3.medium") is None


async def test_a_gpu_that_the_image_has_no_driver_for_is_refused_before_money_is_spent() -> None:
    need = Need(size_mb=10, model_type="neural_network", machine="p3.2xlarge")
    with pytest.raises(Refused, match=r"no driver for p3\.2xlarge: set aws\.ami"):
        await Cloud().training.offers(need)
    pinned = (await Cloud().training.images.image(gpu=True)).id
    assert await Cloud(ami=pinned).training.offers(need)


async def test_the_users_choice_and_the_configured_type_win() -> None:
    cloud = Cloud()
    asked = await cloud.training.offers(Need(size_mb=10, model_type="auto", machine="r5.large"))
    assert {o.machine_type for o in asked} == {"r5.large"}
    fixed = Cloud(instance_type="c5.large").training
    assert fixed.select_compute_type(10, "auto") == "c5.large"
    assert {o.machine_type for o in await fixed.offers(Need(size_mb=10, model_type="auto"))} == {"c5.large"}


@pytest.mark.parametrize("name", ["no such type", "x9.huge", "../etc"])
async def test_a_type_that_does_not_exist_has_no_offer(name: str) -> None:
    assert await Cloud().training.offers(Need(size_mb=10, model_type="auto", machine=name)) == []


async def test_a_gpu_is_named_and_gets_the_image_with_its_drivers() -> None:
    cloud = Cloud()
    offer = await cloud.offer(model_type="neural_network")
    assert (offer.gpu_count, offer.gpu) == (1, "NVIDIA T4 16 GB")
    plain, gpu = await cloud.training.images.image(gpu=False), await cloud.training.images.image(gpu=True)
    assert plain.id != gpu.id


async def test_a_pinned_image_is_asked_for_by_nobody() -> None:
    newest = (await Cloud().training.images.image(gpu=False)).id
    cloud = Cloud(ami=newest)
    assert (await cloud.training.images.image(gpu=True)).id == newest
    assert cloud.core.calls["ssm.GetParameter"] == 0


async def test_without_prices_there_is_no_plan() -> None:
    cloud = Cloud()
    cloud.arm("outage", "503", on=("ec2.DescribeSpotPriceHistory",))
    with pytest.raises(Unavailable):
        await cloud.training.offers(Need(size_mb=10, model_type="auto"))


async def test_the_highest_spot_price_is_a_multiple_within_the_limit() -> None:
    offer = await Cloud().offer()
    assert max_spot_price(offer, settings()) == (offer.rate_usd_per_hour * Decimal("1.25")).quantize(Decimal("1e-6"))
    narrow = settings(spot_max_usd_per_hour=offer.rate_usd_per_hour)
    assert max_spot_price(offer, narrow) == offer.rate_usd_per_hour


@pytest.mark.parametrize("value", ["", "[]", "{}", '{"terms": {"OnDemand": {"a": 5}}}', None, 7])
def test_a_price_that_cannot_be_read_is_none(value: object) -> None:
    assert read_product(value) is None


def test_a_price_is_read_from_the_lists_own_form() -> None:
    text = '{"terms":{"OnDemand":{"a":{"priceDimensions":{"b":{"unit":"Hrs","pricePerUnit":{"USD":"0.0960000000"}}}}}}}'
    assert read_product(text) == Decimal("0.096")


def test_a_plan_has_a_bounded_number_of_offers() -> None:
    kind = TYPES["t3.medium"]
    types = {f"t{number}": kind._replace(name=f"t{number}") for number in range(OFFERS_MAX + 3)}
    prices: Any = {name: type("P", (), {"usd_per_hour": Decimal(1), "source": ""})() for name in types}
    offers = rank(tuple(types), Known(types, (), prices, None, 50), settings(spot=False), "why")
    assert len(offers) == OFFERS_MAX
    assert {offer.least_s for offer in offers} == {60}
