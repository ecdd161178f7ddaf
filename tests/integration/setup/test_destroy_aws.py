"""``lastcall setup aws --destroy``: what was made goes, what was not stays, data goes only when its bucket is typed."""

from __future__ import annotations

from typing import Any

import pytest
from moto.iam.models import iam_backends
from moto.logs.models import logs_backends
from moto.s3.models import S3Backend, s3_backends

from lastcall.setup.aws import AwsWishes
from lastcall.setup.aws_removal import TRIES_MAX
from providers.aws.client import Call, Client
from providers.aws.resources.buckets import LogBucket
from providers.aws.settings import AwsSettings
from tests.emulators.aws.settings import ACCOUNT
from tests.integration.setup.aws_kit import ALL, BUCKET, DESTROY, KEYS, REGION, AwsBench, setup_rights
from tests.integration.setup.kit import Someone, states, step

LOGS = f"{BUCKET}-logs"


def typing() -> Someone:
    """Somebody who types the bucket's name when asked: S3 has written an access log of the making already."""
    person = Someone()
    person.typed = BUCKET
    return person


def buckets() -> set[str]:
    return set(s3_backends[ACCOUNT]["aws"].buckets)


def roles() -> set[str]:
    return {role.name for role in iam_backends[ACCOUNT]["aws"].roles.values()}


def keep_data() -> None:
    s3_backends[ACCOUNT]["aws"].put_object(BUCKET, "datasets/a", b"1")
    s3_backends[ACCOUNT]["aws"].put_object(BUCKET, "datasets/a", b"2")


async def test_all_that_was_made_goes(aws: AwsBench) -> None:
    """The alarm too, although nobody is named any more whom it would write to."""
    await aws.set_up()
    del aws.environ["LASTCALL_AWS_ALARM_EMAIL"]
    report = await aws.set_up(typing(), DESTROY)
    assert report.exit_code == 0, report.steps
    assert states(report)["budget alarm"] == "done"
    assert (buckets(), roles()) == (set(), set())
    assert not iam_backends[ACCOUNT]["aws"].instance_profiles
    assert "/lastcall/jobs" not in logs_backends[ACCOUNT][REGION].groups
    assert all(group.name == "default" for group in aws.core.network.groups.values())
    assert aws.written() == {"region": REGION}
    again = await aws.set_up(wishes=DESTROY)
    assert step(again, "removal").state == "unchanged"


@pytest.mark.no_cover  # steps that others take too, again and again
@pytest.mark.parametrize("typed", [None, "", "yes", LOGS])
async def test_data_stays_unless_its_bucket_is_typed(aws: AwsBench, typed: str | None) -> None:
    await aws.set_up()
    keep_data()
    person = Someone()
    person.typed = typed
    report = await aws.set_up(person, DESTROY)
    assert report.exit_code == 0, report.steps
    assert buckets() == {BUCKET, LOGS}
    assert roles() == set()
    assert (states(report)["bucket"], states(report)["access log"]) == ("skipped", "skipped")
    assert any("2 objects and versions" in line for line in person.heard)
    assert aws.written()["bucket"] == BUCKET


