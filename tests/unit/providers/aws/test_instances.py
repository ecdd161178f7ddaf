"""One create, read and end of an instance on the emulated AWS. Faults 1, 4, 11, 18, 27."""

from __future__ import annotations

import asyncio

import pytest

from messages.machines import MachineState
from providers.aws.codec import NAME_TAG
from providers.aws.reasons import words
from providers.breaker import FAILURES_MAX
from providers.interface import Ambiguous, Denied, EndAnswer, HeldBack, NoCapacity, NotFound, Refused, Unavailable
from providers.transport import HttpReply, HttpRequest
from tests.emulators.aws.settings import OTHER_ACCOUNT, Settings
from tests.emulators.aws.state import State
from tests.support.aws_cloud import Cloud
from tests.support.aws_sim import FINGERPRINT


async def test_a_launch_is_one_call_and_its_machine_carries_name_account_and_rate() -> None:
    cloud = Cloud()
    request = await cloud.request()
    made = await cloud.training.launch(request)
    assert cloud.calls("RunInstances") == 1
    assert (made.name, made.account, made.state) == (request.name, FINGERPRINT, MachineState.STARTING)
    assert made.rate_usd_per_hour == request.offer.rate_usd_per_hour


async def test_everything_that_a_launch_makes_carries_the_name_and_is_as_safe_as_can_be() -> None:
    cloud = Cloud()
    request = await cloud.request()
    made = await cloud.training.launch(request)
    one = cloud.core.hosts.get(made.id)
    assert one is not None
    order = one.order
    assert order.tokens_required
    assert order.terminates
    assert all(tags[NAME_TAG] == request.name for tags in order.tags.values())
    assert set(order.tags) == {"instance", "volume", "network-interface", "spot-instances-request"}
    assert all(volume.encrypted and volume.on_termination for volume in cloud.core.hosts.volumes_of(made.id))


async def test_the_same_request_again_finds_the_same_machine() -> None:
    cloud = Cloud()
    request = await cloud.request()
    first, second = await cloud.training.launch(request), await cloud.training.launch(request)
    assert first.id == second.id
    assert len(cloud.living()) == 1


@pytest.mark.parametrize(
    ("fault", "value", "error"),
    [
        ("capacity.none", True, NoCapacity),
        ("quota.spot", True, Denied),
        ("auth.denied", ["ec2:RunInstances"], Refused),
        ("auth.expired", True, Refused),
        ("clock.skew", 7200, Refused),
    ],
)
async def test_a_clean_refusal_makes_nothing_and_has_its_own_type(fault: str, value: object, error: type) -> None:
    cloud = Cloud()
    request = await cloud.request()
    await cloud.training.fingerprint()
    cloud.arm(fault, value, on=("ec2.RunInstances",))
    with pytest.raises(error) as caught:
        await cloud.training.launch(request)
    assert type(caught.value) is error
    assert cloud.living() == []
    cloud.arm(fault, value, for_s=0)
    assert (await cloud.training.list_machines()).machines == ()
    assert cloud.calls("RunInstances") == 1


async def test_a_missing_right_is_named_with_the_statement_that_grants_it() -> None:
    cloud = Cloud()
    request = await cloud.request()
    cloud.arm("auth.denied", ["ec2:RunInstances"])
    with pytest.raises(
        Refused, match=r"ec2:RunInstances, which statements LaunchWhatIsTagged, LaunchIn of the daemon policy grant"
    ):
        await cloud.training.launch(request)


async def test_a_wrong_clock_is_named() -> None:
    cloud = Cloud()
    cloud.arm("clock.skew", 7200)
    with pytest.raises(Refused, match="set the clock"):
        await cloud.training.fingerprint()


@pytest.mark.parametrize("how", ["500", "503", "timeout", "reset", "garbage"])
async def test_a_create_whose_answer_is_lost_is_repeated_with_its_token_and_makes_one_machine(how: str) -> None:
    """Fault 18: lost answer, and EC2 does not show the instance yet."""
    cloud = Cloud()
    request = await cloud.request()
    cloud.arm("create.lost", how, calls=1)
    cloud.arm("describe.lag", 30)
    with pytest.raises(Ambiguous):
        await cloud.clock.drive(cloud.training.launch(request))
    found = (await cloud.training.list_machines()).named(request.name)
    assert [one.id for one in found] == cloud.living()
    assert cloud.calls("RunInstances") == 2


