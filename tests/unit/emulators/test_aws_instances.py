"""The life of instances: launched once by their token, billed by the second, ended, forgotten."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from botocore.parsers import ResponseParserError

from tests.emulators.aws.billing import Kind
from tests.unit.emulators.aws_kit import Client, Lost, Refused


@pytest.fixture
def aws() -> Client:
    return Client()


def refused(aws: Client, action: str, **parameters: Any) -> str:
    with pytest.raises(Refused) as caught:
        aws.call(action, **parameters)
    return caught.value.code


def test_an_instance_is_pending_then_runs(aws: Client) -> None:
    made = aws.call("RunInstances", **aws.order())
    assert made["Instances"][0]["State"] == {"Code": 0, "Name": "pending"}
    instance_id = made["Instances"][0]["InstanceId"]
    aws.wait(5.9)
    assert aws.state(instance_id) == "pending"
    aws.wait(0.2)
    assert aws.state(instance_id) == "running"
    assert aws.instance(instance_id)["Tags"] == [{"Key": "lastcall:name", "Value": "lc1"}]


def test_the_same_token_with_the_same_request_is_the_same_instance(aws: Client) -> None:
    first = aws.run()
    aws.wait(100)
    assert aws.run() == first
    assert len(aws.core.history()) == 1


def test_the_same_token_with_another_request_is_refused(aws: Client) -> None:
    aws.run()
    changed = aws.order(InstanceType="m5.xlarge")
    assert refused(aws, "RunInstances", **changed) == "IdempotentParameterMismatch"


def test_the_token_of_a_terminated_instance_launches_nothing_for_a_day(aws: Client) -> None:
    instance_id = aws.running()
    aws.call("TerminateInstances", InstanceIds=[instance_id])
    aws.wait(60)
    assert refused(aws, "RunInstances", **aws.order()) == "IdempotentInstanceTerminated"
    aws.wait(7200)
    assert refused(aws, "RunInstances", **aws.order()) == "IdempotentInstanceTerminated"
    aws.wait(86_400)
    assert aws.run() != instance_id


def test_the_token_of_a_refused_launch_stays_free(aws: Client) -> None:
    aws.fault(capacity__none={"value": True, "calls": 1})
    assert refused(aws, "RunInstances", **aws.order()) == "InsufficientInstanceCapacity"
    assert aws.run()


@pytest.mark.parametrize("way", ["500", "503", "timeout", "reset", "garbage"])
def test_a_lost_answer_leaves_one_instance_which_its_token_finds(aws: Client, way: str) -> None:
    aws.fault(create__lost={"value": way, "calls": 1})
    with pytest.raises((Lost, Refused, ResponseParserError)):
        aws.call("RunInstances", **aws.order())
    found = aws.run()
    assert [life.instance_id for life in aws.core.history()] == [found]


def test_a_late_launch_answers_an_error_and_shows_later_under_its_token(aws: Client) -> None:
    aws.fault(create__late={"value": 30, "calls": 1})
    assert refused(aws, "RunInstances", **aws.order()) == "InternalError"
    assert aws.call("DescribeInstances")["Reservations"] == []
    aws.wait(31)
    [one] = aws.call("DescribeInstances")["Reservations"]
    assert one["Instances"][0]["InstanceId"] == aws.run()


def test_a_new_instance_may_not_be_found_for_a_while(aws: Client) -> None:
    aws.fault(describe__lag={"value": 10, "calls": 1})
    instance_id = aws.run()
    assert refused(aws, "DescribeInstances", InstanceIds=[instance_id]) == "InvalidInstanceID.NotFound"
    assert refused(aws, "TerminateInstances", InstanceIds=[instance_id]) == "InvalidInstanceID.NotFound"
    assert aws.call("DescribeInstances")["Reservations"] == []
    aws.wait(11)
    assert aws.state(instance_id) == "running"


def test_tags_may_show_later_than_the_instance(aws: Client) -> None:
    aws.fault(tags__lag=5)
    instance_id = aws.run()
    named = [{"Name": "tag:lastcall:name", "Values": ["lc1"]}]
    assert aws.instance(instance_id)["Tags"] == []
    assert aws.call("DescribeInstances", Filters=named)["Reservations"] == []
    aws.wait(6)
    assert len(aws.call("DescribeInstances", Filters=named)["Reservations"]) == 1


def test_ending_takes_its_time_and_then_the_instance_is_forgotten(aws: Client) -> None:
    instance_id = aws.running()
    [change] = aws.call("TerminateInstances", InstanceIds=[instance_id])["TerminatingInstances"]
    assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("running", "shutting-down")
    aws.wait(21)
    shown = aws.instance(instance_id)
    assert shown["State"]["Name"] == "terminated"
    assert shown["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert shown["StateTransitionReason"].startswith("User initiated")
    assert aws.call("DescribeVolumes")["Volumes"] == []
    aws.call("TerminateInstances", InstanceIds=[instance_id])
    aws.wait(3600)
    assert refused(aws, "DescribeInstances", InstanceIds=[instance_id]) == "InvalidInstanceID.NotFound"
    assert refused(aws, "TerminateInstances", InstanceIds=[instance_id]) == "InvalidInstanceID.NotFound"


def test_an_unknown_id_among_known_ones_ends_none_of_them(aws: Client) -> None:
    instance_id = aws.running()
    unknown = "i-0123456789abcdef0"
    assert refused(aws, "TerminateInstances", InstanceIds=[instance_id, unknown]) == "InvalidInstanceID.NotFound"
    assert refused(aws, "TerminateInstances", InstanceIds=["lc1"]) == "InvalidInstanceID.Malformed"
    assert aws.state(instance_id) == "running"


def test_an_instance_can_be_stuck_in_shutting_down_and_costs_nothing_there(aws: Client) -> None:
    aws.fault(end__stuck=True)
    instance_id = aws.running()
    aws.call("TerminateInstances", InstanceIds=[instance_id])
    aws.wait(86_400)
    assert aws.state(instance_id) == "shutting-down"
    [line] = [line for line in aws.core.bills() if line.kind is Kind.ON_DEMAND]
    assert line.ended == aws.now - 86_400


def test_volumes_can_be_left_and_cost_until_somebody_deletes_them(aws: Client) -> None:
    aws.fault(volume__left=True)
    instance_id = aws.running()
    aws.call("TerminateInstances", InstanceIds=[instance_id])
    aws.wait(3600)
    [volume] = aws.call("DescribeVolumes")["Volumes"]
    assert (volume["State"], volume["Attachments"]) == ("available", [])
    assert volume["Tags"] == [{"Key": "lastcall:name", "Value": "lc1"}]
    assert [one.id for one in aws.core.alive(aws.now)] == [volume["VolumeId"]]
    aws.call("DeleteVolume", VolumeId=volume["VolumeId"])
    assert refused(aws, "DeleteVolume", VolumeId=volume["VolumeId"]) == "InvalidVolume.NotFound"
    assert all(line.ended is not None for line in aws.core.bills())


def test_a_volume_in_use_is_not_deleted(aws: Client) -> None:
    instance_id = aws.running()
    [mapping] = aws.instance(instance_id)["BlockDeviceMappings"]
    assert mapping["Ebs"]["DeleteOnTermination"] is True
    assert refused(aws, "DeleteVolume", VolumeId=mapping["Ebs"]["VolumeId"]) == "VolumeInUse"


def test_a_terminate_can_be_accepted_and_do_nothing(aws: Client) -> None:
    instance_id = aws.running()
    aws.fault(terminate__ignored={"value": True, "calls": 1})
    aws.call("TerminateInstances", InstanceIds=[instance_id])
    aws.wait(60)
    assert aws.state(instance_id) == "running"
    aws.fault(terminate__fail=503)
    assert refused(aws, "TerminateInstances", InstanceIds=[instance_id]) == "Unavailable"


@pytest.mark.parametrize("reason", ["Server.InternalError", "Client.VolumeLimitExceeded"])
def test_an_instance_can_fail_on_its_way_up_and_costs_nothing(aws: Client, reason: str) -> None:
    aws.fault(instance__fails=reason)
    instance_id = aws.running()
    shown = aws.instance(instance_id)
    assert (shown["State"]["Name"], shown["StateReason"]["Code"]) == ("terminated", reason)
    assert [line.kind for line in aws.core.bills()] == [Kind.VOLUME]


def test_an_instance_can_stay_pending(aws: Client) -> None:
    aws.fault(instance__stuck_pending=True)
    instance_id = aws.run()
    aws.wait(3600)
    assert aws.state(instance_id) == "pending"
    aws.call("TerminateInstances", InstanceIds=[instance_id])
    aws.wait(30)
    assert aws.state(instance_id) == "terminated"


def test_a_short_life_costs_a_minute_and_then_every_second(aws: Client) -> None:
    short = aws.run("short")
    aws.wait(6 + 10)
    aws.call("TerminateInstances", InstanceIds=[short])
    long = aws.run("long")
    aws.wait(6 + 600)
    aws.call("TerminateInstances", InstanceIds=[long])
    aws.wait(60)
    hour = Decimal("0.096")
    amounts = {line.resource: line.amount(aws.now) for line in aws.core.bills() if line.kind is Kind.ON_DEMAND}
    assert amounts == {short: hour * 60 / 3600, long: hour * 600 / 3600}


def test_a_disk_costs_from_the_launch_to_its_end(aws: Client) -> None:
    disk = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 50, "VolumeType": "gp3", "Encrypted": True}}]
    instance_id = aws.running(BlockDeviceMappings=disk)
    aws.wait(3600 - 60)
    [line] = [line for line in aws.core.bills() if line.kind is Kind.VOLUME]
    assert round(line.amount(aws.now), 12) == round(Decimal("0.08") * 50 / 730, 12)
    aws.call("TerminateInstances", InstanceIds=[instance_id])
    aws.wait(60)
    assert line.ended == aws.now - 40


def test_a_stopped_instance_costs_its_disk_only(aws: Client) -> None:
    instance_id = aws.running()
    aws.call("StopInstances", InstanceIds=[instance_id])
    aws.wait(60)
    assert aws.state(instance_id) == "stopped"
    assert {line.kind for line in aws.core.bills() if line.ended is None} == {Kind.VOLUME}
    aws.call("StartInstances", InstanceIds=[instance_id])
    aws.wait(60)
    assert aws.state(instance_id) == "running"


def test_the_auditor_sees_who_ended_an_instance(aws: Client) -> None:
    instance_id = aws.running()
    assert [(one.id, one.name, one.state) for one in aws.core.alive(aws.now)] == [(instance_id, "lc1", "running")]
    aws.call("TerminateInstances", InstanceIds=[instance_id])
    [life] = aws.core.history()
    assert (life.ended_by, life.ended_at, life.reason) == ("account", aws.now, "Client.UserInitiatedShutdown")
    aws.wait(60)
    assert aws.core.alive(aws.now) == ()


def test_a_host_can_break(aws: Client) -> None:
    instance_id = aws.running()
    aws.fault(instance__dies=True)
    aws.wait(30)
    assert aws.instance(instance_id)["StateReason"]["Code"] == "Server.InternalError"


def test_somebody_elses_instances_are_in_the_same_account(aws: Client) -> None:
    aws.fault(foreign_instances=2)
    names = [
        tag["Value"] for one in aws.call("DescribeInstances")["Reservations"] for tag in one["Instances"][0]["Tags"]
    ]
    assert names == ["someone-elses-0", "someone-elses-1"]


def test_a_seed_repeats_ids_and_answers() -> None:
    first, second = Client(seed=3), Client(seed=3)
    assert first.call("RunInstances", **first.order()) == second.call("RunInstances", **second.order())
