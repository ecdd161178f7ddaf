"""``lastcall setup aws`` step by step, on an emulated account."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from moto.iam.models import iam_backends
from moto.logs.models import logs_backends
from moto.s3.models import S3Backend, s3_backends

from lastcall.config.problems import ConfigError
from lastcall.setup.aws import AwsWishes, _advice, storage_advice
from providers.aws.client import Client
from providers.aws.policies import RIGHTS
from providers.aws.resources.buckets import DataBucket, Foreign, LogBucket
from providers.aws.resources.resource import NOT_THERE, settle
from providers.aws.settings import AwsSettings
from providers.interface import NotFound, ProviderError, Unavailable
from providers.s3.errors import ClockWrong, Denied, KeyWrong, RegionWrong
from tests.emulators.aws.asked import Call
from tests.emulators.aws.network import EVERYWHERE, Group, subnet_id, vpc_id
from tests.emulators.aws.settings import ACCOUNT, OTHER_ACCOUNT
from tests.integration.setup.aws_kit import (
    ALL,
    BUCKET,
    DRY,
    EMAIL,
    KEYS,
    REGION,
    AwsBench,
    setup_rights,
)
from tests.integration.setup.kit import Someone, states, step

LOGS = f"{BUCKET}-logs"
ARN = f"arn:aws:s3:::{BUCKET}"
NAMES = (
    "access log",
    "bucket",
    "machine role",
    "profile",
    "daemon role",
    "function role",
    "security group",
    "log group",
    "budget alarm",
)
TRYING = ("s3.PutObject", "s3.DeleteObject")
"""What the trial of the storage does at every run."""


def lasting(aws: AwsBench) -> dict[str, int]:
    return {call: count for call, count in aws.changes().items() if call not in TRYING}


def bucket_of(name: str = BUCKET) -> Any:
    return s3_backends[ACCOUNT]["aws"].buckets[name]


def iam() -> Any:
    return iam_backends[ACCOUNT]["aws"]


async def test_an_account_is_made_ready(aws: AwsBench) -> None:
    report = await aws.set_up()
    assert report.exit_code == 0, report.steps
    done = dict.fromkeys((*NAMES, "storage", "configuration"), "done")
    assert states(report) == {"account": "done", **done, "bill": "skipped"}
    group = next(one for one in aws.core.network.groups.values() if one.name == "lastcall-machine")
    assert aws.written() == {"region": REGION, "bucket": BUCKET, "security_group": group.id}
    assert aws.file.stat().st_mode & 0o777 == 0o600


async def test_what_was_made_is_as_the_account_says_it(aws: AwsBench) -> None:
    """Read where the services keep it, and not by the code that wrote it."""
    await aws.set_up()
    bucket = bucket_of()
    assert (bucket.region_name, bucket.versioning_status) == (REGION, "Enabled")
    block = bucket.public_access_block
    assert all(
        (block.block_public_acls, block.ignore_public_acls, block.block_public_policy, block.restrict_public_buckets)
    )
    assert {one["Sid"] for one in json.loads(bucket.policy)["Statement"]} >= {"OnlyOverTls"}
    assert bucket.logging["TargetBucket"] == LOGS
    rules = {one.id: one for one in bucket.rules}
    assert rules["lastcall-all"].aimu_days == "2"
    assert (rules["lastcall-datasets"].expiration_days, rules["lastcall-models"].expiration_days) == ("90", "180")
    profile = iam().get_instance_profile("lastcall-machine")
    assert [role.name for role in profile.roles] == ["lastcall-machine"]
    rights = {
        role: json.loads(iam().get_role_policy(f"lastcall-{role}", "lastcall")[1])
        for role in ("machine", "daemon", "function")
    }
    assert [len(one["Statement"]) for one in rights.values()] == [4, 22, 3]
    group = next(one for one in aws.core.network.groups.values() if one.name == "lastcall-machine")
    assert (group.inbound, len(group.outbound)) == ([], 1)
    assert logs_backends[ACCOUNT][REGION].groups["/lastcall/jobs"].retention_in_days == 30
    budget = aws.core.budgets.answer(ACCOUNT, "DescribeBudget", {"AccountId": ACCOUNT, "BudgetName": f"{BUCKET}-alarm"})
    assert budget["Budget"]["BudgetLimit"] == {"Amount": "50", "Unit": "USD"}


async def test_a_second_run_changes_nothing_and_says_so(aws: AwsBench) -> None:
    await aws.set_up()
    before = (aws.file.read_bytes(), lasting(aws))
    person = Someone()
    report = await aws.set_up(person)
    assert {states(report)[name] for name in (*NAMES, "configuration")} == {"unchanged"}
    assert (aws.file.read_bytes(), lasting(aws)) == before
    assert [one for one in person.questions if "bill" not in one] == []


async def test_a_dry_run_changes_nothing_and_shows_the_policies(aws: AwsBench) -> None:
    person = Someone()
    report = await aws.set_up(person, DRY)
    assert report.exit_code == 0, report.steps
    assert {states(report)[name] for name in (*NAMES, "storage", "configuration")} == {"planned"}
    assert aws.changes() == {}
    assert person.questions == []
    assert not aws.file.exists()
    assert report.document()["policies"]["daemon"]["Statement"]
    assert BUCKET in json.dumps(report.policies["setup"])
    assert set(report.policies) >= set(RIGHTS) - {"key-storage", "key-disks"}


async def test_who_does_not_agree_has_nothing_made(aws: AwsBench) -> None:
    person = Someone(agrees=False)
    report = await aws.set_up(person)
    assert report.exit_code == 1
    assert states(report) == {"account": "done", "agreement": "failed"}
    assert (aws.changes(), aws.file.exists()) == ({}, False)
    assert sum("would make" in line for line in person.heard) == len(NAMES)


# ------------------------------------------------------------------------------------------------ drift


def loosen_trust(aws: AwsBench) -> None:
    role = iam().get_role("lastcall-daemon")
    role.assume_role_policy_document = role.assume_role_policy_document.replace(ACCOUNT, OTHER_ACCOUNT)


def widen_rights(aws: AwsBench) -> None:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam().put_role_policy("lastcall-machine", "lastcall", json.dumps(document))


def let_in(aws: AwsBench) -> None:
    group = next(one for one in aws.core.network.groups.values() if one.name == "lastcall-machine")
    group.inbound.append({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]})


def give_role(*roles: str) -> None:
    iam().get_instance_profile("lastcall-machine").roles = [iam().get_role(role) for role in roles]


def raise_alarm(aws: AwsBench) -> None:
    named = {"AccountId": ACCOUNT, "BudgetName": f"{BUCKET}-alarm"}
    found = aws.core.budgets.answer(ACCOUNT, "DescribeBudget", named)["Budget"]
    aws.core.budgets.answer(ACCOUNT, "DeleteBudget", named)
    much = {**found, "BudgetLimit": {"Amount": "5000", "Unit": "USD"}}
    aws.core.budgets.answer(ACCOUNT, "CreateBudget", {"AccountId": ACCOUNT, "Budget": much})


def keep_longer(aws: AwsBench) -> None:
    logs_backends[ACCOUNT][REGION].put_retention_policy("/lastcall/jobs", "365")


DRIFTS: dict[str, tuple[str, Callable[[AwsBench], object]]] = {
    "versioning": ("bucket", lambda aws: setattr(bucket_of(), "versioning_status", "Suspended")),
    "encryption": ("bucket", lambda aws: setattr(bucket_of(), "encryption", None)),
    "public access": ("bucket", lambda aws: setattr(bucket_of(), "public_access_block", None)),
    "policy": ("bucket", lambda aws: setattr(bucket_of(), "policy", None)),
    "lifecycle": ("bucket", lambda aws: bucket_of().delete_lifecycle()),
    "access log": ("bucket", lambda aws: bucket_of().set_logging({}, s3_backends[ACCOUNT]["aws"])),
    "policy of the log": ("access log", lambda aws: setattr(bucket_of(LOGS), "policy", None)),
    "trust": ("daemon role", loosen_trust),
    "rights": ("machine role", widen_rights),
    "another role": ("profile", lambda aws: give_role("lastcall-daemon")),
    "no role": ("profile", lambda aws: give_role()),
    "inbound": ("security group", let_in),
    "retention": (
        "log group",
        lambda aws: logs_backends[ACCOUNT][REGION].put_retention_policy("/lastcall/jobs", "365"),
    ),
    "alarm": ("budget alarm", raise_alarm),
}


async def test_what_drifted_is_put_right_and_nothing_else_is_touched(aws: AwsBench) -> None:
    await aws.set_up()
    for drift, (name, change) in DRIFTS.items():
        change(aws)
        report = await aws.set_up()
        assert report.exit_code == 0, (drift, report.steps)
        assert [one for one in NAMES if states(report)[one] != "unchanged"] == [name], drift
        assert step(report, name).detail.startswith("put right "), drift
    assert {states(await aws.set_up())[name] for name in NAMES} == {"unchanged"}


async def test_what_others_set_in_the_bucket_stays(aws: AwsBench) -> None:
    await aws.set_up()
    bucket = bucket_of()
    who = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    mine = {"Sid": "Mine", "Effect": "Allow", "Principal": who, "Action": "s3:GetObject", "Resource": f"{ARN}/*"}
    bucket.policy = json.dumps({"Version": "2012-10-17", "Statement": [mine]}).encode()
    bucket.set_lifecycle(
        [{"ID": "mine", "Status": "Enabled", "Filter": {"Prefix": "mine/"}, "Expiration": {"Days": "3"}}]
    )
    assert (await aws.set_up()).exit_code == 0
    bucket = bucket_of()
    assert mine in json.loads(bucket.policy)["Statement"]
    assert len(json.loads(bucket.policy)["Statement"]) == 4
    assert {one.id for one in bucket.rules} == {
        "mine", "lastcall-all", "lastcall-datasets", "lastcall-jobs", "lastcall-models",
    }  # fmt: skip


async def test_changed_settings_change_the_account(aws: AwsBench) -> None:
    await aws.set_up()
    report = await aws.set_up(datasets_expire_days="10", log_retention_days="7", alarm_usd_per_month="20")
    assert {name for name in NAMES if states(report)[name] == "done"} == {"bucket", "log group", "budget alarm"}
    assert "lifecycle differs in lastcall-datasets" in step(report, "bucket").detail


# ------------------------------------------------------------------------------------------------ what is not ours


async def make_bucket(aws: AwsBench, account: str = ACCOUNT, region: str = REGION) -> None:
    s3_backends[account]["aws"].create_bucket(BUCKET, region)


async def test_somebody_elses_bucket_is_changed_only_when_that_is_agreed(aws: AwsBench) -> None:
    await make_bucket(aws)
    asked = Someone(agrees=lambda question: "not made by this command" not in question)
    report = await aws.set_up(asked)
    assert states(report)["bucket"] == "skipped"
    assert bucket_of().versioning_status is None
    assert (await aws.set_up()).exit_code == 0
    assert bucket_of().versioning_status == "Enabled"
    assert step(await aws.set_up(), "bucket").detail.endswith("there, not made by this command, and as wanted")


async def test_a_dry_run_says_that_it_would_ask(aws: AwsBench) -> None:
    await make_bucket(aws)
    person = Someone()
    report = await aws.set_up(person, DRY)
    assert "would ask whether to put right bucket" in step(report, "bucket").detail
    assert person.questions == []


async def test_what_another_lastcall_made_is_left_alone_and_named(aws: AwsBench) -> None:
    await aws.set_up()
    before = lasting(aws)
    report = await aws.set_up(bucket="lastcall-second")
    assert report.exit_code == 1
    assert f"belongs to the Lastcall whose bucket is {BUCKET}" in step(report, "machine role").detail
    assert lasting(aws) == before
    aws.file = aws.root / "second.toml"
    other = await aws.set_up(bucket="lastcall-second", instance_profile="second-machine", log_group="/second")
    assert states(other)["machine role"] == "done"


async def test_a_group_that_is_configured_is_used_as_it_is(aws: AwsBench) -> None:
    report = await aws.set_up(security_group="sg-0123456789abcdef0")
    assert "check aws.security_group" in step(report, "security group").detail
    own = Group("sg-0123456789abcdef1", ACCOUNT, REGION, "mine", "mine", vpc_id(ACCOUNT, REGION), [dict(EVERYWHERE)])
    aws.core.network.groups[own.id] = own
    asked = Someone(agrees=lambda question: "let others in" not in question)
    report = await aws.set_up(asked, security_group=own.id)
    assert states(report)["security group"] == "skipped"
    assert report.exit_code == 0
    assert len(own.inbound) == 1


@pytest.mark.parametrize(
    ("account", "region", "words", "advice"),
    [
        (
            OTHER_ACCOUNT,
            REGION,
            "another account's",
            "choose another bucket: --bucket NAME; where it is this account's",
        ),
        (ACCOUNT, "us-east-1", "is in us-east-1, not in eu-central-1", "set aws.region to us-east-1"),
    ],
)
async def test_a_bucket_of_another_account_or_region_is_named(
    aws: AwsBench, account: str, region: str, words: str, advice: str
) -> None:
    await make_bucket(aws, account, region)
    report = await aws.set_up()
    found = step(report, "bucket")
    assert (found.state, words in found.detail, advice in found.next) == ("failed", True, True), found
    assert aws.changes() == {}


# ------------------------------------------------------------------------------------------------ rights


def statements() -> list[str]:
    return [one["Sid"] for one in setup_rights()["Statement"]]


REMOVING = (
    "SeeThatNothingRuns",
    "RemoveRoles",
    "RemoveTheInstanceProfile",
    "RemoveTheSecurityGroup",
    "RemoveTheLogGroup",
    "SeeWhatBucketsHold",
    "RemoveBuckets",
    "DeleteData",
)
NEEDLESS = {
    "WhoAmI": "STS answers it to everybody",
    "LookAtKeys": "needed where aws.kms_key is set",
    "CloseTheSecurityGroup": "needed where somebody opened the group",
    "SplitTheBill": "nothing depends on it: test_bill_aws.py",
}


@pytest.mark.parametrize("sid", [one for one in statements() if one not in (*REMOVING, *NEEDLESS)])
async def test_a_missing_right_is_named_with_the_statement_that_grants_it(tmp_path: Any, sid: str) -> None:
    aws = AwsBench(tmp_path, setup_rights(without=sid))
    report = await aws.set_up()
    assert report.exit_code == 1
    said = [one for one in report.steps if one.state == "failed"]
    assert [one for one in said if f"{sid} of the setup policy" in f"{one.detail} {one.next}"], said
    assert all("give the key that right" in one.next for one in said if "policy grant" in one.detail)
    assert not aws.file.exists(), "what is not ready is not configured"


async def test_the_bucket_of_another_lastcall_is_none_for_this_one(aws: AwsBench) -> None:
    """The access log's bucket of a first one, named as the bucket of a second."""
    await aws.set_up()
    found = step(await aws.set_up(bucket=f"{BUCKET}-logs", instance_profile="b-machine", log_group="/b"), "bucket")
    assert f"belongs to the Lastcall whose bucket is {BUCKET}" in found.detail
    assert found.next == "choose another bucket: --bucket NAME"


