"""Disks and spot requests that outlive their instance are found by their tag, listed, ended and proven (fault 19)."""

from __future__ import annotations

import pytest

from messages.machines import Gone, Listing, Machine
from providers.aws.belongings import BelongingsLister
from providers.aws.leftovers import Leftovers
from tests.support.aws_cloud import Cloud


async def left_behind(fault: str) -> tuple[Cloud, Machine]:
    """An instance that ended while nobody looked, and left something."""
    cloud = Cloud()
    cloud.arm(fault)
    made = await cloud.training.launch(await cloud.request())
    await cloud.clock.advance(30)
    await cloud.training.terminate(made.id)
    await cloud.clock.advance(60)
    return cloud, made


async def looked(cloud: Cloud, seconds: float) -> Listing:
    """List as the daemon does, every five seconds."""
    for _ in range(int(seconds / 5)):
        await cloud.clock.advance(5)
        listing = await cloud.training.list_machines()
    return listing


@pytest.mark.parametrize(("fault", "kind"), [("volume.left", "vol-"), ("spot.left_open", "sir-")])
async def test_what_is_left_is_listed_under_its_instances_name_and_can_be_ended(fault: str, kind: str) -> None:
    cloud, made = await left_behind(fault)
    cloud.training = cloud.open()  # the journal and all that was known are lost
    (left,) = (await looked(cloud, 130)).machines
    assert left.id.startswith(kind)
    assert left.name == made.name
    assert (await cloud.training.describe(left.id)).raw_status == left.raw_status
    await cloud.training.terminate(left.id)
    assert isinstance(await cloud.clock.drive(cloud.training.prove_gone(left)), Gone)
    assert (await looked(cloud, 130)).machines == ()
    assert cloud.core.alive(cloud.seconds()) == ()


async def test_what_goes_with_its_instance_is_never_listed() -> None:
    cloud = Cloud()
    made = await cloud.training.launch(await cloud.request())
    await looked(cloud, 130)
    await cloud.training.terminate(made.id)
    assert (await looked(cloud, 130)).machines == ()


async def test_a_living_instance_has_nothing_left_over() -> None:
    cloud = Cloud()
    made = await cloud.training.launch(await cloud.request())
    assert [m.id for m in (await looked(cloud, 200)).machines] == [made.id]


async def test_no_look_follows_within_a_minute_of_a_proofs_and_two_are_some_time_apart() -> None:
    """What a proof listed just after a look is not the second look that shows a disk as left."""
    cloud = Cloud()
    disks = BelongingsLister(cloud.training.client)
    looks = Leftovers(cloud.training.client, disks)
    await cloud.clock.advance(60)
    await looks.of(frozenset())
    assert cloud.calls("DescribeVolumes") == 1
    for after_s in (10, 50, 9):  # too soon for a second look, and yet it puts off the next
        await cloud.clock.advance(after_s)
        if after_s == 10:
            await disks.begun_since(cloud.clock.monotonic())
        await looks.of(frozenset())
    assert cloud.calls("DescribeVolumes") == 2
    await cloud.clock.advance(1)
    await looks.of(frozenset())
    assert cloud.calls("DescribeVolumes") == 3


async def test_a_look_without_an_answer_leaves_what_was_known_and_is_repeated_after_a_minute() -> None:
    cloud, _ = await left_behind("volume.left")
    (left,) = (await looked(cloud, 130)).machines
    cloud.arm("outage", "503", on=("ec2.DescribeVolumes",))
    assert (await looked(cloud, 130)).machines == (left,)
    assert cloud.calls("DescribeVolumes") <= 5


async def test_looking_costs_two_calls_a_minute() -> None:
    cloud = Cloud()
    await looked(cloud, 300)
    assert cloud.calls("DescribeVolumes") <= 5
    assert cloud.calls("DescribeSpotInstanceRequests") <= 5