async def test_a_create_that_never_arrived_is_made_by_the_repeat() -> None:
    cloud = Cloud()
    request = await cloud.request()
    cloud.arm("create.fail", 500, calls=1)
    with pytest.raises(Ambiguous):
        await cloud.training.launch(request)
    assert cloud.living() == []
    found = (await cloud.training.list_machines()).named(request.name)
    assert [one.id for one in found] == cloud.living()


async def test_a_throttled_create_is_made_by_the_repeat() -> None:
    cloud = Cloud()
    request = await cloud.request()
    cloud.arm("throttle", calls=1, on=("ec2.RunInstances",))
    with pytest.raises(Ambiguous):
        await cloud.training.launch(request)
    await cloud.clock.advance(5)
    found = (await cloud.training.list_machines()).named(request.name)
    assert [one.id for one in found] == cloud.living()


async def test_the_repeat_that_is_refused_is_the_last_one() -> None:
    cloud = Cloud()
    request = await cloud.request()
    cloud.arm("create.fail", 500, calls=1)
    with pytest.raises(Ambiguous):
        await cloud.training.launch(request)
    cloud.arm("capacity.none")
    for _ in range(3):
        assert (await cloud.training.list_machines()).machines == ()
    assert cloud.calls("RunInstances") == 2


async def test_nothing_is_created_later_than_a_minute_after_the_first_call() -> None:
    cloud = Cloud()
    request = await cloud.request()
    cloud.arm("create.fail", 500)
    with pytest.raises(Ambiguous):
        await cloud.training.launch(request)
    await cloud.clock.advance(61)
    cloud.arm("create.fail", 500, for_s=0)
    assert (await cloud.training.list_machines()).machines == ()
    assert cloud.calls("RunInstances") == 1


async def test_a_create_is_not_sent_while_nobody_knows_whose_account_it_is() -> None:
    cloud = Cloud()
    request = await cloud.request()
    cloud.arm("outage", "503", on=("sts.*",))
    with pytest.raises(HeldBack):
        await cloud.training.launch(request)
    assert cloud.calls("RunInstances") == 0


async def test_nothing_is_created_while_the_keys_are_of_another_account_than_the_jobs() -> None:
    cloud = Cloud()
    request = (await cloud.request()).model_copy(update={"account": await cloud.training.fingerprint()})
    cloud.arm("auth.switch_account", OTHER_ACCOUNT)
    with pytest.raises(HeldBack, match=OTHER_ACCOUNT):
        await cloud.training.launch(request)
    assert cloud.calls("RunInstances") == 0
    cloud.arm("auth.switch_account", OTHER_ACCOUNT, for_s=0)
    assert (await cloud.training.launch(request)).account == request.account


async def test_a_create_without_an_answer_is_never_repeated_under_another_account() -> None:
    """There its token would be new, and the machine a second one."""
    cloud = Cloud()
    request = await cloud.request()
    cloud.arm("create.lost", "500", calls=1)
    with pytest.raises(Ambiguous):
        await cloud.training.launch(request)
    cloud.arm("auth.switch_account", OTHER_ACCOUNT)
    await cloud.training.list_machines()
    assert (cloud.calls("RunInstances"), len(cloud.living())) == (1, 1)
    cloud.arm("auth.switch_account", OTHER_ACCOUNT, for_s=0)
    assert len((await cloud.training.list_machines()).named(request.name)) == 1


async def test_a_machine_is_of_the_account_that_ec2_says() -> None:
    """The keys changed between the look at the account and the create."""
    cloud = Cloud()
    request = await cloud.request()
    cloud.arm("auth.switch_account", OTHER_ACCOUNT, on=("ec2.*",))
    assert OTHER_ACCOUNT in (await cloud.training.launch(request)).account


async def test_a_create_that_finds_no_connection_is_held_back_and_not_repeated_behind_the_callers_back() -> None:
    cloud = Cloud()
    request = await cloud.request()
    await cloud.training.fingerprint()
    cloud.transport.cut_off = True
    with pytest.raises(HeldBack):
        await cloud.training.launch(request)
    cloud.transport.cut_off = False
    assert (await cloud.training.list_machines()).machines == ()
    assert cloud.calls("RunInstances") == 0


async def test_a_refused_end_and_a_lost_one_are_repeated_by_the_caller() -> None:
    cloud = Cloud()
    made = await cloud.training.launch(await cloud.request())
    cloud.arm("terminate.fail", 503, calls=1)
    with pytest.raises(Unavailable):
        await cloud.training.terminate(made.id)
    cloud.transport.lose_calls("TerminateInstances")
    with pytest.raises(Unavailable):
        await cloud.training.terminate(made.id)
    await cloud.training.terminate(made.id)
    assert (await cloud.training.describe(made.id)).state is MachineState.ENDING