async def test_the_setup_policy_is_enough_to_make_repair_and_remove(tmp_path: Any) -> None:
    aws = AwsBench(tmp_path, setup_rights())
    assert (await aws.set_up()).exit_code == 0
    for _, change in DRIFTS.values():
        change(aws)
    report = await aws.set_up()
    assert report.exit_code == 0, report.steps
    assert all(states(report)[name] == "done" for name in NAMES if name != "function role")
    person = Someone()
    person.typed = BUCKET
    s3_backends[ACCOUNT]["aws"].put_object(BUCKET, "datasets/a", b"x")
    removed = await aws.set_up(person, AwsWishes(destroy=True))
    assert removed.exit_code == 0, removed.steps
    assert s3_backends[ACCOUNT]["aws"].buckets == {}


# ------------------------------------------------------------------------------------------------ what can go wrong


async def test_without_a_region_it_says_how_to_choose_one(aws: AwsBench) -> None:
    del aws.environ["AWS_REGION"]
    report = await aws.set_up()
    assert states(report) == {"account": "failed"}
    assert "--region" in step(report, "account").next


async def test_a_region_that_aws_does_not_have_is_told_with_the_nearest_before_anything_is_asked(aws: AwsBench) -> None:
    report = await aws.set_up(region="eu-centrall-1")
    assert states(report) == {"account": "failed"}
    said = step(report, "account")
    assert said.detail == "AWS has no region eu-centrall-1; the nearest name is eu-central-1: set aws.region"
    assert said.next == "see the line itself, then run it again", "it is no silence that waiting would end"
    assert not aws.core.asked


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (("auth.failure", True), "the access key does not hold here"),
        (("auth.expired", True), "renew it"),
        (("clock.skew", 3600.0), "set the clock"),
        (("outage", "503"), "AWS answered 503"),
        (("outage", "refuse"), "did not answer"),
    ],
)
async def test_a_key_a_clock_and_an_outage_are_told_apart(aws: AwsBench, fault: tuple[str, Any], words: str) -> None:
    aws.arm(*fault)
    report = await aws.set_up()
    assert states(report) == {"account": "failed"}
    assert words in step(report, "account").detail
    assert "main-secret" not in str(report.document())


