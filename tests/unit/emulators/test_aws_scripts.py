"""Machines in virtual time: what they do to their own power, at the time they do it."""

from __future__ import annotations

import pytest

from tests.emulators.aws.runner import InstanceSpec
from tests.emulators.aws.scripts import Box, Script, ScriptRunner, TimedScript
from tests.emulators.aws.wire import Request
from tests.unit.emulators.aws_kit import Client, sign

BOOT_S = 21.0
"""pending, then the time until user-data runs."""


def client(*actions: object, on_term: object = None) -> tuple[Client, list[InstanceSpec]]:
    boots: list[InstanceSpec] = []

    def scripts(spec: InstanceSpec, now: float) -> Script:
        boots.append(spec)
        return TimedScript(now, list(actions) if spec.boot == 1 else [], on_term)  # type: ignore[arg-type]

    return Client(runner=ScriptRunner(scripts)), boots


def test_a_machine_that_powers_off_is_terminated_at_that_moment() -> None:
    aws, _ = client((100, lambda now, box: box.log("done")), (101, lambda now, box: box.poweroff()))
    instance_id = aws.run()
    aws.wait(3600 - 1)
    [life] = aws.core.history()
    assert (life.ended_at, life.ended_by) == (life.asked_at + BOOT_S + 101, "instance")
    assert life.reason == "Client.InstanceInitiatedShutdown"
    assert aws.instance(instance_id)["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"


def test_user_data_arrives_and_a_reboot_is_the_second_boot() -> None:
    aws, boots = client((10, lambda now, box: box.reboot()))
    aws.run(script="#!/bin/sh\necho hi\n")
    aws.wait(3600)
    assert [(one.boot, one.user_data) for one in boots] == [(1, b"#!/bin/sh\necho hi\n"), (2, b"#!/bin/sh\necho hi\n")]
    assert len(aws.core.history()[0].boots) == 2


def test_a_reboot_from_outside_boots_again_and_stops_the_old_boot() -> None:
    aws, boots = client((50, lambda now, box: box.poweroff()))
    instance_id = aws.run()
    aws.wait(30)
    aws.fault(instance__reboot=True)
    aws.wait(600)
    assert len(boots) == 2
    assert aws.state(instance_id) == "running"


def test_a_spot_machine_reads_its_notice_and_ends_itself_first() -> None:
    def look(now: float, box: Box) -> None:
        if box.metadata("spot/instance-action", now):
            box.poweroff()

    aws, _ = client(*[(step * 5, look) for step in range(100)])
    aws.running(spot=True)
    aws.fault(spot__kill="notice")
    aws.wait(10)
    [life] = aws.core.history()
    assert (life.ended_by, life.reason) == ("instance", "Client.InstanceInitiatedShutdown")


def test_a_machine_may_call_aws_with_its_role() -> None:
    answers = []

    def ask(now: float, box: Box) -> None:
        held = box.credentials(now)
        assert held is not None
        body = Request(
            "POST", "/", "", {"content-type": "application/x-www-form-urlencoded"}, b"Action=GetCallerIdentity"
        )
        keys = {"access": held["AccessKeyId"], "secret": held["SecretAccessKey"], "token": held["Token"]}
        answers.append(box.ask(sign(body, now, service="sts", **keys), now).body)

    aws, _ = client((1, ask))
    instance_id = aws.running(IamInstanceProfile={"Name": "lastcall-instance"})
    assert f"assumed-role/lastcall-instance/{instance_id}".encode() in answers[0]


def test_a_machine_that_is_ended_is_asked_first_and_then_gone() -> None:
    asked: list[float] = []
    aws, _ = client((500, lambda now, box: pytest.fail("it was gone")), on_term=lambda now, box: asked.append(now))
    instance_id = aws.running()
    aws.call("TerminateInstances", InstanceIds=[instance_id])
    ended = aws.now
    aws.wait(3600)
    assert asked == [ended]


def test_a_machine_that_never_boots_bills_on() -> None:
    aws, boots = client((1, lambda now, box: box.poweroff()))
    aws.fault(instance__no_boot=True)
    instance_id = aws.run()
    aws.wait(3600)
    assert (aws.state(instance_id), boots) == ("running", [])


def test_the_next_moment_is_known_so_that_a_simulation_can_jump() -> None:
    aws, _ = client((100, lambda now, box: box.poweroff()))
    aws.run()
    seen = []
    while (due := aws.core.next_due(aws.now)) is not None:
        aws.wait(due - aws.now)
        seen.append(round(aws.now - aws.core.history()[0].asked_at))
    assert seen == [6, 21, 121, 141, 3741]
