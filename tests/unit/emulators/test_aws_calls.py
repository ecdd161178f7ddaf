"""EC2 is as strict as AWS: keys, rights, parameters, pages, limits, and what breaks on the way."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.emulators.aws import faults, policy
from tests.emulators.aws.settings import (
    ACCOUNT,
    MAIN_KEY,
    MAIN_SECRET,
    OTHER_ACCOUNT,
    OTHER_KEY,
    OTHER_SECRET,
    READ_KEY,
    READ_SECRET,
    Account,
    Key,
    Settings,
)
from tests.unit.emulators.aws_kit import AMI, Client, Lost, Refused
from tests.unit.emulators.test_aws_instances import refused

READER = {"access": READ_KEY, "secret": READ_SECRET}
OTHER = {"access": OTHER_KEY, "secret": OTHER_SECRET}


@pytest.fixture
def aws() -> Client:
    return Client()


# Keys and rights.


@pytest.mark.parametrize(
    ("held", "skew", "code"),
    [
        ({"access": "AKIAUNKNOWN000000000"}, 0, "AuthFailure"),
        ({"secret": "wrong"}, 0, "AuthFailure"),
        ({"region": "mars-north-1"}, 0, "AuthFailure"),
        ({}, -400, "RequestExpired"),
        ({}, 400, "RequestExpired"),
    ],
)
def test_a_call_that_is_not_rightly_signed_is_refused(aws: Client, held: Any, skew: float, code: str) -> None:
    with pytest.raises(Refused, match=code):
        aws.call("DescribeInstances", skew, held)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"auth__failure": True}, "AuthFailure"),
        ({"auth__expired": True}, "RequestExpired"),
        ({"clock__skew": 900}, "RequestExpired"),
        ({"auth__denied": ["ec2:Describe*"]}, "UnauthorizedOperation"),
        ({"throttle": {"value": True, "calls": 1}}, "RequestLimitExceeded"),
    ],
)
def test_keys_can_fail_in_mid_life(aws: Client, fault: Any, code: str) -> None:
    aws.call("DescribeInstances")
    aws.fault(**fault)
    assert refused(aws, "DescribeInstances") == code
    aws.core.faults.heal()
    aws.call("DescribeInstances")


def test_a_skewed_clock_shows_in_the_date(aws: Client) -> None:
    before = aws.raw({"Action": "DescribeInstances"}).headers["date"]
    aws.fault(clock__skew=3600)
    assert aws.raw({"Action": "DescribeInstances"}).headers["date"] != before


def test_a_refusal_names_the_action_and_who_wanted_it(aws: Client) -> None:
    with pytest.raises(Refused) as caught:
        aws.call("RunInstances", as_=READER, **aws.order())
    assert (caught.value.code, caught.value.status) == ("UnauthorizedOperation", 403)
    assert "ec2:RunInstances" in caught.value.message
    assert f"arn:aws:iam::{ACCOUNT}:user/reader" in caught.value.message


def limited(statements: list[dict[str, Any]]) -> Client:
    key = Key(MAIN_SECRET, policy={"Statement": statements})
    return Client(Settings(accounts={ACCOUNT: Account({MAIN_KEY: key})}))


LAUNCH: dict[str, Any] = {"Effect": "Allow", "Action": "ec2:RunInstances", "Resource": "*"}
TAG: dict[str, Any] = {
    "Effect": "Allow",
    "Action": "ec2:CreateTags",
    "Resource": "*",
    "Condition": {"StringEquals": {"ec2:CreateAction": "RunInstances"}},
}
PASS: dict[str, Any] = {
    "Effect": "Allow",
    "Action": "iam:PassRole",
    "Resource": f"arn:aws:iam::{ACCOUNT}:role/lastcall-*",
}


@pytest.mark.parametrize(("missing", "action"), [(0, "ec2:RunInstances"), (1, "ec2:CreateTags"), (2, "iam:PassRole")])
def test_a_launch_needs_the_rights_to_launch_to_tag_and_to_pass_its_role(missing: int, action: str) -> None:
    whole = [LAUNCH, TAG, PASS]
    profile = {"Name": "lastcall-instance"}
    assert limited(whole).run(IamInstanceProfile=profile)
    without = limited([one for number, one in enumerate(whole) if number != missing])
    with pytest.raises(Refused, match=action):
        without.run(IamInstanceProfile=profile)


def test_ending_can_be_allowed_for_tagged_instances_only() -> None:
    ours = {"StringLike": {"aws:ResourceTag/lastcall:name": "lc1*"}}
    end = {"Effect": "Allow", "Action": "ec2:TerminateInstances", "Resource": "*", "Condition": ours}
    aws = limited([LAUNCH, TAG, end])
    good, bad = aws.run("lc1"), aws.run("other")
    aws.call("TerminateInstances", InstanceIds=[good])
    assert refused(aws, "TerminateInstances", InstanceIds=[bad]) == "UnauthorizedOperation"


def test_rights_are_judged_resource_by_resource() -> None:
    ours = {"StringLike": {"aws:ResourceTag/lastcall:name": "lc1*"}}
    here = f"arn:aws:ec2:us-east-1:{ACCOUNT}"
    statements: list[dict[str, Any]] = [
        {"Effect": "Allow", "Action": "ec2:DescribeInstances", "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": "ec2:CancelSpotInstanceRequests",
            "Resource": f"{here}:spot-instances-request/*",
            "Condition": ours,
        },
        {"Effect": "Allow", "Action": "ec2:DeleteVolume", "Resource": f"{here}:volume/*", "Condition": ours},
        {
            "Effect": "Allow",
            "Action": "ec2:RevokeSecurityGroupEgress",
            "Resource": f"{here}:security-group/*",
        },
    ]
    aws = limited([LAUNCH, TAG, *statements])
    good, bad = aws.running("lc1", spot=True), aws.running("other", spot=True)
    requests = [aws.instance(one)["SpotInstanceRequestId"] for one in (good, bad)]
    volumes = [aws.instance(one)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"] for one in (good, bad)]
    aws.call("CancelSpotInstanceRequests", SpotInstanceRequestIds=requests[:1])
    assert refused(aws, "CancelSpotInstanceRequests", SpotInstanceRequestIds=requests) == "UnauthorizedOperation"
    assert [refused(aws, "DeleteVolume", VolumeId=one) for one in volumes] == ["VolumeInUse", "UnauthorizedOperation"]
    tag = {"Resources": volumes[:1], "Tags": [{"Key": "lastcall:name", "Value": "lc1"}]}
    assert refused(aws, "CreateTags", **tag) == "UnauthorizedOperation"
    group = {"GroupId": "sg-00000000000000000", "IpPermissions": []}
    assert refused(aws, "RevokeSecurityGroupEgress", **group) == "InvalidGroup.NotFound"
    assert refused(aws, "AuthorizeSecurityGroupEgress", **group) == "UnauthorizedOperation"


@pytest.mark.parametrize(
    ("statement", "action", "context", "expected"),
    [
        ({"Effect": "Allow", "Action": "ec2:*"}, "ec2:RunInstances", {}, True),
        ({"Effect": "Allow", "Action": ["s3:Get*"]}, "ec2:RunInstances", {}, False),
        ({"Effect": "Allow", "NotAction": "s3:*"}, "ec2:RunInstances", {}, True),
        ({"Effect": "Deny", "Action": "*"}, "ec2:RunInstances", {}, False),
        ({"Effect": "Allow", "Action": "*", "Condition": {"Bool": {"a": "true"}}}, "x:Y", {"a": "true"}, True),
        ({"Effect": "Allow", "Action": "*", "Condition": {"Null": {"a": "true"}}}, "x:Y", {"a": "1"}, False),
        ({"Effect": "Allow", "Action": "*", "Condition": {"StringLikeIfExists": {"a": "b*"}}}, "x:Y", {}, True),
        (
            {"Effect": "Allow", "Action": "*", "Condition": {"ForAllValues:StringEquals": {"k": ["a"]}}},
            "x:Y",
            {"k": "a,b"},
            False,
        ),
        ({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::b/*"}, "x:Y", {}, False),
    ],
)
def test_policies_are_read_as_iam_reads_them(statement: Any, action: str, context: Any, expected: bool) -> None:
    assert policy.allowed([{"Statement": [statement]}], action, "arn:aws:ec2:r:a:instance/*", context) is expected


def test_a_policy_with_something_unknown_is_refused_rather_than_ignored() -> None:
    strange = {"Effect": "Allow", "Action": "*", "Condition": {"DateGreaterThan": {"aws:CurrentTime": "2026"}}}
    with pytest.raises(ValueError, match="DateGreaterThan"):
        policy.allowed([{"Statement": strange}], "x:Y", "*", {"aws:CurrentTime": "2026"})


def test_another_account_or_region_sees_nothing(aws: Client) -> None:
    instance_id = aws.running()
    elsewhere = {"region": "eu-central-1"}
    for held in (OTHER, elsewhere):
        assert aws.call("DescribeInstances", as_=held)["Reservations"] == []
        with pytest.raises(Refused, match="NotFound"):
            aws.call("TerminateInstances", as_=held, InstanceIds=[instance_id])
    aws.fault(auth__switch_account=OTHER_ACCOUNT)
    assert aws.call("DescribeInstances")["Reservations"] == []


def identity(aws: Client) -> bytes:
    return aws.raw({"Action": "GetCallerIdentity", "Version": "2011-06-15"}, service="sts").body


def test_the_account_is_told_and_a_swapped_key_shows(aws: Client) -> None:
    assert f"<Account>{ACCOUNT}</Account>".encode() in identity(aws)
    aws.fault(auth__switch_account=OTHER_ACCOUNT)
    assert f"<Account>{OTHER_ACCOUNT}</Account>".encode() in identity(aws)
    aws.core.faults.heal()
    aws.fault(auth__expired=True)
    assert b"<Code>ExpiredToken</Code>" in identity(aws)


def test_the_image_comes_from_a_public_parameter_of_the_region(aws: Client) -> None:
    name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    asked = {"Name": name}
    found = json.loads(aws.json_call("ssm", "AmazonSSM.GetParameter", asked).body)
    assert found["Parameter"]["Value"] == AMI
    there = json.loads(aws.json_call("ssm", "AmazonSSM.GetParameter", asked, region="eu-west-1").body)
    assert there["Parameter"]["Value"] != AMI
    foreign = aws.order(ImageId=there["Parameter"]["Value"])
    assert refused(aws, "RunInstances", **foreign) == "InvalidAMIID.NotFound"
    missing = aws.json_call("ssm", "AmazonSSM.GetParameter", {"Name": "/aws/service/none"})
    assert (missing.status, json.loads(missing.body)["__type"]) == (400, "ParameterNotFound")


# Parameters.


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"InstanceType": "m5.huge"}, "InvalidParameterValue"),
        ({"ImageId": "ami-00000000000000000"}, "InvalidAMIID.NotFound"),
        ({"ImageId": "image"}, "InvalidAMIID.Malformed"),
        ({"SecurityGroupIds": ["sg-00000000000000000"]}, "InvalidGroup.NotFound"),
        ({"SubnetId": "subnet-00000000000000000"}, "InvalidSubnetID.NotFound"),
        ({"Placement": {"AvailabilityZone": "eu-west-1a"}}, "InvalidParameterValue"),
        ({"InstanceType": "t3.medium", "Placement": {"AvailabilityZone": "us-east-1e"}}, "Unsupported"),
        ({"IamInstanceProfile": {"Name": "nobody"}}, "InvalidParameterValue"),
        ({"ClientToken": "x" * 65}, "InvalidParameterValue"),
        ({"UserData": "not base64!"}, "InvalidParameterValue"),
        ({"UserData": base64.b64encode(b"x" * 16_385).decode()}, "InvalidParameterValue"),
        ({"MinCount": 0}, "InvalidParameterValue"),
        ({"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 1}}]}, "InvalidBlockDeviceMapping"),
        ({"TagSpecifications": [{"ResourceType": "spot-instances-request", "Tags": []}]}, "InvalidParameterValue"),
        ({"TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "aws:x"}]}]}, "InvalidParameterValue"),
        ({"DisableApiTermination": True}, "UnsupportedParameter"),
        ({"DryRun": True}, "DryRunOperation"),
    ],
)
def test_a_launch_that_is_not_right_is_refused_and_launches_nothing(aws: Client, change: Any, code: str) -> None:
    assert refused(aws, "RunInstances", **aws.order(**change)) == code
    assert aws.core.history() == ()


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ({"Action": "DescribeInstances", "Color": "red"}, "UnknownParameter"),
        ({"Action": "DescribeInstances", "InstanceId": "i-1"}, "InvalidParameterValue"),
        ({"Action": "DescribeInstances", "MaxResults": "many"}, "InvalidParameterValue"),
        ({"Action": "DescribeInstances", "Version": "2010-01-01"}, "NoSuchVersion"),
        ({"Action": "RunInstances", "MaxCount": "1"}, "MissingParameter"),
        ({"Action": "RunMachines"}, "InvalidAction"),
        ({"Action": "CreateVpc"}, "InvalidAction"),
    ],
)
def test_parameters_are_held_to_the_service_model(aws: Client, pairs: dict[str, str], code: str) -> None:
    assert f"<Code>{code}</Code>".encode() in aws.raw(pairs).body


# Lists.


def every(aws: Client, **parameters: Any) -> list[str]:
    found, token = [], None
    while True:
        more: dict[str, Any] = {"NextToken": token} if token else {}
        page = aws.call("DescribeInstances", MaxResults=5, **parameters, **more)
        found += [one["InstanceId"] for r in page["Reservations"] for one in r["Instances"]]
        token = page.get("NextToken")
        if not token:
            return found


def test_lists_come_in_pages_and_skip_nothing_when_instances_come_and_go(aws: Client) -> None:
    made = [aws.run(f"lc{number}") for number in range(12)]
    assert every(aws) == made
    first = aws.call("DescribeInstances", MaxResults=5)
    aws.run("new")
    rest = aws.call("DescribeInstances", MaxResults=100, NextToken=first["NextToken"])
    assert len(rest["Reservations"]) == 8
    assert refused(aws, "DescribeInstances", MaxResults=5, NextToken="x") == "InvalidNextToken"
    other = {"MaxResults": 5, "NextToken": first["NextToken"], "Filters": [{"Name": "tag-key", "Values": ["x"]}]}
    assert refused(aws, "DescribeInstances", **other) == "InvalidNextToken"
    assert refused(aws, "DescribeInstances", MaxResults=4) == "InvalidParameterValue"
    both = {"MaxResults": 5, "InstanceIds": made[:1]}
    assert refused(aws, "DescribeInstances", **both) == "InvalidParameterCombination"


def test_a_list_can_be_empty_broken_short_or_old(aws: Client) -> None:
    made = [aws.run(f"lc{number}") for number in range(12)]
    aws.fault(list__empty_once={"value": True, "calls": 1})
    assert every(aws) == []
    aws.fault(list__drop_page=2)
    assert every(aws) == made[:5] + made[10:]
    aws.core.faults.heal()
    aws.fault(list__mid_500=True)
    with pytest.raises(Refused, match="InternalError"):
        every(aws)
    aws.core.faults.heal()
    aws.wait(60)
    aws.fault(status__stale=58)
    assert aws.state(made[0]) == "pending"
    aws.fault(list__not_found={"value": True, "calls": 1})
    assert refused(aws, "DescribeInstances", InstanceIds=made[:1]) == "InvalidInstanceID.NotFound"


def test_filters_narrow_and_unknown_ones_are_refused(aws: Client) -> None:
    first, _ = aws.running("lc1-a"), aws.run("lc1-b")
    wanted = [
        {"Name": "tag:lastcall:name", "Values": ["lc1-*"]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]
    assert every(aws, Filters=wanted) == [first]
    assert refused(aws, "DescribeInstances", Filters=[{"Name": "colour", "Values": ["red"]}]) == "InvalidParameterValue"


def test_status_volumes_tags_and_consoles_are_told(aws: Client) -> None:
    instance_id = aws.running()
    [status] = aws.call("DescribeInstanceStatus", InstanceIds=[instance_id])["InstanceStatuses"]
    assert status["InstanceStatus"]["Status"] == "ok"
    aws.fault(instance__impaired=True)
    [status] = aws.call("DescribeInstanceStatus")["InstanceStatuses"]
    assert status["SystemStatus"]["Status"] == "impaired"
    [volume] = aws.call("DescribeVolumes", Filters=[{"Name": "tag:lastcall:name", "Values": ["lc1"]}])["Volumes"]
    aws.call("CreateTags", Resources=[volume["VolumeId"]], Tags=[{"Key": "a", "Value": "b"}])
    rows = aws.call("DescribeTags", Filters=[{"Name": "resource-id", "Values": [volume["VolumeId"]]}])["Tags"]
    assert [row["Key"] for row in rows] == ["lastcall:name", "a"]
    aws.call("DeleteTags", Resources=[volume["VolumeId"]], Tags=[{"Key": "a"}])
    assert aws.call("GetConsoleOutput", InstanceId=instance_id)["Output"] == ""
    attribute = aws.call("DescribeInstanceAttribute", InstanceId=instance_id, Attribute="userData")
    assert attribute["UserData"] == {"Value": ""}


def test_what_there_is_to_rent_is_told(aws: Client) -> None:
    [kind] = aws.call("DescribeInstanceTypes", InstanceTypes=["g5.xlarge"])["InstanceTypes"]
    assert (kind["VCpuInfo"]["DefaultVCpus"], kind["MemoryInfo"]["SizeInMiB"]) == (4, 16_384)
    assert kind["GpuInfo"]["Gpus"][0]["Name"] == "A10G"
    assert refused(aws, "DescribeInstanceTypes", InstanceTypes=["m5.huge"]) == "InvalidParameterValue"
    rows = aws.call(
        "DescribeInstanceTypeOfferings",
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": ["t3.medium"]}],
    )["InstanceTypeOfferings"]
    assert "us-east-1e" not in [row["Location"] for row in rows]
    [image] = aws.call("DescribeImages", ImageIds=[AMI])["Images"]
    assert image["RootDeviceName"] == "/dev/xvda"
    history = aws.call("DescribeSpotPriceHistory", InstanceTypes=["m5.large"], ProductDescriptions=["Linux/UNIX"])
    assert len(history["SpotPriceHistory"]) == 6


def test_security_groups_are_made_narrowed_and_removed(aws: Client) -> None:
    made: dict[str, Any] = {"GroupName": "lastcall", "Description": "no inbound"}
    group_id = aws.call("CreateSecurityGroup", **made)["GroupId"]
    assert refused(aws, "CreateSecurityGroup", **made) == "InvalidGroup.Duplicate"
    [group] = aws.call("DescribeSecurityGroups", Filters=[{"Name": "group-name", "Values": ["lastcall"]}])[
        "SecurityGroups"
    ]
    assert group["IpPermissions"] == []
    everywhere = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    https = [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    aws.call("RevokeSecurityGroupEgress", GroupId=group_id, IpPermissions=everywhere)
    aws.call("AuthorizeSecurityGroupEgress", GroupId=group_id, IpPermissions=https)
    again = {"GroupId": group_id, "IpPermissions": https}
    assert refused(aws, "AuthorizeSecurityGroupEgress", **again) == "InvalidPermission.Duplicate"
    instance_id = aws.running(SecurityGroupIds=[group_id])
    assert refused(aws, "DeleteSecurityGroup", GroupId=group_id) == "DependencyViolation"
    aws.call("TerminateInstances", InstanceIds=[instance_id])
    aws.wait(60)
    aws.call("DeleteSecurityGroup", GroupId=group_id)
    assert refused(aws, "DescribeSecurityGroups", GroupIds=[group_id]) == "InvalidGroup.NotFound"
    assert len(aws.call("DescribeSubnets")["Subnets"]) == 6
    assert aws.call("DescribeVpcs")["Vpcs"][0]["IsDefault"] is True


# The way.


@pytest.mark.parametrize("way", ["503", "refuse", "hang"])
def test_the_service_can_be_out_of_reach(aws: Client, way: str) -> None:
    aws.fault(outage=way)
    answer = aws.raw({"Action": "DescribeInstances"})
    assert (answer.status, answer.lost) == (503, {"refuse": "reset", "hang": "hang"}.get(way))


def test_an_answer_can_be_somebody_elses_late_cut_or_newer(aws: Client) -> None:
    asked = {"Action": "DescribeInstances"}
    aws.fault(body__html={"value": True, "calls": 1})
    assert aws.raw(asked).body.startswith(b"<html>")
    aws.fault(redirect={"value": "http://elsewhere.invalid/", "calls": 1})
    assert aws.raw(asked).status == 307
    aws.fault(latency={"value": 3, "calls": 1})
    assert aws.raw(asked).delay_s == 3
    aws.fault(body__cut={"value": True, "calls": 1})
    with pytest.raises(Lost):
        aws.call("DescribeInstances")
    aws.fault(fields__new=True)
    assert aws.call("DescribeInstances")["Reservations"] == []


def test_a_create_can_fail_and_create_nothing(aws: Client) -> None:
    aws.fault(create__fail={"value": 503, "calls": 1})
    assert refused(aws, "RunInstances", **aws.order()) == "Unavailable"
    assert aws.core.history() == ()
    aws.fault(quota__on_demand={"value": True, "calls": 1})
    assert refused(aws, "RunInstances", **aws.order()) == "VcpuLimitExceeded"


def test_every_fault_refuses_unfit_values(aws: Client) -> None:
    for name in faults.RULES:
        with pytest.raises(ValueError, match=name):
            aws.core.faults.arm_json({name: {"value": object()}}, aws.now)
    with pytest.raises(ValueError, match="no such fault"):
        aws.core.faults.arm_json({"create.nothing": True}, aws.now)
