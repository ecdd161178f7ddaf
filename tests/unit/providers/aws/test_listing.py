"""The region's list: what is on it, and when it is evidence. Faults 7, 8, 16, 17."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from messages.machines import MachineState
from providers.aws.codec import NAME_TAG
from providers.interface import Unavailable
from tests.emulators.aws.catalogue import IMAGES, image_id
from tests.emulators.aws.settings import OTHER_ACCOUNT
from tests.support.aws_cloud import Cloud
from tests.support.aws_sim import FINGERPRINT, REGION, signed


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


async def test_a_copy_that_somebody_launched_with_our_tags_is_not_ours() -> None:
    """Fault 17: who launches more like this copies the tags, never the token."""
    cloud = Cloud()
    made = await cloud.training.launch(await cloud.request())
    order = {
        "Action": "RunInstances",
        "Version": "2016-11-15",
        "ImageId": image_id(IMAGES[0], REGION),
        "InstanceType": "m5.large",
        "MinCount": "1",
        "MaxCount": "1",
        "ClientToken": "a-console-s-own",
        "TagSpecification.1.ResourceType": "instance",
        "TagSpecification.1.Tag.1.Key": NAME_TAG,
        "TagSpecification.1.Tag.1.Value": made.name,
    }
    copied = cloud.core.handle(signed(urlencode(order).encode(), cloud.clock.now()), cloud.seconds())
    assert copied.status == 200
    listing = await cloud.training.list_machines()
    assert [m.id for m in listing.named(made.name)] == [made.id]
    assert len(listing.machines) == 2


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


async def test_a_list_that_shows_another_accounts_machines_is_no_evidence() -> None:
    cloud = Cloud()
    await cloud.training.launch(await cloud.request())
    await cloud.clock.advance(30)
    good = await cloud.training.list_machines()
    assert (good.account, good.complete) == (FINGERPRINT, True)
    cloud.core.intrude(OTHER_ACCOUNT, cloud.training.client.settings.region, 1, cloud.seconds())
    cloud.arm("auth.switch_account", OTHER_ACCOUNT, on=("ec2.*",))
    await cloud.clock.advance(10)
    try:
        foreign = await cloud.training.list_machines()
    except Unavailable:
        return
    assert not foreign.complete
    assert foreign.account != FINGERPRINT