async def test_a_wrong_setting_is_a_line_before_anything_is_asked(aws: AwsBench) -> None:
    with pytest.raises(ConfigError, match=r"--bucket: aws\.bucket"):
        await aws.set_up(bucket="No Bucket")
    settings: tuple[dict[str, Any], ...] = ({"bucket": "b" * 60}, {"models_expire_days": "20"})
    for told in settings:
        report = await aws.set_up(**told)
        assert states(report) == {"account": "failed"}
    assert aws.changes() == {}


@pytest.mark.parametrize("action", ["CreateRole", "CreateInstanceProfile", "CreateSecurityGroup"])
async def test_a_create_whose_answer_was_lost_is_found_and_not_made_twice(aws: AwsBench, action: str) -> None:
    aws.transport.lose_calls(action)
    report = await aws.set_up()
    assert report.exit_code == 0, report.steps
    assert len([one for one in aws.core.network.groups.values() if one.name == "lastcall-machine"]) == 1


async def test_a_run_that_ends_right_after_a_bucket_was_made_leaves_it_marked(aws: AwsBench) -> None:
    """Without its mark the next run would take it for somebody else's."""
    aws.arm("auth.denied", ["s3:Put*"])
    first = await aws.set_up()
    assert states(first)["access log"] == "failed"
    assert lasting(aws)["s3.CreateBucket"] == 2
    aws.heal()
    second = await aws.set_up()
    assert second.exit_code == 0, second.steps
    assert lasting(aws)["s3.CreateBucket"] == 2
    assert "s3.PutBucketTagging" not in lasting(aws)


