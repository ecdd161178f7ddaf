"""``lastcall doctor`` on an emulated AWS account: each thing that can be wrong, told apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from moto.s3.models import s3_backends

from actors.journal import install as installs
from lastcall.doctor.command import examine
from lastcall.doctor.findings import Finding, Room, exit_code
from messages.ids import JobId
from messages.machines import MachineName
from tests.emulators.aws.settings import ACCOUNT, MAIN_SECRET, OTHER_ACCOUNT
from tests.integration.setup.aws_kit import BUCKET, REGION, AwsBench, daemon_rights
from tests.integration.setup.test_setup_aws import DRIFTS

OF_AWS = {
    "AWS account", "clock", "access log", "bucket", "machine role", "profile", "daemon role", "function role",
    "security group", "log group", "budget alarm", "storage", "launch", "quotas",
}  # fmt: skip


def room_of(aws: AwsBench, **more: str) -> Room:
    environ = {
        **aws.environ,
        "CLOUD_PROVIDER": "aws",
        "LASTCALL_AWS_BUCKET": BUCKET,
        "LASTCALL_STATE_DIR": str(aws.root / "s"),
        "HOME": str(aws.root),
        **more,
    }
    return Room(environ, aws.root, aws.transport, aws.clock)


async def doctor(aws: AwsBench, **more: str) -> list[Finding]:
    room = room_of(aws, **more)
    try:
        return await aws.clock.drive(examine(room, lambda _: None))
    finally:
        await room.close()


def wrong(findings: Sequence[Finding]) -> dict[str, Finding]:
    return {one.name: one for one in findings if one.verdict != "ok" and one.name != "daemon"}


async def test_an_account_that_was_set_up_is_well_with_the_daemons_rights(aws: AwsBench) -> None:
    await aws.set_up()
    changes = aws.changes()
    findings = await doctor(aws.again(daemon_rights()), LASTCALL_AWS_SECURITY_GROUP=aws.written()["security_group"])
    assert wrong(findings) == {}
    assert {one.name for one in findings} >= OF_AWS
    made = {call: count - changes.get(call, 0) for call, count in aws.changes().items()}
    assert {call for call, count in made.items() if count} == {"s3.PutObject", "s3.DeleteObject"}
    assert aws.core.alive(aws.seconds()) == ()


async def test_of_an_account_that_nobody_set_up_all_that_is_missing_is_named_with_the_command(aws: AwsBench) -> None:
    found = wrong(await doctor(aws))
    assert {name: one.verdict for name, one in found.items()} == {
        "access log": "warn", "bucket": "fail", "machine role": "warn", "profile": "fail",
        "daemon role": "warn", "function role": "warn", "security group": "warn", "log group": "fail",
        "budget alarm": "warn", "launch": "fail",
    }  # fmt: skip
    assert {one.fix for one in found.values()} == {"lastcall setup aws"}


async def test_what_drifted_is_told_and_not_changed(aws: AwsBench) -> None:
    await aws.set_up()
    for _, change in DRIFTS.values():
        change(aws)
    before = aws.changes()
    findings = await doctor(aws)
    found = wrong(findings)
    assert {name for name, _ in DRIFTS.values()} <= set(found)
    assert {found[name].verdict for name, _ in DRIFTS.values()} == {"warn"}
    for words in ("versioning is suspended", "lifecycle differs", "public access is not blocked", "OnlyOverTls"):
        assert words in found["bucket"].detail
    assert found["launch"].verdict == "fail", "its profile has no role"
    assert {call for call in aws.changes() if aws.changes()[call] != before.get(call)} == {
        "s3.PutObject",
        "s3.DeleteObject",
    }


@pytest.mark.parametrize(
    ("account", "region", "words", "fix"),
    [
        (OTHER_ACCOUNT, REGION, "another account's", "set aws.bucket to one of this account; where it is one, give"),
        (ACCOUNT, "us-east-1", "is in us-east-1, not in eu-central-1", "set aws.region to us-east-1"),
    ],
)
async def test_a_bucket_of_another_account_or_region_fails(
    aws: AwsBench, account: str, region: str, words: str, fix: str
) -> None:
    s3_backends[account]["aws"].create_bucket(BUCKET, region)
    found = wrong(await doctor(aws))["bucket"]
    assert (found.verdict, words in found.detail, fix in found.fix) == ("fail", True, True), found


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (("auth.failure", True), "the access key does not hold here"),
        (("auth.expired", True), "renew it"),
        (("clock.skew", 3600.0), "set the clock"),
        (("outage", "503"), "AWS answered 503"),
    ],
)
async def test_a_key_a_clock_and_an_outage_are_told_apart(aws: AwsBench, fault: tuple[str, Any], words: str) -> None:
    aws.arm(*fault)
    findings = await doctor(aws)
    assert words in wrong(findings)["AWS account"].detail
    assert exit_code(findings) == 1
    assert MAIN_SECRET not in str(findings)
    assert {one.name for one in findings} & OF_AWS == {"AWS account"}, "nothing is said of what could not be asked"


async def test_a_clock_that_is_off_is_told(aws: AwsBench) -> None:
    await aws.set_up()
    aws.arm("clock.skew", 120.0)
    found = wrong(await doctor(aws))
    assert found["clock"].detail == "this computer is -120 s from AWS's time"


LOOKED_WITH = {
    "CheckTheBuckets": "bucket",
    "CheckTheRoles": "machine role",
    "CheckTheInstanceProfile": "profile",
    "CheckTheSecurityGroup": "security group",
    "CheckTheLogGroup": "log group",
    "CheckTheAlarm": "budget alarm",
    "CheckQuotas": "quotas",
    "Objects": "storage",
    "LaunchWhatIsTagged": "launch",
    "LaunchIn": "launch",
    "TagAtLaunch": "launch",
    "GiveTheRole": "launch",
    "NewestImage": "launch",
}


async def test_a_missing_right_is_named_with_the_statement_that_grants_it(aws: AwsBench) -> None:
    await aws.set_up()
    for sid, name in LOOKED_WITH.items():
        found = wrong(await doctor(aws.again(daemon_rights(without=sid)))).get(name)
        assert found is not None, sid
        assert re.search(rf"{sid}[A-Za-z, ]* of the daemon policy", f"{found.detail} {found.fix}"), (sid, found)


async def test_services_that_do_not_answer_are_told_as_that(aws: AwsBench) -> None:
    await aws.set_up()
    aws.arm("outage", "503", on=("iam.*", "servicequotas.*", "ec2.RunInstances"))
    found = wrong(await doctor(aws))
    silent = ("machine role", "profile", "daemon role", "function role", "launch", "quotas")
    assert {found[name].verdict for name in silent} == {"warn"}
    assert {found[name].fix for name in ("machine role", "launch", "quotas")} == {"try again"}


async def test_quotas_that_allow_nothing_are_told(tmp_path: Any) -> None:
    none = AwsBench(tmp_path, on_demand_vcpus={"Standard": 0, "G": 0, "P": 0})
    found = wrong(await doctor(none))["quotas"]
    assert (found.verdict, "on demand 0" in found.detail, "Service Quotas" in found.fix) == ("fail", True, True)


async def test_without_a_quota_for_spot_trainings_run_on_demand(tmp_path: Any) -> None:
    none = AwsBench(tmp_path, spot_vcpus={"Standard": 0, "G": 0, "P": 0})
    found = wrong(await doctor(none))["quotas"]
    assert (found.verdict, "spot 0" in found.detail) == ("warn", True)


async def test_machines_that_nobody_watches_are_named(aws: AwsBench) -> None:
    state = aws.root / "s"
    state.mkdir()
    install = installs.load_or_create(state, journal_exists=True, entropy=lambda n: b"x" * n, now=aws.clock.now())
    name = MachineName(install.installation, install.generation, JobId.derived("t", "t").tail, 1, aws.clock.now())
    [machine] = aws.core.intrude(ACCOUNT, REGION, 1, aws.seconds())
    text = name.text(install.name_key)
    machine.tags["lastcall:name"] = machine.order.tags["instance"]["lastcall:name"] = text
    machine.order = replace(machine.order, token=text)
    await aws.clock.advance(1)
    found = wrong(await doctor(aws))["machines"]
    assert "running with nobody watching: lc1-" in found.detail


async def test_it_says_nothing_of_aws_where_another_provider_is_chosen(aws: AwsBench) -> None:
    findings = await doctor(aws, CLOUD_PROVIDER="local")
    assert not {one.name for one in findings} & OF_AWS
    assert aws.core.calls == {}
