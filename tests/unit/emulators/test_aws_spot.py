"""Spot: refused, taken back with two minutes or none, its request told apart from its instance."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from tests.emulators.aws.billing import Kind
from tests.emulators.aws.settings import ACCOUNT, MAIN_KEY, MAIN_SECRET, Account, Key, Settings
from tests.unit.emulators.aws_kit import Client, Refused
from tests.unit.emulators.test_aws_instances import refused

TTL = {"x_aws_ec2_metadata_token_ttl_seconds": "60"}


@pytest.fixture
def aws() -> Client:
    return Client()


def read(aws: Client, instance_id: str, path: str) -> tuple[int, bytes]:
    token = aws.imds(instance_id, "/latest/api/token", "PUT", **TTL).body.decode()
    answer = aws.imds(instance_id, f"/latest/meta-data/{path}", x_aws_ec2_metadata_token=token)
    return answer.status, answer.body


def test_a_spot_launch_makes_a_one_time_request_with_its_own_tags(aws: Client) -> None:
    instance_id = aws.running(spot=True)
    shown = aws.instance(instance_id)
    [request] = aws.call("DescribeSpotInstanceRequests")["SpotInstanceRequests"]
    assert (shown["InstanceLifecycle"], shown["SpotInstanceRequestId"]) == ("spot", request["SpotInstanceRequestId"])
    assert (request["Type"], request["State"], request["Status"]["Code"]) == ("one-time", "active", "fulfilled")
    assert request["Tags"] == [{"Key": "lastcall:name", "Value": "lc1"}]
    named = [{"Name": "tag:lastcall:name", "Values": ["lc*"]}, {"Name": "state", "Values": ["open", "active"]}]
    assert len(aws.call("DescribeSpotInstanceRequests", Filters=named)["SpotInstanceRequests"]) == 1


def test_spot_costs_the_spot_price_of_its_zone(aws: Client) -> None:
    aws.running(spot=True)
    [line] = [line for line in aws.core.bills() if line.kind is Kind.SPOT]
    prices = aws.call("DescribeSpotPriceHistory", InstanceTypes=["m5.large"], AvailabilityZone="us-east-1a")
    assert str(line.rate) == prices["SpotPriceHistory"][0]["SpotPrice"]
    assert line.rate < Decimal("0.096") / 2


def test_spot_can_be_full_while_on_demand_is_not(aws: Client) -> None:
    aws.fault(capacity__spot=True)
    with pytest.raises(Refused) as caught:
        aws.run(spot=True)
    assert (caught.value.code, caught.value.status) == ("InsufficientInstanceCapacity", 500)
    assert aws.call("DescribeSpotInstanceRequests")["SpotInstanceRequests"] == []
    assert aws.run("other")


def test_room_is_looked_for_in_every_zone_unless_one_is_named(aws: Client) -> None:
    aws.fault(capacity__none=["m5.large@us-east-1a", "m5.large@us-east-1b"])
    assert aws.instance(aws.run())["Placement"]["AvailabilityZone"] == "us-east-1c"
    there = aws.order("other", Placement={"AvailabilityZone": "us-east-1b"})
    assert refused(aws, "RunInstances", **there) == "InsufficientInstanceCapacity"


def test_a_maximum_below_the_price_is_refused(aws: Client) -> None:
    low = aws.order(spot=True, spot_options={"MaxPrice": "0.01"})
    assert refused(aws, "RunInstances", **low) == "SpotMaxPriceTooLow"
    enough = {"MaxPrice": "0.05"}
    assert aws.run("enough", spot=True, spot_options=enough)
    aws.fault(price__spot=2)
    later = aws.order("later", spot=True, spot_options=enough)
    assert refused(aws, "RunInstances", **later) == "SpotMaxPriceTooLow"


def test_too_many_spot_instances_are_refused_by_quota_and_by_switch(aws: Client) -> None:
    aws.fault(quota__spot={"value": True, "calls": 1})
    assert refused(aws, "RunInstances", **aws.order(spot=True)) == "MaxSpotInstanceCountExceeded"
    narrow = Account({MAIN_KEY: Key(MAIN_SECRET)}, {"Standard": 4}, {"Standard": 2})
    small = Client(Settings(accounts={ACCOUNT: narrow}))
    first = small.running("a", spot=True)
    assert refused(small, "RunInstances", **small.order("b", spot=True)) == "MaxSpotInstanceCountExceeded"
    small.run("c")
    small.run("d")
    assert refused(small, "RunInstances", **small.order("e")) == "VcpuLimitExceeded"
    small.call("TerminateInstances", InstanceIds=[first])
    assert small.run("f", spot=True)


def test_a_notice_comes_two_minutes_before_the_end(aws: Client) -> None:
    instance_id = aws.running(spot=True)
    assert read(aws, instance_id, "spot/instance-action")[0] == 404
    aws.fault(spot__kill="notice")
    status, body = read(aws, instance_id, "spot/instance-action")
    assert (status, json.loads(body)["action"]) == (200, "terminate")
    [request] = aws.call("DescribeSpotInstanceRequests")["SpotInstanceRequests"]
    assert request["Status"]["Code"] == "marked-for-termination"
    aws.wait(119)
    assert aws.state(instance_id) == "running"
    aws.wait(2)
    shown = aws.instance(instance_id)
    assert (shown["State"]["Name"], shown["StateReason"]["Code"]) == ("shutting-down", "Server.SpotInstanceTermination")
    [request] = aws.call("DescribeSpotInstanceRequests")["SpotInstanceRequests"]
    assert (request["State"], request["Status"]["Code"]) == ("closed", "instance-terminated-no-capacity")


def test_an_instance_can_be_taken_without_notice_and_others_stay(aws: Client) -> None:
    spot, other, on_demand = aws.running("a1", spot=True), aws.running("b1", spot=True), aws.running("a2")
    aws.fault(spot__kill={"value": "sudden", "names": "a*"})
    assert [aws.state(one) for one in (spot, other, on_demand)] == ["shutting-down", "running", "running"]


def test_a_rebalance_recommendation_is_told_and_ends_nothing(aws: Client) -> None:
    instance_id = aws.running(spot=True)
    aws.fault(spot__rebalance=True)
    status, body = read(aws, instance_id, "events/recommendations/rebalance")
    assert (status, list(json.loads(body))) == (200, ["noticeTime"])
    aws.wait(3600)
    assert aws.state(instance_id) == "running"


def test_cancelling_a_request_leaves_its_instance_running(aws: Client) -> None:
    instance_id = aws.running(spot=True)
    request_id = aws.instance(instance_id)["SpotInstanceRequestId"]
    [gone] = aws.call("CancelSpotInstanceRequests", SpotInstanceRequestIds=[request_id])[
        "CancelledSpotInstanceRequests"
    ]
    assert gone["State"] == "cancelled"
    aws.wait(60)
    assert aws.state(instance_id) == "running"
    aws.call("TerminateInstances", InstanceIds=[instance_id])
    assert aws.call("DescribeSpotInstanceRequests")["SpotInstanceRequests"][0]["State"] == "cancelled"
    unknown = {"SpotInstanceRequestIds": ["sir-00000000"]}
    assert refused(aws, "CancelSpotInstanceRequests", **unknown) == "InvalidSpotInstanceRequestID.NotFound"


def test_a_request_closes_with_its_instance(aws: Client) -> None:
    instance_id = aws.running(spot=True)
    aws.call("TerminateInstances", InstanceIds=[instance_id])
    [request] = aws.call("DescribeSpotInstanceRequests")["SpotInstanceRequests"]
    assert (request["State"], request["Status"]["Code"]) == ("closed", "instance-terminated-by-user")


def test_a_request_can_stay_open_until_it_is_cancelled(aws: Client) -> None:
    aws.fault(spot__left_open=True)
    instance_id = aws.running(spot=True)
    aws.call("TerminateInstances", InstanceIds=[instance_id])
    aws.wait(3000)
    [request] = aws.call("DescribeSpotInstanceRequests")["SpotInstanceRequests"]
    assert request["State"] == "open"
    aws.call("CancelSpotInstanceRequests", SpotInstanceRequestIds=[request["SpotInstanceRequestId"]])
    assert aws.call("DescribeSpotInstanceRequests")["SpotInstanceRequests"][0]["State"] == "cancelled"


@pytest.mark.parametrize("cancelled", [True, False])
def test_a_request_that_is_not_cancelled_can_launch_again(aws: Client, cancelled: bool) -> None:
    aws.fault(spot__race=30)
    instance_id = aws.running(spot=True)
    request_id = aws.instance(instance_id)["SpotInstanceRequestId"]
    aws.call("TerminateInstances", InstanceIds=[instance_id])
    if cancelled:
        aws.call("CancelSpotInstanceRequests", SpotInstanceRequestIds=[request_id])
    aws.wait(40)
    assert len(aws.core.alive(aws.now)) == (0 if cancelled else 1)


def test_a_one_time_spot_instance_cannot_be_stopped(aws: Client) -> None:
    assert refused(aws, "StopInstances", InstanceIds=[aws.running(spot=True)]) == "UnsupportedOperation"


def test_metadata_wants_a_token_and_tells_who_the_instance_is(aws: Client) -> None:
    options = {"HttpTokens": "required", "HttpEndpoint": "enabled", "HttpPutResponseHopLimit": 2}
    instance_id = aws.running(MetadataOptions=options, IamInstanceProfile={"Name": "lastcall-instance"})
    assert aws.imds(instance_id, "/latest/meta-data/instance-id").status == 401
    assert aws.imds(instance_id, "/latest/api/token", "PUT").status == 400
    assert read(aws, instance_id, "instance-id") == (200, instance_id.encode())
    assert read(aws, instance_id, "placement/region") == (200, b"us-east-1")
    assert read(aws, instance_id, "iam/security-credentials/") == (200, b"lastcall-instance")
    token = aws.imds(instance_id, "/latest/api/token", "PUT", **TTL).body.decode()
    path = "/latest/dynamic/instance-identity/document"
    document = json.loads(aws.imds(instance_id, path, x_aws_ec2_metadata_token=token).body)
    assert (document["instanceId"], document["accountId"]) == (instance_id, ACCOUNT)
    aws.wait(61)
    assert aws.imds(instance_id, path, x_aws_ec2_metadata_token=token).status == 401


def test_the_instances_own_credentials_work_until_they_expire(aws: Client) -> None:
    instance_id = aws.running(IamInstanceProfile={"Name": "lastcall-instance"})
    body = json.loads(read(aws, instance_id, "iam/security-credentials/lastcall-instance")[1])
    held = {"access": body["AccessKeyId"], "secret": body["SecretAccessKey"], "token": body["Token"]}
    assert aws.call("DescribeInstances", as_=held)["Reservations"]
    with pytest.raises(Refused, match="AuthFailure"):
        aws.call("DescribeInstances", as_={**held, "token": "another"})
    aws.wait(6 * 3600)
    with pytest.raises(Refused, match="RequestExpired"):
        aws.call("DescribeInstances", as_=held)
    again = json.loads(read(aws, instance_id, "iam/security-credentials/lastcall-instance")[1])
    assert again["AccessKeyId"] != body["AccessKeyId"]


def test_an_instance_that_ends_itself_is_told_apart(aws: Client) -> None:
    instance_id = aws.running(IamInstanceProfile={"Name": "lastcall-instance"})
    body = json.loads(read(aws, instance_id, "iam/security-credentials/lastcall-instance")[1])
    held = {"access": body["AccessKeyId"], "secret": body["SecretAccessKey"], "token": body["Token"]}
    aws.call("TerminateInstances", as_=held, InstanceIds=[instance_id])
    assert aws.core.history()[0].ended_by == "instance"


def test_metadata_can_be_out_of_reach(aws: Client) -> None:
    instance_id = aws.running()
    aws.fault(metadata__off=True)
    assert aws.imds(instance_id, "/latest/api/token", "PUT", **TTL).lost == "reset"