async def test_a_bucket_whose_making_was_not_answered_is_marked_all_the_same(aws: AwsBench) -> None:
    aws.transport.lose_next("PUT", f"/{BUCKET}-logs")
    report = await aws.set_up()
    assert report.exit_code == 0, report.steps
    assert aws.changes()["s3.CreateBucket"] == 2, "of both buckets, none twice"
    again = step(await aws.set_up(), "access log")
    assert (again.state, again.detail.endswith(": as wanted")) == ("unchanged", True)


async def test_a_bucket_that_shows_only_after_it_was_asked_for_is_ours(aws: AwsBench) -> None:
    """S3 may say for a moment that what was just made is not there; made again it says that it is."""
    await make_bucket(aws)
    client = Client(aws.transport, aws.clock, AwsSettings(region=REGION, bucket=BUCKET, keys=KEYS, endpoints=ALL))
    await aws.clock.drive(settle(LogBucket(client, aws.wanted()), NOT_THERE))
    await aws.clock.drive(settle(DataBucket(client, aws.wanted()), NOT_THERE))
    assert (await DataBucket(client, aws.wanted()).look()).mark == BUCKET


async def test_services_that_throttle_are_asked_again(aws: AwsBench) -> None:
    aws.arm("throttle", True, on=("iam.*", "s3.Put*"), calls=3)
    report = await aws.set_up()
    assert report.exit_code == 0, report.steps


