"""The emulated AWS as boto3 sees it: signatures, rights, every service at one address, faults on the wire."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from decimal import Decimal
from typing import Any

import botocore.exceptions
import pytest
from botocore.parsers import ResponseParserError

from tests.emulators.aws.settings import ACCOUNT, READ_KEY, READ_SECRET
from tests.integration.aws_emulator.kit import Instances
from tests.support.patience import wait_until

Refusal = botocore.exceptions.ClientError


def code(call: Any, **parameters: Any) -> str:
    with pytest.raises(Refusal) as caught:
        call(**parameters)
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture
def faulty(whole: Instances) -> Any:
    """Switches faults on for one test."""
    yield lambda **faults: whole.emulator.control(
        {"faults": {name.replace("__", "."): value for name, value in faults.items()}}
    )
    whole.emulator.control({"heal": True})


def test_a_real_client_launches_finds_and_ends(whole: Instances) -> None:
    instance_id = whole.start("", "wire")
    assert whole.start("", "wire") == instance_id
    whole.wait(instance_id, "running")
    named = [{"Name": "tag:lastcall:name", "Values": ["wire"]}]
    pages = list(
        whole.ec2.get_paginator("describe_instances").paginate(Filters=named, PaginationConfig={"PageSize": 5})
    )
    assert [one["Instances"][0]["InstanceId"] for page in pages for one in page["Reservations"]] == [instance_id]
    whole.ec2.terminate_instances(InstanceIds=[instance_id])
    whole.wait(instance_id, "terminated")
    shown = whole.emulator.control()
    assert [life["ended_by"] for life in shown["history"] if life["name"] == "wire"] == ["account"]
    assert any(line["kind"] == "on_demand" and Decimal(line["amount"]) > 0 for line in shown["bills"])


def test_signatures_and_rights_are_checked_in_every_service(whole: Instances) -> None:
    wrong = [whole.client(name, secret="wrong") for name in ("ec2", "s3", "iam", "logs")]
    codes = ["AuthFailure", "SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException"]
    calls = [wrong[0].describe_instances, wrong[1].list_buckets, wrong[2].list_roles, wrong[3].describe_log_groups]
    assert [code(call) for call in calls] == codes
    reader = whole.client("ec2", READ_KEY, READ_SECRET)
    reader.describe_instances()
    assert code(reader.terminate_instances, InstanceIds=["i-00000000000000000"]) != "UnauthorizedOperation"
    assert code(whole.client("iam", READ_KEY, READ_SECRET).list_roles) == "AccessDenied"
    assert code(whole.client("s3", READ_KEY, READ_SECRET).list_buckets) == "AccessDenied"


def test_keys_and_roles_made_through_iam_decide_over_ec2(whole: Instances) -> None:
    iam = whole.client("iam")
    iam.create_user(UserName="narrow")
    made = iam.create_access_key(UserName="narrow")["AccessKey"]
    narrow = whole.client("ec2", made["AccessKeyId"], made["SecretAccessKey"])
    assert code(narrow.describe_instances) == "UnauthorizedOperation"
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"}]}
    iam.put_user_policy(UserName="narrow", PolicyName="p", PolicyDocument=json.dumps(document))
    narrow.describe_instances()
    identity = whole.client("sts", made["AccessKeyId"], made["SecretAccessKey"]).get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/narrow")


def imds(whole: Instances, instance_id: str, path: str) -> str:
    base = f"{whole.emulator.urls['metadata']}/{instance_id}/latest"
    ttl = {"x-aws-ec2-metadata-token-ttl-seconds": "60"}
    with urllib.request.urlopen(urllib.request.Request(f"{base}/api/token", headers=ttl, method="PUT")) as answer:
        token = answer.read().decode()
    asked = urllib.request.Request(f"{base}/meta-data/{path}", headers={"x-aws-ec2-metadata-token": token})
    with urllib.request.urlopen(asked) as answer:
        return str(answer.read().decode())


def test_an_instance_profile_gives_its_machine_the_rights_of_its_role(whole: Instances) -> None:
    iam = whole.client("iam")
    trust = {
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    }
    iam.create_role(RoleName="worker", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", **trust}))
    allowed = [
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": "arn:aws:s3:::own-bucket/jobs/*"}
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": allowed})
    iam.put_role_policy(RoleName="worker", PolicyName="p", PolicyDocument=document)
    iam.create_instance_profile(InstanceProfileName="worker")
    iam.add_role_to_instance_profile(InstanceProfileName="worker", RoleName="worker")
    whole.client("s3").create_bucket(Bucket="own-bucket")
    instance_id = whole.start("", "roled", IamInstanceProfile={"Name": "worker"})
    whole.wait(instance_id, "running")
    assert imds(whole, instance_id, "iam/security-credentials/") == "worker"
    held = json.loads(imds(whole, instance_id, "iam/security-credentials/worker"))
    keys = (held["AccessKeyId"], held["SecretAccessKey"], held["Token"])
    s3 = whole.client("s3", *keys)
    s3.put_object(Bucket="own-bucket", Key="jobs/a", Body=b"x" * 100_000)
    assert s3.get_object(Bucket="own-bucket", Key="jobs/a")["Body"].read() == b"x" * 100_000
    assert code(s3.put_object, Bucket="own-bucket", Key="other/a", Body=b"x") == "AccessDenied"
    assert code(whole.client("ec2", *keys).describe_instances) == "UnauthorizedOperation"
    whole.ec2.terminate_instances(InstanceIds=[instance_id])


def test_a_profile_that_nobody_made_is_refused(whole: Instances) -> None:
    with pytest.raises(Refusal, match="Invalid IAM Instance Profile"):
        whole.start("", "nobody", IamInstanceProfile={"Name": "nobody"})


def test_parameters_prices_logs_and_budgets_answer_at_the_same_address(whole: Instances) -> None:
    name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    assert whole.client("ssm").get_parameter(Name=name)["Parameter"]["Value"].startswith("ami-")
    filters = [
        {"Type": "TERM_MATCH", "Field": "instanceType", "Value": "m5.large"},
        {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-east-1"},
    ]
    [product] = whole.client("pricing").get_products(ServiceCode="AmazonEC2", Filters=filters)["PriceList"]
    [term] = json.loads(product)["terms"]["OnDemand"].values()
    [dimension] = term["priceDimensions"].values()
    assert Decimal(dimension["pricePerUnit"]["USD"]) == Decimal("0.096")
    logs = whole.client("logs")
    logs.create_log_group(logGroupName="/lastcall/wire")
    logs.put_retention_policy(logGroupName="/lastcall/wire", retentionInDays=14)
    assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 14
    budget = {
        "BudgetName": "lastcall",
        "BudgetLimit": {"Amount": "10", "Unit": "USD"},
        "TimeUnit": "MONTHLY",
        "BudgetType": "COST",
    }
    budgets = whole.client("budgets")
    budgets.create_budget(AccountId=ACCOUNT, Budget=budget)
    assert budgets.describe_budget(AccountId=ACCOUNT, BudgetName="lastcall")["Budget"]["BudgetName"] == "lastcall"


def test_a_containers_lines_go_to_cloudwatch_with_the_instances_rights(whole: Instances) -> None:
    whole.client("logs").create_log_group(logGroupName="/lastcall/jobs")
    options = "--log-driver awslogs --log-opt awslogs-group=/lastcall/jobs --log-opt awslogs-stream=one"
    script = f'#!/bin/sh\ndocker run {options} ours/training:1; echo "code $?"\nshutdown -h now\n'
    instance_id = whole.start(script, "logged", IamInstanceProfile={"Name": "lastcall-instance"})
    whole.wait(instance_id, "terminated")
    assert "code 0" in whole.console(instance_id)
    asked = {"logGroupName": "/lastcall/jobs", "logStreamName": "one", "startFromHead": True}
    events = whole.client("logs").get_log_events(**asked)["events"]
    assert [one["message"] for one in events] == ["from the image", "of the image"]


@pytest.mark.parametrize(
    ("fault", "service", "call", "expected"),
    [
        ({"throttle": True}, "ec2", "describe_instances", "RequestLimitExceeded"),
        ({"throttle": True}, "s3", "list_buckets", "SlowDown"),
        ({"throttle": True}, "logs", "describe_log_groups", "ThrottlingException"),
        ({"throttle": {"value": True, "on": ["iam.*"]}}, "iam", "list_roles", "Throttling"),
        ({"auth__expired": True}, "ec2", "describe_instances", "RequestExpired"),
        ({"auth__expired": True}, "sts", "get_caller_identity", "ExpiredToken"),
        ({"auth__expired": True}, "s3", "list_buckets", "ExpiredToken"),
        ({"auth__expired": True}, "logs", "describe_log_groups", "ExpiredTokenException"),
        ({"auth__failure": True}, "ec2", "describe_instances", "AuthFailure"),
        ({"auth__denied": ["ec2:Describe*"]}, "ec2", "describe_instances", "UnauthorizedOperation"),
        ({"auth__denied": ["logs:*"]}, "logs", "describe_log_groups", "AccessDeniedException"),
        ({"clock__skew": 3600}, "ec2", "describe_instances", "RequestExpired"),
        ({"clock__skew": 3600}, "s3", "list_buckets", "RequestTimeTooSkewed"),
        ({"clock__skew": -3600}, "sts", "get_caller_identity", "SignatureDoesNotMatch"),
        ({"outage": "503"}, "ec2", "describe_instances", "503"),
    ],
)
def test_faults_reach_the_wire_in_each_services_words(
    whole: Instances, faulty: Any, fault: Any, service: str, call: str, expected: str
) -> None:
    client = whole.client(service)
    faulty(**fault)
    assert code(getattr(client, call)) == expected


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"outage": "refuse"}, botocore.exceptions.HTTPClientError),
        ({"body__cut": True}, (botocore.exceptions.HTTPClientError, ResponseParserError)),
    ],
)
def test_broken_answers_reach_the_wire(whole: Instances, faulty: Any, fault: Any, error: Any) -> None:
    faulty(**fault)
    with pytest.raises(error):
        whole.ec2.describe_instances()


def test_a_launch_whose_connection_breaks_is_found_by_its_token(whole: Instances, faulty: Any) -> None:
    faulty(create__lost={"value": "reset", "calls": 1})
    with pytest.raises(botocore.exceptions.HTTPClientError):
        whole.start("", "broken")
    instance_id = whole.start("", "broken")
    lives = [life for life in whole.emulator.control()["history"] if life["name"] == "broken"]
    assert [life["instance_id"] for life in lives] == [instance_id]
    whole.ec2.terminate_instances(InstanceIds=[instance_id])


@pytest.mark.parametrize(
    ("fault", "spot", "expected"),
    [
        ({"capacity__spot": True}, True, "InsufficientInstanceCapacity"),
        ({"capacity__on_demand": True}, False, "InsufficientInstanceCapacity"),
        ({"quota__spot": True}, True, "MaxSpotInstanceCountExceeded"),
        ({"quota__on_demand": True}, False, "VcpuLimitExceeded"),
        ({"price__spot": 100}, True, "SpotMaxPriceTooLow"),
    ],
)
def test_refused_launches_reach_the_wire(whole: Instances, faulty: Any, fault: Any, spot: bool, expected: str) -> None:
    faulty(**fault)
    with pytest.raises(Refusal, match=expected):
        whole.start("", f"no-{expected}-{spot}", spot=spot)


def test_control_refuses_what_it_does_not_know(whole: Instances) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        whole.emulator.control({"faults": {"nothing": True}})
    with caught.value:
        assert caught.value.code == 400
    wait_until(lambda: whole.emulator.control()["calls"], "calls")