async def test_the_access_log_stays_with_the_bucket_that_writes_it_although_it_is_empty(
    aws: AwsBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await aws.set_up()
    keep_data()

    async def nothing(_: LogBucket) -> str:
        return ""

    monkeypatch.setattr(LogBucket, "holds", nothing)
    report = await aws.set_up(Someone(), DESTROY)
    assert (states(report)["bucket"], states(report)["access log"]) == ("skipped", "skipped")
    assert buckets() == {BUCKET, LOGS}


async def test_what_does_not_go_at_once_is_removed_again_a_bounded_number_of_times(aws: AwsBench) -> None:
    """EC2 remembers a group's last instance for a while."""
    await aws.set_up()
    aws.arm("outage", "503", TRIES_MAX - 1, on=("ec2.DeleteSecurityGroup",))
    assert states(await aws.set_up(typing(), DESTROY))["security group"] == "done"
    await aws.set_up()
    aws.arm("outage", "503", on=("ec2.DeleteSecurityGroup",))
    before = aws.core.calls["ec2.DeleteSecurityGroup"]
    report = await aws.set_up(typing(), DESTROY)
    assert (states(report)["security group"], report.exit_code) == ("failed", 1)
    assert aws.core.calls["ec2.DeleteSecurityGroup"] - before == TRIES_MAX


async def test_data_goes_with_its_old_versions_when_its_bucket_is_typed(aws: AwsBench) -> None:
    await aws.set_up()
    keep_data()
    report = await aws.set_up(typing(), DESTROY)
    assert buckets() == set()
    assert "objects and versions" in step(report, "bucket").detail
    assert aws.written() == {"region": REGION}


async def test_parts_of_an_upload_that_was_never_finished_go_too(aws: AwsBench) -> None:
    await aws.set_up()
    client = Client(aws.transport, aws.clock, AwsSettings(region=REGION, bucket=BUCKET, keys=KEYS, endpoints=ALL))
    named = {"Bucket": BUCKET, "Key": "datasets/big"}
    begun = await client.read(Call("s3", "CreateMultipartUpload", named), "to begin an upload")
    part = {**named, "UploadId": begun["UploadId"], "PartNumber": 1, "Body": b"x"}
    await client.exchange(Call("s3", "UploadPart", part))
    report = await aws.set_up(typing(), DESTROY)
    assert report.exit_code == 0, report.steps
    assert aws.core.calls["s3.AbortMultipartUpload"] == 1
    assert buckets() == set()


async def test_what_s3_does_not_delete_is_named(aws: AwsBench, monkeypatch: pytest.MonkeyPatch) -> None:
    await aws.set_up()
    keep_data()
    monkeypatch.setattr(S3Backend, "delete_objects", lambda self, bucket, objects, bypass: ([], ["datasets/a"]))
    report = await aws.set_up(typing(), DESTROY)
    assert "does not delete datasets/a" in step(report, "bucket").detail
    assert BUCKET in buckets()


async def test_who_does_not_agree_has_nothing_removed(aws: AwsBench) -> None:
    await aws.set_up()
    before = aws.changes()
    report = await aws.set_up(Someone(agrees=False), DESTROY)
    assert (report.exit_code, states(report)["agreement"]) == (1, "failed")
    assert aws.changes() == before


async def test_a_dry_run_removes_nothing_and_says_what_it_would(aws: AwsBench) -> None:
    await aws.set_up()
    keep_data()
    before = aws.changes()
    report = await aws.set_up(wishes=AwsWishes(dry_run=True, destroy=True))
    assert aws.changes() == before
    assert "which holds 2 objects and versions, once the bucket's name is typed" in step(report, "bucket").detail
    assert states(report)["machine role"] == "planned"


async def test_what_it_did_not_make_stays(aws: AwsBench) -> None:
    s3_backends[ACCOUNT]["aws"].create_bucket(BUCKET, REGION)
    logs_backends[ACCOUNT][REGION].create_log_group("/lastcall/jobs", {})
    assert (await aws.set_up()).exit_code == 0
    report = await aws.set_up(wishes=DESTROY)
    assert report.exit_code == 0, report.steps
    assert buckets() == {BUCKET, LOGS}
    assert "/lastcall/jobs" in logs_backends[ACCOUNT][REGION].groups
    assert "was not made by it" in step(report, "bucket").detail


async def test_what_another_lastcall_made_stays(aws: AwsBench) -> None:
    await aws.set_up()
    report = await aws.set_up(wishes=DESTROY, bucket="lastcall-second")
    assert buckets() == {BUCKET, LOGS}
    assert f"belongs to the Lastcall whose bucket is {BUCKET}" in step(report, "machine role").detail


async def test_nothing_is_removed_while_a_machine_is_there(aws: AwsBench) -> None:
    await aws.set_up()
    [machine] = aws.core.intrude(ACCOUNT, REGION, 1, aws.seconds())
    assert (await aws.set_up(wishes=DESTROY)).exit_code == 0, "somebody else's machine is none of ours"
    await aws.set_up()
    machine.tags["lastcall:name"] = "lc1-machine"
    await aws.clock.advance(1)
    report = await aws.set_up(wishes=DESTROY)
    assert (states(report)["machines"], report.exit_code) == ("failed", 1)
    assert step(report, "machines").next.startswith("lastcall stop --all")
    assert buckets() == {BUCKET, LOGS}


async def test_a_machine_on_a_later_page_is_one_too(aws: AwsBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page may be empty although more come: EC2 filters behind its pages."""
    await aws.set_up()
    one = {"InstanceId": "i-late", "State": {"Name": "running"}}
    pages: list[dict[str, Any]] = [
        {"Reservations": [], "NextToken": "more"},
        {"Reservations": [{"OwnerId": ACCOUNT, "Instances": [one]}]},
    ]
    read = Client.read

    async def paged(client: Client, call: Call, what: str) -> dict[str, Any]:
        return pages.pop(0) if call.operation == "DescribeInstances" else await read(client, call, what)

    monkeypatch.setattr(Client, "read", paged)
    found = step(await aws.set_up(wishes=DESTROY), "machines")
    assert (found.state, found.detail.endswith("i-late")) == ("failed", True)


async def test_nothing_is_removed_while_something_could_not_be_looked_at(aws: AwsBench) -> None:
    await aws.set_up()
    aws.arm("outage", "503", on=("iam.GetRole",))
    before = aws.changes()
    report = await aws.set_up(typing(), DESTROY)
    assert (states(report)["machine role"], report.exit_code, aws.changes()) == ("failed", 1, before)


async def test_what_cannot_be_looked_into_counts_as_holding_data(aws: AwsBench) -> None:
    await aws.set_up()
    person = Someone()
    report = await aws.again(setup_rights(without="SeeWhatBucketsHold")).set_up(person, DESTROY)
    assert (states(report)["bucket"], states(report)["access log"]) == ("skipped", "skipped")
    assert [line for line in person.heard if "holds what cannot be seen (" in line]
    assert buckets() == {BUCKET, LOGS}


async def test_a_role_that_somebody_gave_more_is_told_and_the_rest_goes(aws: AwsBench) -> None:
    await aws.set_up()
    aws.arm("auth.denied", ["iam:DeleteRole"])
    report = await aws.set_up(typing(), DESTROY)
    assert report.exit_code == 1
    assert "iam:DeleteRole" in step(report, "daemon role").detail
    assert buckets() == set()
    aws.heal()
    assert (await aws.set_up(wishes=DESTROY)).exit_code == 0
    assert roles() == set()


@pytest.mark.no_cover  # steps that others take too, again and again
@pytest.mark.parametrize(
    ("sid", "name"),
    [
        ("SeeThatNothingRuns", "machines"),
        ("RemoveRoles", "daemon role"),
        ("RemoveTheInstanceProfile", "profile"),
        ("RemoveTheSecurityGroup", "security group"),
        ("RemoveTheLogGroup", "log group"),
        ("RemoveBuckets", "bucket"),
        ("DeleteData", "bucket"),
        ("SeeWhatBucketsHold", "bucket"),
    ],
)
async def test_a_missing_right_is_named_with_the_statement_that_grants_it(aws: AwsBench, sid: str, name: str) -> None:
    await aws.set_up()
    narrow = aws.again(setup_rights(without=sid))
    report = await narrow.set_up(typing(), DESTROY)
    found = step(report, name)
    assert (found.state, f"{sid} of the setup policy" in found.detail) == ("failed", True), found