async def test_an_interrupted_run_goes_on_where_it_was(aws: AwsBench) -> None:
    aws.arm("auth.denied", ["iam:CreateRole"])
    first = await aws.set_up()
    assert first.exit_code == 1
    assert states(first)["bucket"] == "done"
    assert states(first)["machine role"] == "failed"
    assert not aws.file.exists()
    aws.heal()
    second = await aws.set_up()
    assert second.exit_code == 0, second.steps
    assert states(second)["bucket"] == "unchanged"
    assert lasting(aws)["s3.CreateBucket"] == 2


async def test_without_anybody_to_write_to_there_is_no_alarm(aws: AwsBench) -> None:
    del aws.environ["LASTCALL_AWS_ALARM_EMAIL"]
    report = await aws.set_up()
    assert (states(report)["budget alarm"], report.exit_code) == ("skipped", 0)
    told = await aws.set_up(alarm_email=EMAIL)
    assert states(told)["budget alarm"] == "done"
    assert aws.written()["alarm_email"] == EMAIL


async def test_the_key_is_looked_at_and_used(aws: AwsBench) -> None:
    report = await aws.set_up(kms_key="alias/lastcall")
    assert "check aws.kms_key" in step(report, "account").detail
    kms = await aws.make_key("alias/lastcall")
    report = await aws.set_up(kms_key="alias/lastcall")
    assert report.exit_code == 0, report.steps
    assert kms in json.dumps(bucket_of().encryption)
    assert "UseTheKeyForDisks" in iam().get_role_policy("lastcall-daemon", "lastcall")[1]
    second = await aws.set_up(kms_key="alias/lastcall")
    assert {states(second)[name] for name in NAMES} == {"unchanged"}


