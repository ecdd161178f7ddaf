"""The daemon's policy is enough for all the provider does, and for nothing else, as the emulated IAM judges it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from messages.machines import Gone
from providers.aws.policies import policy
from providers.interface import Need, Refused
from tests.emulators.aws.settings import ACCOUNT, MAIN_KEY, MAIN_SECRET, Account, Key, Settings
from tests.support.aws_cloud import Cloud
from tests.support.aws_sim import BUCKET, PROFILE, REGION

VALUES = {
    "account": ACCOUNT,
    "region": REGION,
    "partition": "aws",
    "bucket": BUCKET,
    "role": PROFILE,
    "log_group": "/lastcall/jobs",
    "log_bucket": f"{BUCKET}-logs",
    "daemon_role": "lastcall-daemon",
    "function_role": "lastcall-function",
    "alarm": f"{BUCKET}-alarm",
}


def house() -> Cloud:
    key = Key(MAIN_SECRET, policy=policy("daemon", VALUES))
    return Cloud(Settings(accounts={ACCOUNT: Account({MAIN_KEY: key})}))


async def test_it_is_enough_for_the_life_of_an_instance() -> None:
    cloud = house()
    await cloud.training.fingerprint()
    made = await cloud.training.launch(await cloud.request())
    await cloud.clock.advance(70)
    await cloud.training.list_machines()
    await cloud.training.describe(made.id)
    assert [chunk async for chunk in cloud.training.logs(made.id)] == []
    await cloud.training.terminate(made.id)
    assert isinstance(await cloud.clock.drive(cloud.training.prove_gone(made)), Gone)


async def test_it_is_enough_for_what_stayed_behind() -> None:
    cloud = house()
    cloud.arm("volume.left")
    cloud.arm("spot.left_open")
    made = await cloud.training.launch(await cloud.request())
    await cloud.clock.advance(70)
    await cloud.training.terminate(made.id)
    for _ in range(3):
        proof = await cloud.clock.drive(cloud.training.prove_gone(made))
    assert isinstance(proof, Gone)
    assert cloud.core.alive(cloud.seconds()) == ()


async def test_it_is_enough_for_prices_and_types() -> None:
    cloud = house()
    assert await cloud.training.offers(Need(size_mb=10, model_type="auto", machine="r5.large"))


async def test_it_ends_nothing_of_anybody_elses() -> None:
    cloud = house()
    cloud.arm("foreign_instances", 1)
    (other,) = (await cloud.training.list_machines()).machines
    with pytest.raises(Refused, match="ec2:TerminateInstances"):
        await cloud.training.terminate(other.id)


async def test_it_launches_nothing_without_a_name_of_ours() -> None:
    cloud = house()
    request = await cloud.request()
    with pytest.raises(Refused, match="ec2:RunInstances"):
        await cloud.training.launch(request.model_copy(update={"name": "somebody-elses-machine"}))
    assert cloud.living() == []


async def test_it_works_in_no_other_region() -> None:
    cloud = house()
    elsewhere = cloud.open(region="eu-west-1")
    with pytest.raises(Refused, match="ec2:DescribeSpotPriceHistory"):
        await elsewhere.market.spot(("m5.large",), None)


async def test_the_bill_needs_a_right_of_its_own_and_the_daemon_has_it() -> None:
    day = date(2026, 11, 1)

    async def pay(_: int) -> None:
        return

    assert await house().training.bill(day, day + timedelta(days=1), pay) == []
    without = policy("daemon", VALUES)
    without["Statement"] = [one for one in without["Statement"] if one["Sid"] != "BillOnRequest"]
    key = Key(MAIN_SECRET, policy=without)
    blind = Cloud(Settings(accounts={ACCOUNT: Account({MAIN_KEY: key})}))
    with pytest.raises(Refused, match="ce:GetCostAndUsage, which statement BillOnRequest of the daemon policy grants"):
        await blind.training.bill(day, day + timedelta(days=1), pay)
