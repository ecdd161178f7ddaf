"""The region's list: what is on it, and when it is evidence. Faults 7, 8, 16, 17."""

from __future__ import annotations

import pytest

from messages.machines import MachineState
from providers.interface import Unavailable
from tests.support.aws_cloud import Cloud


async def test_one_call_serves_all_jobs() -> None:
    cloud = Cloud()
    offer = await cloud.offer()
    for number in range(1, 4):
        await cloud.training.launch(await cloud.request(offer, number))
    before = cloud.calls("DescribeInstances")
    assert len((await cloud.training.list_machines()).machines) == 3
    assert cloud.calls("DescribeInstances") == before + 1


async def test_instances_of_others_are_listed_under_their_own_names() -> None:
    cloud = Cloud()
    cloud.arm("foreign_instances", 2)
    listing = await cloud.training.list_machines()
    assert listing.complete
    assert sorted(m.name for m in listing.machines) == ["someone-elses-0", "someone-elses-1"]


@pytest.mark.parametrize("fault", ["list.mid_500", "body.html", "body.cut"])
async def test_a_list_that_breaks_is_none_or_not_complete(fault: str) -> None:
    cloud = Cloud()
    await cloud.training.launch(await cloud.request())
    await cloud.training.list_machines()
    cloud.arm(fault, on=("ec2.DescribeInstances",))
    try:
        listing = await cloud.training.list_machines()
    except Unavailable:
        return
    assert not listing.complete or listing.machines


async def test_what_the_account_cannot_be_told_for_is_not_complete() -> None:
    cloud = Cloud()
    await cloud.training.fingerprint()
    await cloud.clock.advance(61)
    cloud.arm("outage", "503", on=("sts.*",))
    assert not (await cloud.training.list_machines()).complete


async def test_an_instance_that_is_ending_is_listed_as_ending_and_then_no_more() -> None:
    cloud = Cloud()
    made = await cloud.training.launch(await cloud.request())
    await cloud.training.list_machines()
    await cloud.training.terminate(made.id)
    (seen,) = (await cloud.training.list_machines()).machines
    assert seen.state is MachineState.ENDING
    assert await cloud.training.next_exit() == made.id
    await cloud.clock.advance(30)
    assert (await cloud.training.list_machines()).machines == ()


async def test_unknown_fields_change_nothing() -> None:
    cloud = Cloud()
    made = await cloud.training.launch(await cloud.request())
    cloud.arm("fields.new")
    listing = await cloud.training.list_machines()
    assert [m.id for m in listing.machines] == [made.id]
    assert listing.complete