# ------------------------------------------------------------------------------------------------ networks


async def test_the_group_is_made_in_the_network_of_the_subnet(aws: AwsBench) -> None:
    wrong = await aws.set_up(subnet="subnet-0123456789abcdef0")
    assert "check aws.subnet" in step(wrong, "security group").detail
    assert aws.changes() == {}
    right = await aws.set_up(subnet=subnet_id(ACCOUNT, f"{REGION}a"))
    assert right.exit_code == 0, right.steps


async def test_a_region_without_a_default_network_asks_for_a_subnet(
    aws: AwsBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = Call(lambda asked: {"Vpcs": []}, ("VpcIds", "Filters"))
    monkeypatch.setattr(aws.core, "_ec2", {**aws.core._ec2, "DescribeVpcs": none})
    report = await aws.set_up()
    assert "has no default network in this account: set aws.subnet" in step(report, "security group").detail


# ------------------------------------------------------------------------------------------------ what never settles


async def test_what_does_not_become_as_wanted_is_told_and_not_waited_for_for_ever(
    aws: AwsBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(S3Backend, "put_bucket_versioning", lambda *_: None)
    report = await aws.set_up()
    found = step(report, "bucket")
    assert (found.state, "is still not as wanted: versioning is off" in found.detail) == ("failed", True), found
    assert not aws.file.exists()


async def test_a_name_that_another_account_takes_meanwhile_is_named(aws: AwsBench) -> None:
    """A look says absent; the create says that somebody has it."""
    await make_bucket(aws, OTHER_ACCOUNT)
    client = Client(aws.transport, aws.clock, AwsSettings(region=REGION, bucket=BUCKET, keys=KEYS, endpoints=ALL))
    with pytest.raises(Foreign, match="names are the world's") as taken:
        await DataBucket(client, aws.wanted()).create()
    assert _advice(taken.value) == "choose another bucket: --bucket NAME"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Denied("x"), "give the key that right"),
        (KeyWrong("x"), "renew the access key"),
        (ClockWrong("x"), "set this computer's clock"),
        (RegionWrong("x"), "set aws.region"),
        (NotFound("x"), "lastcall setup aws makes the bucket"),
        (Unavailable("x"), "try again"),
    ],
)
def test_what_the_storage_says_no_to_has_its_advice(error: ProviderError, words: str) -> None:
    assert words in storage_advice(error)