async def test_terminates_go_out_while_everything_else_is_throttled() -> None:
    cloud = Cloud()
    made = await cloud.training.launch(await cloud.request())
    cloud.arm("throttle", on=("ec2.DescribeInstances",))
    with pytest.raises(Unavailable):
        await cloud.training.list_machines()
    listing = asyncio.create_task(cloud.training.list_machines())
    await cloud.clock.advance(0)
    assert not listing.done()
    await cloud.training.terminate(made.id)
    one = cloud.core.hosts.get(made.id)
    assert one is not None
    assert one.state is State.SHUTTING_DOWN
    with pytest.raises(Unavailable):
        await cloud.clock.drive(_wait(listing))


async def _wait(task: asyncio.Task[object]) -> object:
    return await task


async def test_terminates_go_out_although_ec2_has_not_answered_for_a_while() -> None:
    cloud = Cloud()
    made = await cloud.training.launch(await cloud.request())
    cloud.transport.lose_calls("DescribeInstances", FAILURES_MAX)
    for _ in range(FAILURES_MAX + 1):
        with pytest.raises(Unavailable):
            await cloud.training.list_machines()
    await cloud.training.terminate(made.id)
    assert cloud.calls("TerminateInstances") == 1


async def test_why_an_instance_ended_is_said_in_words() -> None:
    cloud = Cloud()
    made = await cloud.training.launch(await cloud.request())
    await cloud.clock.advance(30)
    cloud.arm("spot.kill", "sudden")
    await cloud.clock.advance(5)
    assert "AWS took the spot instance back" in (await cloud.training.describe(made.id)).raw_status


async def test_the_console_is_read_as_it_is_now_and_not_as_ec2_kept_it_last() -> None:
    """Without ``Latest`` EC2 answers what it kept when the instance last changed: some minutes late, or nothing."""
    cloud = Cloud(Settings(console_lag_s=3600.0))
    made = await cloud.training.launch(await cloud.request())
    await cloud.clock.advance(60)
    one = cloud.core.hosts.get(made.id)
    assert one is not None
    one.console.append("it is well")
    assert "".join([chunk.text async for chunk in cloud.training.logs(made.id)]).endswith("it is well")


async def test_what_never_was_is_not_found() -> None:
    cloud = Cloud()
    for name in ("never-was", "i-0123456789abcdef0"):
        with pytest.raises(NotFound):
            await cloud.training.describe(name)
        assert await cloud.training.terminate(name) is EndAnswer.ABSENT


async def test_an_end_of_what_shuts_down_is_accepted_and_of_what_is_terminated_there_is_none() -> None:
    """EC2 answers alike for both and says only what the state was before."""
    cloud = Cloud()
    made = await cloud.training.launch(await cloud.request())
    said = [await cloud.training.terminate(made.id) for _ in range(2)]
    await cloud.clock.advance(120)
    assert (await cloud.training.describe(made.id)).state is MachineState.GONE
    said.append(await cloud.training.terminate(made.id))
    assert said == [EndAnswer.ACCEPTED, EndAnswer.ACCEPTED, EndAnswer.ABSENT]


async def test_ends_that_fail_hold_nobody_else_back() -> None:
    cloud = Cloud()
    made = await cloud.training.launch(await cloud.request())
    cloud.transport.lose_calls("TerminateInstances", FAILURES_MAX * 3)
    for _ in range(FAILURES_MAX * 3):
        with pytest.raises(Unavailable):
            await cloud.training.terminate(made.id)
    assert (await cloud.training.list_machines()).complete


async def test_ends_are_urgent_on_the_wire_and_nothing_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud()
    made = await cloud.training.launch(await cloud.request())
    urgent: list[bool] = []
    ask = cloud.transport.request

    async def noting(request: HttpRequest) -> HttpReply:
        urgent.append(request.urgent)
        return await ask(request)

    monkeypatch.setattr(cloud.transport, "request", noting)
    await cloud.training.describe(made.id)
    await cloud.training.terminate(made.id)
    await cloud.training.describe(made.id)
    assert urgent == [False, True, False]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("Client.InstanceInitiatedShutdown", "it powered itself off"),
        ("Client.UserInitiatedShutdown", "it was ended on request"),
        ("Server.SpotInstanceTermination", "AWS took the spot instance back"),
        ("Server.NewTrouble", "Server.NewTrouble: something new"),
        ("pending", ""),
    ],
)
def test_the_reason_of_a_state_is_said_in_words_and_a_new_one_as_aws_says_it(code: str, said: str) -> None:
    assert words(code, "Server.NewTrouble: something new") == said
