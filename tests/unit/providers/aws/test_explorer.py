"""What AWS billed: asked only when somebody pays, read whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from messages.errors import Refusal
from providers.aws.client import Client
from providers.aws.explorer import PAGES_MAX, read_bill
from providers.interface import BillLine, Refused, SellsBill, Unavailable
from tests.emulators.aws.billing import Kind
from tests.emulators.aws.settings import Settings
from tests.support.aws_cloud import Cloud
from tests.support.aws_sim import settings

COMPUTE = "Amazon Elastic Compute Cloud - Compute"


class Purse:
    """Pays for questions, as long as there is money."""

    def __init__(self, cents: int = 100) -> None:
        self.cents = cents
        self.paid: list[int] = []

    async def __call__(self, number: int) -> None:
        if len(self.paid) == self.cents:
            raise Refusal("E-BUDGET")
        self.paid.append(number)


def today(cloud: Cloud) -> date:
    return cloud.clock.now().astimezone(UTC).date()


async def used(emulated: Settings | None = None, machines: int = 1) -> tuple[Cloud, list[str]]:
    """An account in which machines ran for an hour, three days ago."""
    cloud = Cloud(emulated)
    offer = await cloud.offer()
    names = []
    for number in range(1, machines + 1):
        request = await cloud.request(offer, number)
        made = await cloud.training.launch(request)
        await cloud.clock.advance(3600)
        await cloud.training.terminate(made.id)
        names.append(request.name)
    await cloud.clock.advance(3 * 86_400)
    cloud.core.tick(cloud.seconds())
    return cloud, names


async def test_what_was_billed_is_told_by_day_machine_and_service() -> None:
    cloud, [name] = await used()
    assert isinstance(cloud.training, SellsBill)
    purse = Purse()
    lines = await cloud.training.bill(today(cloud) - timedelta(days=4), today(cloud), purse)
    mine = {(line.machine, line.service): line.amount_usd for line in lines}
    book = dict.fromkeys(Kind, Decimal(0))
    for one in cloud.core.bills():
        book[one.kind] += one.amount(cloud.seconds())
    assert mine[name, COMPUTE] == pytest.approx(book[Kind.SPOT])
    assert mine[name, "EC2 - Other"] == pytest.approx(book[Kind.VOLUME])
    assert mine["", "Amazon Virtual Private Cloud"] == pytest.approx(book[Kind.ADDRESS])
    assert {line.day for line in lines} <= {today(cloud) - timedelta(days=back) for back in (3, 4)}
    assert all(line.estimated for line in lines)
    assert purse.paid == [1]
    assert book[Kind.QUESTION] == Decimal("0.01")


async def test_every_page_is_paid_for_before_it_is_asked_and_none_that_nobody_pays() -> None:
    cloud, names = await used(Settings(bill_rows=2), machines=3)
    purse = Purse()
    lines = await cloud.training.bill(today(cloud) - timedelta(days=5), today(cloud), purse)
    assert {line.machine for line in lines} == {"", *names}
    assert purse.paid == list(range(1, len(purse.paid) + 1))
    assert cloud.core.calls["ce.GetCostAndUsage"] == len(purse.paid) > 2
    with pytest.raises(Refusal, match="E-BUDGET"):
        await cloud.training.bill(today(cloud) - timedelta(days=5), today(cloud), Purse(cents=1))
    assert cloud.core.calls["ce.GetCostAndUsage"] == len(purse.paid) + 1


async def test_a_bill_of_too_many_pages_is_not_read_for_ever() -> None:
    cloud, _ = await used(Settings(bill_rows=1), machines=PAGES_MAX)
    purse = Purse()
    with pytest.raises(Unavailable, match="ask for fewer days"):
        await cloud.training.bill(today(cloud) - timedelta(days=9), today(cloud), purse)
    assert len(purse.paid) == PAGES_MAX


async def test_it_is_asked_in_the_one_region_that_has_it_and_never_by_itself() -> None:
    client = Client(Cloud().transport, Cloud().clock, settings(region="eu-central-1"))
    endpoint = client.endpoint("ce")
    assert (endpoint.url, endpoint.region) == ("https://ce.us-east-1.amazonaws.com", "us-east-1")
    cloud, _ = await used()
    assert await cloud.training.billed(cloud.clock.now() - timedelta(days=9), cloud.clock.now()) == []
    assert cloud.core.calls["ce.GetCostAndUsage"] == 0


LINE = {"Keys": ["lastcall:name$lc1-x", COMPUTE], "Metrics": {"UnblendedCost": {"Amount": "0.5", "Unit": "USD"}}}
DAY = {"TimePeriod": {"Start": "2026-11-02", "End": "2026-11-03"}, "Total": {}, "Groups": [LINE], "Estimated": False}


class Told:
    """A client that answers with one document."""

    def __init__(self, document: Any) -> None:
        self.document = document

    async def read(self, call: Any, what: str) -> Any:
        return self.document


async def read(document: Any) -> list[BillLine]:
    return await read_bill(Told(document), date(2026, 11, 2), date(2026, 11, 3), Purse())  # type: ignore[arg-type]


async def test_a_line_is_read_as_it_stands() -> None:
    assert await read({"ResultsByTime": [DAY]}) == [
        BillLine(date(2026, 11, 2), "lc1-x", COMPUTE, Decimal("0.5"), False)
    ]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda said: said.pop("ResultsByTime"),
        lambda said: said["ResultsByTime"][0].pop("TimePeriod"),
        lambda said: said["ResultsByTime"][0]["Groups"][0].pop("Keys"),
        lambda said: said["ResultsByTime"][0]["Groups"][0]["Keys"].pop(),
        lambda said: said["ResultsByTime"][0]["Groups"][0]["Metrics"]["UnblendedCost"].update(Unit="EUR"),
        lambda said: said["ResultsByTime"][0]["Groups"][0]["Metrics"]["UnblendedCost"].update(Amount="much"),
        lambda said: said["ResultsByTime"].append("x"),
    ],
)
async def test_a_bill_that_makes_no_sense_anywhere_is_no_bill(spoil: Callable[[Any], object]) -> None:
    said = json.loads(json.dumps({"ResultsByTime": [DAY]}))
    spoil(said)
    with pytest.raises(Unavailable, match="could not be read"):
        await read(said)


async def test_a_right_that_is_missing_is_named() -> None:
    cloud = Cloud()
    cloud.arm("auth.denied", ["ce:*"])
    with pytest.raises(Refused, match=r"ce:GetCostAndUsage"):
        await cloud.training.bill(today(cloud) - timedelta(days=1), today(cloud), Purse())
