"""What proves an instance gone, and what does not. Faults 2, 3, 7, 19."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from unittest.mock import patch

import pytest

from messages.machines import Alive, Gone, Machine, Proof, Unknown
from providers.aws import belongings
from tests.emulators.aws.settings import OTHER_ACCOUNT, Settings
from tests.support.aws_cloud import Cloud
from tests.support.aws_sim import other_account

LEFT = ("DescribeVolumes", "DescribeSpotInstanceRequests")


async def proven(cloud: Cloud, machine: Machine) -> Proof:
    return await cloud.clock.drive(cloud.training.prove_gone(machine))


async def ended(cloud: Cloud) -> Machine:
    made = await cloud.training.launch(await cloud.request())
    await cloud.clock.advance(70)
    await cloud.training.terminate(made.id)
    return made


async def test_only_terminated_is_gone_and_a_proof_waits_for_what_is_shutting_down() -> None:
    cloud = Cloud()
    made = await ended(cloud)
    shutting_down = cloud.clock.now() + timedelta(seconds=cloud.core.settings.shutting_down_s)
    proof = await proven(cloud, made)
    assert isinstance(proof, Gone)
    assert proof.absent_since >= shutting_down
    assert any("terminated: it was ended on request" in line for line in proof.evidence)


async def test_stuck_in_shutting_down_is_alive_for_as_long_as_it_lasts() -> None:
    cloud = Cloud()
    cloud.arm("end.stuck")
    made = await ended(cloud)
    await cloud.clock.advance(7200)
    proof = await proven(cloud, made)
    assert isinstance(proof, Alive)
    assert "shutting-down" in proof.detail


async def test_a_forgotten_instance_needs_two_complete_lists_a_minute_apart() -> None:
    cloud = Cloud(Settings(forget_s=60.0))
    made = await ended(cloud)
    await cloud.clock.advance(200)
    began = cloud.clock.now()
    proof = await proven(cloud, made)
    assert isinstance(proof, Gone)
    assert (cloud.clock.now() - began).total_seconds() >= 60
    assert sum("complete list" in line for line in proof.evidence) == 2


async def test_a_list_begun_while_a_forgotten_instance_was_young_does_not_count() -> None:
    """EC2 may not show a young one yet: both lists of the proof begin once its absence counts."""
    cloud = Cloud(Settings(shutting_down_s=1.0, forget_s=1.0))
    made = await cloud.training.launch(await cloud.request())
    await cloud.training.terminate(made.id)
    await cloud.clock.advance(10)
    proof = await proven(cloud, made)
    assert isinstance(proof, Gone)
    old_enough = made.first_seen + timedelta(seconds=cloud.training.timings.min_age_s)
    lists = [line.split()[0] for line in proof.evidence if "complete list" in line]
    assert len(lists) == 2
    assert min(lists) >= f"{old_enough:%H:%M:%S}"


@pytest.mark.parametrize(("machines", "forget_s"), [(1, 3600.0), (12, 3600.0), (12, 60.0)])
async def test_proofs_take_the_lists_that_are_made_anyway_and_ask_once_for_each_instance(
    machines: int, forget_s: float
) -> None:
    """Those that end together share one list of disks and one of spot requests too."""
    cloud = Cloud(Settings(forget_s=forget_s))
    made = [await cloud.training.launch(await cloud.request(number=one + 1)) for one in range(machines)]
    await cloud.clock.advance(70)
    for one in made:
        await cloud.training.terminate(one.id)
    await cloud.clock.advance(200 if forget_s < 3600 else 0)
    calls = {action: cloud.calls(action) for action in ("DescribeInstances", *LEFT)}
    lists = 0

    async def fleet() -> None:
        nonlocal lists
        while True:
            lists += 1
            await cloud.training.list_machines()
            await cloud.clock.sleep(cloud.training.timings.list_interval_s)

    async def all_proven() -> list[Proof]:
        watch = asyncio.create_task(fleet())
        try:
            return await asyncio.gather(*(cloud.training.prove_gone(one) for one in made))
        finally:
            watch.cancel()

    proofs = await cloud.clock.drive(all_proven())
    assert all(isinstance(one, Gone) for one in proofs)
    assert cloud.calls("DescribeInstances") - calls["DescribeInstances"] == lists + machines
    assert max(cloud.calls(action) - calls[action] for action in LEFT) <= 3, "the look of each minute with them"


async def test_the_look_for_what_is_left_takes_what_a_proof_has_just_listed() -> None:
    cloud = Cloud()
    made = await ended(cloud)
    await cloud.clock.advance(40)
    assert isinstance(await proven(cloud, made), Gone)
    calls = [cloud.calls(action) for action in LEFT]
    await cloud.clock.advance(10)
    await cloud.training.list_machines()
    assert [cloud.calls(action) for action in LEFT] == calls


async def test_disks_beyond_the_first_page_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(belongings, "PAGE_ITEMS", 5)
    cloud = Cloud()
    cloud.arm("volume.left")
    made = [await cloud.training.launch(await cloud.request(number=one + 1)) for one in range(7)]
    await cloud.clock.advance(70)
    for one in made:
        await cloud.training.terminate(one.id)
    await cloud.clock.advance(60)
    left = [await proven(cloud, one) for one in made]
    assert all(isinstance(one, Alive) and "disk" in one.detail for one in left)


async def test_disks_whose_list_does_not_end_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(belongings, "PAGES_MAX", 0)
    cloud = Cloud()
    assert isinstance(await proven(cloud, await ended(cloud)), Unknown)


async def test_lists_of_several_pages_count_in_pairs() -> None:
    cloud = Cloud(Settings(forget_s=60.0))
    cloud.arm("foreign_instances", 8)
    made = await ended(cloud)
    await cloud.clock.advance(200)
    with patch("providers.aws.listing.PAGE_ITEMS", 6):
        cloud.training = cloud.open()
        proof = await proven(cloud, made)
    assert isinstance(proof, Gone)
    assert sum("two complete lists" in line for line in proof.evidence) == 2


async def test_an_instance_that_ec2_does_not_show_yet_is_not_gone() -> None:
    cloud = Cloud()
    request = await cloud.request()
    cloud.arm("describe.lag", 30)
    made = await cloud.training.launch(request)
    assert isinstance(await proven(cloud, made), Alive)


async def test_an_open_spot_request_is_cancelled_before_anything_counts_as_gone() -> None:
    cloud = Cloud()
    cloud.arm("spot.left_open")
    made = await ended(cloud)
    await cloud.clock.advance(30)
    left = await proven(cloud, made)
    assert isinstance(left, Alive)
    assert "spot request" in left.detail
    assert isinstance(await proven(cloud, made), Gone)


async def test_a_spot_request_that_fills_again_has_its_instance_seen() -> None:
    cloud = Cloud()
    cloud.arm("spot.race", 5)
    made = await ended(cloud)
    await cloud.clock.advance(40)
    assert not isinstance(await proven(cloud, made), Gone)


async def test_a_disk_that_stayed_is_deleted_before_anything_counts_as_gone() -> None:
    cloud = Cloud()
    cloud.arm("volume.left")
    made = await ended(cloud)
    await cloud.clock.advance(30)
    left = await proven(cloud, made)
    assert isinstance(left, Alive)
    assert "disk" in left.detail
    assert isinstance(await proven(cloud, made), Gone)
    assert cloud.core.alive(cloud.seconds()) == ()


async def test_it_is_gone_since_ec2_says_so_however_late_anybody_looks() -> None:
    """A daemon that comes back after half an hour books no half hour."""
    cloud = Cloud()
    made = await cloud.training.launch(await cloud.request())
    await cloud.clock.advance(30)
    cloud.arm("spot.kill", "sudden")
    await cloud.clock.advance(1)
    ended_at = cloud.clock.now()
    await cloud.clock.advance(1_800)
    proof = await proven(cloud, made)
    assert isinstance(proof, Gone)
    assert 0 <= (proof.absent_since - ended_at).total_seconds() <= 60


async def test_another_account_proves_nothing() -> None:
    cloud = Cloud()
    made = await ended(cloud)
    await cloud.clock.advance(30)
    other = cloud.open(keys=other_account())
    proof = await cloud.clock.drive(other.prove_gone(made))
    assert isinstance(proof, Unknown)
    assert OTHER_ACCOUNT in proof.detail


async def test_a_key_that_becomes_another_accounts_proves_nothing() -> None:
    """Fault 2: every list is empty then, and every id is unknown."""
    cloud = Cloud()
    made = await cloud.training.launch(await cloud.request())
    await cloud.clock.advance(70)
    await cloud.training.list_machines()
    cloud.arm("auth.switch_account", OTHER_ACCOUNT)
    listing = await cloud.training.list_machines()
    assert listing.account != made.account or not listing.complete
    assert isinstance(await proven(cloud, made), Unknown)


@pytest.mark.parametrize(("fault", "value"), [("list.empty_once", True), ("body.html", True), ("body.cut", True)])
async def test_a_list_that_lies_or_breaks_proves_nothing(fault: str, value: object) -> None:
    cloud = Cloud()
    made = await cloud.training.launch(await cloud.request())
    await cloud.clock.advance(70)
    await cloud.training.list_machines()
    cloud.arm(fault, value, on=("ec2.DescribeInstances",), calls=2)
    assert not isinstance(await proven(cloud, made), Gone)
