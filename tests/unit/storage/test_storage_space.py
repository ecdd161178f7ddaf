"""Measuring what users keep where space costs money: once a day, and a store that does not answer stops nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from actors.ledger.requests import BookStored
from actors.runtime.virtual import VirtualClock
from actors.storage.access import Layout
from actors.storage.standing import DAILY_S, FIRST_S, Measured, SpaceMeter, sizes_of
from messages.storage import ObjectInfo
from providers.aws.prices import FEES_AS_OF, fees
from providers.aws.provider import build_aws_storage
from providers.interface import SellsSpace, Unavailable
from tests.support.aws_cloud import Cloud
from tests.support.aws_sim import settings
from tests.support.jobs import START
from tests.support.virtual import virtual

ANA, BEN = "usr_aaaaaaaaaa", "usr_bbbbbbbbbb"
KEYS = {
    f"datasets/user_{ANA}/ds_aaaaaaaaaa/data.csv": 100,
    f"models/user_{ANA}/mdl_aaaaaaaaaa/model.skops": 10,
    f"my/jobs/user_{BEN}/job_aaaaaaaaaa/1/result.json": 1,
    f"predictions/user_{BEN}": 1000,
    "datasets/user_nobody/x": 1000,
    "datasets/loose": 1000,
    "bundles/abc/manifest.json": 1000,
}


class Shop:
    """A store that sells space."""

    kept_usd_per_gb_month = Decimal("0.03")
    prices_as_of = date(2026, 11, 1)

    def __init__(self) -> None:
        self.fails = 0

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        if self.fails:
            self.fails -= 1
            raise Unavailable("503")
        for key, size in KEYS.items():
            if key.startswith(prefix):
                yield ObjectInfo(key=key, size_bytes=size, modified=datetime(2026, 11, 1, tzinfo=UTC))


class Free:
    """A store that does not."""


class Ledger:
    def __init__(self) -> None:
        self.asked: list[BookStored] = []

    async def ask(self, request: BookStored, _: float) -> int:
        self.asked.append(request)
        return len(request.users)


def shop(store: Any) -> Measured:
    return Measured(store, Layout(jobs="my/jobs"))


@virtual
async def test_what_each_user_keeps_is_added_up_over_all_prefixes_and_strangers_count_for_nobody() -> None:
    assert await sizes_of(shop(Shop())) == {ANA: 110, BEN: 1}


@virtual
async def test_a_store_is_measured_every_day_also_after_one_that_did_not_answer() -> None:
    clock, ledger, told, store = VirtualClock(START), Ledger(), [], Shop()
    meter = SpaceMeter({"aws": shop(store), "local": shop(Free())}, {}, clock, ledger, lambda e, **_: told.append(e))  # type: ignore[arg-type]
    assert meter.has_work
    task = asyncio.get_running_loop().create_task(meter.run())
    await clock.sleep(FIRST_S + 1)
    assert [(one.provider, one.usd_per_gb_month, len(one.users)) for one in ledger.asked] == [
        ("aws", Decimal("0.03"), 2)
    ]
    store.fails = 1
    await clock.sleep(DAILY_S)
    assert (len(ledger.asked), told) == (1, ["space_measured", "space_not_measured"])
    await clock.sleep(DAILY_S)
    assert len(ledger.asked) == 2
    task.cancel()


def test_where_space_costs_nothing_there_is_nothing_to_measure() -> None:
    meter = SpaceMeter({"local": shop(Free())}, {}, VirtualClock(START), Ledger(), print)  # type: ignore[arg-type]
    assert not meter.has_work


def test_s3_sells_space_at_the_price_of_its_region() -> None:
    cloud = Cloud()
    for region in ("us-east-1", "eu-central-1"):
        store = build_aws_storage(settings(region=region), cloud.open(region=region).client, cloud.transport)
        assert isinstance(store, SellsSpace)
        assert (store.kept_usd_per_gb_month, store.prices_as_of) == (fees(region).kept_usd_per_gb_month, FEES_AS_OF)
